//! Currency rates of the exchange.

use tagbid_types::{Cpm, Currency, Ratio, divide_half_even};

use crate::world::RATES;

/// What one unit of each currency is worth in US dollars.
#[derive(Clone, Debug)]
pub struct Rates(Vec<(Currency, Ratio)>);

impl Rates {
    /// These rates.
    pub fn new(rates: impl IntoIterator<Item = (Currency, Ratio)>) -> Self {
        Self(rates.into_iter().collect())
    }

    /// A price in another currency, rounded half to even; none when a rate is missing or the result too large.
    pub fn convert(&self, price: Cpm, from: Currency, to: Currency) -> Option<Cpm> {
        if from == to {
            return Some(price);
        }
        let (from, to) = (self.rate(from)?, self.rate(to)?);
        divide_half_even(i128::from(price.0) * i128::from(from.0), i128::from(to.0)).ok().map(Cpm)
    }

    fn rate(&self, currency: Currency) -> Option<Ratio> {
        self.0.iter().find(|(own, _)| *own == currency).map(|(_, rate)| *rate)
    }
}

impl Default for Rates {
    /// The world's.
    fn default() -> Self {
        Self::new(RATES.iter().filter_map(|(code, rate)| Some((code.parse().ok()?, *rate))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_crosses_by_way_of_the_dollar() {
        let rates = Rates::default();
        let (eur, gbp) = ("EUR".parse().unwrap(), "GBP".parse().unwrap());
        assert_eq!(rates.convert(Cpm(1_000_000), eur, Currency::USD), Some(Cpm(1_080_000)));
        assert_eq!(rates.convert(Cpm(1_270_000), eur, gbp), Some(Cpm(1_080_000)));
        assert_eq!(rates.convert(Cpm(7), eur, "XAU".parse().unwrap()), None);
    }
}
