//! How exchanges write the prices of their notices.

use std::collections::BTreeMap;

use tagbid_notice::{EncryptedPriceError, PriceKeys, PriceMacro};
use tagbid_types::ExchangeName;

use crate::judge::Suspicion;
use crate::options::Exchange;

/// The keys of exchanges that encrypt their prices.
#[derive(Debug, Default)]
pub(crate) struct Prices(BTreeMap<ExchangeName, PriceKeys>);

impl Prices {
    /// The settings, or the key that cannot be used.
    pub(crate) fn new(exchanges: &BTreeMap<ExchangeName, Exchange>) -> Result<Self, String> {
        let mut keys = BTreeMap::new();
        for (name, exchange) in exchanges {
            let pairs = PriceKeys::parse(exchange.price_keys.iter().map(|secret| secret.expose()));
            let pairs = pairs.map_err(|problem| format!("ledger.exchanges.{name}.price_keys: {problem}"))?;
            keys.extend(pairs.map(|pairs| (name.clone(), pairs)));
        }
        Ok(Self(keys))
    }

    /// What stands where the price belongs. One that cannot be read was sold all the same, and an encrypted one, or a plain one in
    /// its place, may be a forgery.
    pub(crate) fn read(&self, exchange: &ExchangeName, text: &str) -> Result<PriceMacro, Suspicion> {
        match self.0.get(exchange) {
            None => text.parse().map_err(|_| Suspicion::Price),
            Some(keys) => keys.read(text).map_err(|problem| match problem {
                EncryptedPriceError::NotEncrypted => Suspicion::NotEncrypted,
                EncryptedPriceError::Signature => Suspicion::Signature,
                EncryptedPriceError::TooLarge => Suspicion::Overflow,
            }),
        }
    }
}
