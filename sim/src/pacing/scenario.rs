//! What is tried.

use super::traffic::DAY;

/// How a scenario's line items are paced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Linear.
    Even,
    /// By the profile of the three days before, which were other draws of the same traffic.
    Shaped,
    /// Not at all.
    Asap,
}

/// Whose budget it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Money {
    /// The line item's, for each day.
    Daily,
    /// The line item's, for a flight of so many days.
    Lifetime(i64),
    /// The campaign's, for each day: four line items without budgets of their own share it, of which one has a tenth of the
    /// traffic.
    Shared,
}

/// One world.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// For tables.
    pub name: &'static str,
    /// Pacing.
    pub kind: Kind,
    /// The budget.
    pub money: Money,
    /// Bids that the budget pays for at their highest price, a day.
    pub bids: i64,
    /// Bids that win; half of that after noon, until a competitor leaves at six.
    pub win_rate: f64,
    /// How long a hold lasts, in seconds; billing takes a seventh of that in the mean.
    pub hold_s: u32,
    /// Whether losses are told.
    pub tells_losses: bool,
    /// Opportunities a second, in the mean of a day.
    pub opportunities: f64,
}

impl Scenario {
    const fn even(name: &'static str, win_rate: f64, hold_s: u32) -> Self {
        Self {
            name,
            kind: Kind::Even,
            money: Money::Daily,
            bids: 20_000,
            win_rate,
            hold_s,
            tells_losses: true,
            opportunities: 40.0,
        }
    }

    /// All of them.
    pub fn all() -> Vec<Self> {
        let base = Self::even("even", 0.3, 420);
        vec![
            base.clone(),
            Self::even("even, every bid wins, web", 1.0, 90),
            Self::even("even, 1 in 20 wins", 0.05, 420),
            Self::even("even, 1 in 20, interstitials", 0.05, 2_100),
            Self { tells_losses: false, ..Self::even("even, losses untold, web", 0.3, 90) },
            Self { bids: 200, ..Self::even("even, 200 bids a day", 0.1, 420) },
            Self { kind: Kind::Shaped, ..Self::even("shaped", 0.3, 420) },
            Self { kind: Kind::Shaped, ..Self::even("shaped, 1 in 20 wins", 0.05, 420) },
            Self { kind: Kind::Asap, ..Self::even("as soon as possible", 0.3, 420) },
            Self { money: Money::Shared, ..Self::even("even, 4 line items, 1 budget", 0.3, 420) },
            Self { money: Money::Lifetime(3), bids: 10_000, ..Self::even("even, 3 days", 0.3, 420) },
            Self {
                money: Money::Lifetime(3),
                bids: 10_000,
                kind: Kind::Shaped,
                ..Self::even("shaped, 3 days", 0.3, 420)
            },
        ]
    }

    /// So many days.
    pub fn days(&self) -> i64 {
        match self.money {
            Money::Daily | Money::Shared => 1,
            Money::Lifetime(days) => days,
        }
    }

    /// How many line items.
    pub(super) fn lines(&self) -> usize {
        if self.money == Money::Shared { 4 } else { 1 }
    }

    /// Twenty minutes of every day without any request.
    pub(super) fn is_out(&self, second: i64) -> bool {
        (15 * 3_600 + 600..15 * 3_600 + 1_800).contains(&second.rem_euclid(DAY))
    }

    /// Bids that win now.
    pub(super) fn wins(&self, second: i64) -> f64 {
        let raised = (12 * 3_600..18 * 3_600).contains(&second.rem_euclid(DAY));
        if raised { self.win_rate / 2.0 } else { self.win_rate }
    }
}
