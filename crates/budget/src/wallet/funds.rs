//! What a bid takes at once: money, impressions, or both. All of it, or nothing.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::Guard;
use tagbid_types::{LineItemId, Monotonic, Nanos};
use thiserror::Error;

use super::purse::{Empty, Hold, Pocket, Purse};
use crate::Unit;

/// Identity of what a line item may use up: its money, or its impressions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fund {
    /// Whose.
    pub line_item: LineItemId,
    /// Of what.
    pub unit: Unit,
}

impl Fund {
    /// Before all others.
    pub const FIRST: Self = Self { line_item: LineItemId(0), unit: Unit::Money };

    /// A line item's impressions.
    pub fn impressions(line_item: LineItemId) -> Self {
        Self { line_item, unit: Unit::Impressions }
    }
}

impl From<LineItemId> for Fund {
    /// A line item's money.
    fn from(line_item: LineItemId) -> Self {
        Self { line_item, unit: Unit::Money }
    }
}

/// The pockets of a line item, of each unit that something limits.
#[derive(Clone, Copy, Debug)]
pub struct Funds<'a> {
    /// Where it, its campaign or its advertiser has a budget.
    pub money: Option<&'a Pocket>,
    /// Where one of them has a capacity.
    pub impressions: Option<&'a Pocket>,
}

/// What a bid takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// The most that it can cost.
    pub cost: Nanos,
    /// The impressions that it stands for.
    pub impressions: Nanos,
    /// For how long, in seconds.
    pub hold_s: u32,
}

/// What a bid has taken. Holds of two units are of one day and one life of the bidder, and end in the same second: whoever is told of
/// the bid need not be told of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holds {
    /// None: no budget.
    pub money: Option<Hold>,
    /// None: no capacity.
    pub impressions: Option<Hold>,
}

impl Holds {
    /// For how long they were made, in seconds: both for the same time; none: nothing is held.
    pub fn hold_s(&self) -> Option<u32> {
        self.money.or(self.impressions).map(|hold| hold.hold_s)
    }
}

/// Why nothing was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{unit:?}: {why}")]
pub struct Missing {
    /// What is missing.
    pub unit: Unit,
    /// Why.
    pub why: Empty,
}

/// A hold with the purse that it came out of.
pub(super) struct Taken<'a> {
    pub(super) pocket: &'a Pocket,
    pub(super) purse: Guard<Option<Arc<Purse>>>,
    pub(super) hold: Hold,
}

impl Taken<'_> {
    fn put_back(&self) {
        self.pocket.tokens.put_back(self.hold.amount);
        self.purse.iter().for_each(|purse| purse.credit(self.hold.amount));
    }
}

impl Holds {
    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Hold> {
        self.money.into_iter().chain(self.impressions)
    }

    /// Any of them: for what they have in common.
    pub fn any(&self) -> Option<Hold> {
        self.iter().next()
    }
}

impl Funds<'_> {
    /// Takes all that a bid needs, as [`Pocket::hold`] does.
    pub fn hold(&self, price: &Price, now: Monotonic) -> Result<Holds, Missing> {
        let hold_s = price.hold_s;
        let money = self.money.map(|pocket| pocket.take(price.cost, hold_s, now)).transpose();
        let money = money.map_err(|why| Missing { unit: Unit::Money, why })?;
        let impressions = self.impressions.map(|pocket| pocket.take(price.impressions, hold_s, now));
        let impressions = impressions.transpose().map_err(|why| {
            money.iter().for_each(Taken::put_back);
            Missing { unit: Unit::Impressions, why }
        })?;
        match (money, impressions) {
            (Some(money), Some(impressions)) => pair(&money, &impressions),
            (money, impressions) => Ok(Holds {
                money: money.map(|taken| taken.hold),
                impressions: impressions.map(|taken| taken.hold),
            }),
        }
    }

    /// Whether a bid could take all this now. For one that could not, `wanted` sees to it that what is missing is asked for. Not what
    /// would lie idle: while the ledger has none of the one, none of the other is kept from line items that have both.
    pub fn has(&self, price: &Price, now: Monotonic, wanted: bool) -> Result<(), Missing> {
        let has = |pocket: Option<&Pocket>, amount| {
            pocket.map_or(Ok(()), |pocket| pocket.has(amount, price.hold_s, now))
        };
        let money = has(self.money, price.cost).err();
        let impressions = has(self.impressions, price.impressions).err();
        let is_short = |pocket: Option<&Pocket>| pocket.is_some_and(Pocket::is_short);
        let no_impressions = impressions.is_some() && is_short(self.impressions);
        let no_money = money == Some(Empty::Paced) || money.is_some() && is_short(self.money);
        if let (Some(why), Some(pocket)) = (money, self.money)
            && wanted
            && !no_impressions
        {
            pocket.missed(price.cost, price.hold_s, why);
        }
        if let (Some(why), Some(pocket)) = (impressions, self.impressions)
            && wanted
            && (no_impressions || !no_money)
        {
            pocket.missed(price.impressions, price.hold_s, why);
        }
        let money = money.map(|why| Missing { unit: Unit::Money, why });
        let impressions = impressions.map(|why| Missing { unit: Unit::Impressions, why });
        // What the ledger has none of before what only was not asked for yet.
        let missing = if no_impressions { impressions.or(money) } else { money.or(impressions) };
        missing.map_or(Ok(()), Err)
    }

    /// What no bid can take anything of for the time being ([`Pocket::is_dry`]).
    pub fn dry(&self, now: Monotonic) -> Option<Unit> {
        let is_dry = |pocket: Option<&Pocket>| pocket.is_some_and(|pocket| pocket.is_dry(now));
        let impressions = || is_dry(self.impressions).then_some(Unit::Impressions);
        is_dry(self.money).then_some(Unit::Money).or_else(impressions)
    }

    /// How long its pace holds a bid of this cost back; none: it does not.
    pub fn wait(&self, cost: Nanos, now: Monotonic) -> Option<Duration> {
        self.money.and_then(|pocket| pocket.wait(cost, now))
    }

    /// Whether holds made a moment ago may still be used: to be asked right before the bid is sent.
    pub fn still_valid(&self, holds: &Holds, now: Monotonic) -> bool {
        let valid = |(pocket, hold): (Option<&Pocket>, Hold)| {
            pocket.is_some_and(|pocket| pocket.still_valid(&hold, now))
        };
        self.with(holds).all(valid)
    }

    /// Puts back what a bid took that was not sent. What comes out is for [`Wallet::undo`](crate::Wallet::undo).
    #[must_use]
    pub fn undo(&self, holds: &Holds) -> Vec<Hold> {
        let undone = |pocket: Option<&Pocket>, hold: &Hold| pocket.is_some_and(|pocket| pocket.undo(hold));
        self.with(holds).filter(|(pocket, hold)| !undone(*pocket, hold)).map(|(_, hold)| hold).collect()
    }

    /// Holds with the pockets that they are of.
    fn with(&self, holds: &Holds) -> impl Iterator<Item = (Option<&Pocket>, Hold)> {
        let money = holds.money.map(|hold| (self.money, hold));
        let impressions = holds.impressions.map(|hold| (self.impressions, hold));
        money.into_iter().chain(impressions)
    }
}

/// Two holds of one bid. Between them a lease of another day or life may have come into force, and the estimate of the ledger's time may
/// have become another: then the earlier end counts for both, as either is late enough.
fn pair(money: &Taken<'_>, impressions: &Taken<'_>) -> Result<Holds, Missing> {
    let (one, other) = (money.hold, impressions.hold);
    if (one.epoch, one.day) != (other.epoch, other.day) {
        money.put_back();
        impressions.put_back();
        return Err(Missing { unit: Unit::Impressions, why: Empty::NoLease });
    }
    let (until, hold_s) = (one.until, one.hold_s).min((other.until, other.hold_s));
    Ok(Holds {
        money: Some(Hold { until, hold_s, ..one }),
        impressions: Some(Hold { until, hold_s, ..other }),
    })
}

#[cfg(test)]
mod tests;
