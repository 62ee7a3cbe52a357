//! Shares and rates as integers: any ledger computes the same, on any machine.

use std::time::Duration;

use tagbid_types::Nanos;

/// A whole, in the unit of shares: a share is so many parts of this.
pub(super) const WHOLE: i64 = 1_000_000_000_000;

/// `amount x by / of`, rounded down, in 128 bits; what does not fit is the largest that does.
pub(super) fn scale(amount: i64, by: i64, of: i64) -> i64 {
    let product = i128::from(amount) * i128::from(by);
    let quotient = product.checked_div(i128::from(of)).unwrap_or(0);
    i64::try_from(quotient).unwrap_or(if quotient < 0 { i64::MIN } else { i64::MAX })
}

/// Money by time: picos (thousandths of a nano) a second, so that ten bids a day are still a number with some digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(i64);

impl Rate {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// From picos a second; below zero is nothing.
    pub fn from_picos(picos: i64) -> Self {
        Self(picos.max(0))
    }

    /// Picos a second.
    pub fn picos(self) -> i64 {
        self.0
    }

    /// So much money evenly over this time; over no time: nothing.
    pub(super) fn of(money: Nanos, over: Duration) -> Self {
        let micros = i64::try_from(over.as_micros()).unwrap_or(i64::MAX);
        Self::from_picos(scale(money.0, 1_000_000_000, micros))
    }

    /// What comes together in this time.
    pub fn during(self, time: Duration) -> Nanos {
        Nanos(scale(self.0, i64::try_from(time.as_micros()).unwrap_or(i64::MAX), 1_000_000_000))
    }

    /// How long it takes until this much has come together; none: never.
    pub fn time_for(self, amount: Nanos) -> Option<Duration> {
        let nanos = scale(amount.0.max(0), 1_000_000_000_000, self.0);
        (self.0 > 0).then(|| Duration::from_nanos(nanos.unsigned_abs()))
    }
}
