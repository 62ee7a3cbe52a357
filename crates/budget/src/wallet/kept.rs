//! One lease as its bidder keeps it.

use std::collections::BTreeMap;
use std::sync::Arc;

use tagbid_types::{Nanos, Timestamp};

use super::funds::Fund;
use super::purse::{Hold, Purse};
use crate::{Bucket, LeaseId, Second, Stand};

/// One lease: `granted = remaining + held + charged + returned`.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) purse: Arc<Purse>,
    pub(super) fund: Fund,
    pub(super) granted: Nanos,
    pub(super) returned: Nanos,
    charged: Nanos,
    /// What is left of all that is open.
    held: i64,
    /// Holds that may still be open, by their ends.
    open: BTreeMap<Second, Open>,
    /// Held and returned, as the ledger has been heard to know them.
    told: Option<(Nanos, Nanos)>,
}

/// Holds of one lease that end in the same second.
#[derive(Clone, Copy, Debug, Default)]
struct Open {
    held: i64,
    /// As the ledger last said.
    resolved: Bucket,
}

impl Open {
    fn left(&self) -> i64 {
        (self.held - self.resolved.settled.0 - self.resolved.released.0).max(0)
    }
}

impl Kept {
    pub(super) fn new(purse: Purse, fund: Fund) -> Self {
        Self {
            purse: Arc::new(purse),
            fund,
            granted: Nanos::ZERO,
            returned: Nanos::ZERO,
            charged: Nanos::ZERO,
            held: 0,
            open: BTreeMap::new(),
            told: None,
        }
    }

    pub(super) fn held(&self) -> Nanos {
        Nanos(self.held)
    }

    pub(super) fn charged(&self) -> Nanos {
        self.charged
    }

    /// When the last of its holds ends.
    pub(super) fn last_end(&self) -> Option<Second> {
        self.open.last_key_value().map(|(ends, _)| *ends)
    }

    pub(super) fn stand(&self, lease: LeaseId) -> Stand {
        Stand { lease, held: self.held(), returned: self.returned, last_end: None }
    }

    /// Whether the ledger is to hear of it.
    pub(super) fn is_news(&self) -> bool {
        self.told != Some((self.held(), self.returned))
    }

    pub(super) fn was_told(&mut self, stand: &Stand) {
        self.told = Some((stand.held, stand.returned));
    }

    /// Whether nothing will come of it any more and the ledger knows that all is given back.
    pub(super) fn is_over(&self, time: Timestamp) -> bool {
        let empty = self.open.is_empty() && self.purse.remaining() == Nanos::ZERO;
        time >= self.purse.day_ends && empty && !self.is_news()
    }

    /// Granted in all.
    pub(super) fn grant(&mut self, granted: Nanos) {
        let more = Nanos((granted.0 - self.granted.0).max(0));
        self.granted = self.granted.max(granted);
        self.purse.credit(more);
    }

    pub(super) fn hold(&mut self, hold: &Hold) {
        self.change(hold.until, |open| open.held += hold.amount.0);
    }

    /// What the ledger says became of holds, as sums; what it said before that is no news.
    pub(super) fn resolve(&mut self, ends: Second, sums: Bucket) {
        let before = self.open.get(&ends).map(|open| open.resolved).unwrap_or_default();
        if sums.settled < before.settled || sums.released < before.released {
            return;
        }
        let charged = sums.charged.0 - before.charged.0;
        let freed = sums.settled.0 - before.settled.0 + sums.released.0 - before.released.0 - charged;
        self.change(ends, |open| open.resolved = sums);
        self.charged = Nanos(self.charged.0 + charged);
        self.purse.credit(Nanos(freed));
    }

    fn change(&mut self, ends: Second, change: impl FnOnce(&mut Open)) {
        let open = self.open.entry(ends).or_default();
        let before = open.left();
        change(open);
        self.held += open.left() - before;
    }

    /// Every hold that ends by then and was not resolved is over.
    pub(super) fn advance(&mut self, watermark: Second) {
        let still_open = self.open.split_off(&Second(watermark.0.saturating_add(1)));
        let over = std::mem::replace(&mut self.open, still_open);
        let left: i64 = over.values().map(Open::left).sum();
        self.held -= left;
        self.purse.credit(Nanos(left));
    }

    /// Gives back what no bid holds, so much at most.
    pub(super) fn give_back(&mut self, most: Nanos) -> Nanos {
        let taken = self.purse.take_up_to(most);
        self.returned = Nanos(self.returned.0 + taken.0);
        taken
    }
}
