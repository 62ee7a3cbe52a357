//! What an answer is worth to an exchange.

use serde::{Deserialize, Serialize};

/// What became of a request that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// At least one bid, in time.
    Bid,
    /// No bid, in time.
    NoBid,
    /// Bid or no bid, but after `tmax`: the exchange has gone on without it.
    Late,
    /// The server said that it has no time: 429, 503, RESOURCE_EXHAUSTED, or a no-bid for overload.
    Shed,
    /// Another status, an answer that cannot be read, or none.
    Error,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Bid, Self::NoBid, Self::Late, Self::Shed, Self::Error];

    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bid => "bid",
            Self::NoBid => "no-bid",
            Self::Late => "late",
            Self::Shed => "shed",
            Self::Error => "error",
        }
    }

    /// Whether it counts in percentiles: see [`super::Record::served`].
    pub const fn is_served(self) -> bool {
        matches!(self, Self::Bid | Self::NoBid | Self::Late)
    }
}

/// Something for each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the members are the outcomes")]
pub struct ByOutcome<T> {
    pub bid: T,
    pub no_bid: T,
    pub late: T,
    pub shed: T,
    pub error: T,
}

impl<T> ByOutcome<T> {
    /// That of an outcome.
    pub fn get(&self, outcome: Outcome) -> &T {
        match outcome {
            Outcome::Bid => &self.bid,
            Outcome::NoBid => &self.no_bid,
            Outcome::Late => &self.late,
            Outcome::Shed => &self.shed,
            Outcome::Error => &self.error,
        }
    }

    /// That of an outcome, to change.
    pub fn get_mut(&mut self, outcome: Outcome) -> &mut T {
        match outcome {
            Outcome::Bid => &mut self.bid,
            Outcome::NoBid => &mut self.no_bid,
            Outcome::Late => &mut self.late,
            Outcome::Shed => &mut self.shed,
            Outcome::Error => &mut self.error,
        }
    }

    /// Something else for each.
    pub fn map<U>(&self, of: impl Fn(&T) -> U) -> ByOutcome<U> {
        ByOutcome {
            bid: of(&self.bid),
            no_bid: of(&self.no_bid),
            late: of(&self.late),
            shed: of(&self.shed),
            error: of(&self.error),
        }
    }
}

impl ByOutcome<u64> {
    /// All together.
    pub fn total(&self) -> u64 {
        Outcome::ALL.iter().map(|outcome| self.get(*outcome)).sum()
    }
}
