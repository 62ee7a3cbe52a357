//! From bid rules to a price: base x multipliers, then clamp.

use tagbid_targeting::Truth;
use tagbid_types::{Cpm, Currency};

use crate::{BidRules, Fx, FxError, Multiplier};

impl BidRules {
    /// The price of one impression in the rules' currency: `base` times every multiplier whose test is true, in
    /// order, each rounded half to even; then at least `min` and at most [`BidRules::most`]. `test` is asked what the test of
    /// the n-th multiplier says.
    ///
    /// The running price stays within zero and [`Cpm::MAX`], so no chain of multipliers can overflow.
    pub fn price(&self, mut test: impl FnMut(usize) -> Truth) -> Cpm {
        let multipliers = self.multipliers.iter().enumerate();
        let scaled =
            multipliers.fold(
                self.base,
                |price, (index, multiplier)| {
                    if test(index).holds() { multiplier.apply(price) } else { price }
                },
            );
        self.clamp(scaled)
    }

    /// The highest price that any impression can have, in the rules' currency. Scaling and rounding never turn a
    /// higher price into the lower one, so taking each multiplier only where it raises the price gives exactly it.
    pub fn bound(&self) -> Cpm {
        let highest =
            self.multipliers.iter().fold(self.base, |price, multiplier| price.max(multiplier.apply(price)));
        self.clamp(highest)
    }

    /// The price in the currency of a bid, rounded half to even but never above [`BidRules::most`].
    pub fn in_currency(&self, price: Cpm, to: Currency, fx: &Fx) -> Result<Cpm, FxError> {
        let most = fx.convert_down(self.most(), self.currency, to)?;
        Ok(fx.convert(price, self.currency, to)?.min(most))
    }

    pub(crate) fn clamp(&self, price: Cpm) -> Cpm {
        price.max(self.min).min(self.most())
    }
}

impl Multiplier {
    pub(crate) fn apply(&self, price: Cpm) -> Cpm {
        price.scale(self.factor).map_or(Cpm::MAX, |scaled| scaled.clamp(Cpm::ZERO, Cpm::MAX))
    }
}
