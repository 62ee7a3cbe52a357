//! The settings of the role: the table `[campaigns]` of the configuration.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tagbid_runtime::auth::Secret;
use tagbid_types::ExchangeName;

/// Settings of the campaigns role.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`; masked in dumps for the password's sake. Default
    /// `sqlite:tagbid-catalog.db`; the file is created.
    pub database: Secret,
    /// Domains from which creatives may load, and to which their clicks may lead, besides the advertiser's own;
    /// subdomains included; `"*"` allows every domain. Default: none.
    pub creative_domains: Vec<String>,
    /// Exchanges that deals and reviews may name, besides those in `[bidder.exchanges]` of the same configuration.
    /// Where neither names one, any name will do. Default: none.
    pub exchanges: BTreeSet<ExchangeName>,
    /// How often the database is asked for changes that another process made, in milliseconds; one's own are seen at
    /// once. Default 200.
    pub poll_ms: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            database: Secret::new("sqlite:tagbid-catalog.db"),
            creative_domains: Vec::new(),
            exchanges: BTreeSet::new(),
            poll_ms: 200,
        }
    }
}

impl Options {
    pub(crate) fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }
}
