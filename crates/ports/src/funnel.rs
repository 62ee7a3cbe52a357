//! How far line items came: from the impressions that were offered to the auctions that were won.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tagbid_types::{BudgetDay, LineItemId, NoBidReason, Timestamp};
use thiserror::Error;

/// What a line item lost an impression to that its targeting wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Loss {
    /// The first thing that Explain says against it; or, for the line item that would have been bid, what became of
    /// the whole answer (`no_time`).
    Reason(NoBidReason),
    /// Nothing stood against it, and another line item of this bidder was worth more.
    Outbid,
}

impl Loss {
    /// How many there are: the bounded label set of the metric.
    pub const COUNT: usize = NoBidReason::ALL.len() + 1;

    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        NoBidReason::ALL.into_iter().map(Self::Reason).chain([Self::Outbid])
    }

    /// Its place in [`Loss::all`].
    pub fn index(self) -> usize {
        match self {
            Self::Reason(reason) => reason as usize,
            Self::Outbid => NoBidReason::ALL.len(),
        }
    }

    /// The metric label; a reason's is the same as everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reason(reason) => reason.as_str(),
            Self::Outbid => "outbid",
        }
    }

    /// The loss of that label.
    pub fn named(label: &str) -> Option<Self> {
        Self::all().find(|loss| loss.as_str() == label)
    }
}

/// Counts of one line item over sampled impressions. At any time `considered >= matched`, `matched` is `bid` and all
/// losses together, and `matched >= priced >= bid`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineItemFunnel {
    /// Whose.
    pub line_item: LineItemId,
    /// Since when; none when no bidder that was asked has the line item.
    pub since: Option<Timestamp>,
    /// Impressions that were looked at while it could have been found.
    pub considered: u64,
    /// Of these, its targeting was true.
    pub matched: u64,
    /// What matching impressions were lost to; those without any loss are not there.
    pub losses: BTreeMap<Loss, u64>,
    /// Of those matched, every gate and floor let it through at a price.
    pub priced: u64,
    /// Of those priced, it was bid.
    pub bid: u64,
}

impl LineItemFunnel {
    /// Without any count.
    pub fn empty(line_item: LineItemId) -> Self {
        Self { line_item, since: None, considered: 0, matched: 0, losses: BTreeMap::new(), priced: 0, bid: 0 }
    }

    /// Adds what another bidder counted of the same line item.
    pub fn add(&mut self, other: &Self) {
        self.since = self.since.into_iter().chain(other.since).min();
        self.considered += other.considered;
        self.matched += other.matched;
        self.priced += other.priced;
        self.bid += other.bid;
        for (loss, count) in &other.losses {
            *self.losses.entry(*loss).or_default() += count;
        }
    }
}

/// One bidder's part in the counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FunnelSource {
    /// Its address; "in process" for the one next door.
    pub bidder: String,
    /// When it began to count.
    pub since: Option<Timestamp>,
    /// Requests that came to its search since then.
    pub requests: u64,
    /// Of these, the ones that the counts are of: chosen at random. Counts times `requests / sampled` estimate what
    /// all requests would have given.
    pub sampled: u64,
    /// Requests that were chosen and dropped because the pass was behind.
    pub dropped: u64,
    /// Why nothing of it is in the counts; empty: it answered.
    pub problem: String,
}

/// Funnels of some line items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Funnel {
    /// Whom the counts are from.
    pub sources: Vec<FunnelSource>,
    /// One for each line item that was asked for, in that order.
    pub line_items: Vec<LineItemFunnel>,
}

/// Why there are no counts at all.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("no funnel: {0}")]
pub struct FunnelError(pub String);

/// The bidders, asked how far line items came.
#[async_trait]
pub trait FunnelCounts: Send + Sync + 'static {
    /// The funnels of these line items, of all bidders that answered added up.
    async fn funnel(&self, line_items: &[LineItemId]) -> Result<Funnel, FunnelError>;
}

/// Why wins could not be counted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the ledger could not be asked: {0}")]
pub struct WinsError(pub String);

/// The ledger, asked for wins.
#[async_trait]
pub trait WinCounts: Send + Sync + 'static {
    /// Win notices for bids of budget day `from` and later; line items without any are left out.
    async fn wins(
        &self,
        line_items: &[LineItemId],
        from: BudgetDay,
    ) -> Result<BTreeMap<LineItemId, u64>, WinsError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loss_has_its_own_place_and_label() {
        for (place, loss) in Loss::all().enumerate() {
            assert_eq!((loss.index(), Loss::named(loss.as_str())), (place, Some(loss)));
        }
        assert_eq!(Loss::all().count(), Loss::COUNT);
    }

    #[test]
    fn two_bidders_counts_add_up_from_the_earlier_start() {
        let of = |since, losses: &[(Loss, u64)]| LineItemFunnel {
            since: Some(Timestamp(since)),
            considered: 10,
            matched: 4,
            losses: losses.iter().copied().collect(),
            priced: 2,
            bid: 1,
            ..LineItemFunnel::empty(LineItemId(1))
        };
        let (floor, outbid) = (Loss::Reason(NoBidReason::BelowFloor), Loss::Outbid);
        let mut sum = LineItemFunnel::empty(LineItemId(1));
        sum.add(&of(20, &[(floor, 2), (outbid, 1)]));
        sum.add(&of(10, &[(floor, 3)]));
        assert_eq!(
            (sum.since, sum.considered, sum.matched, sum.priced, sum.bid),
            (Some(Timestamp(10)), 20, 8, 4, 2)
        );
        assert_eq!(sum.losses, [(floor, 5), (outbid, 1)].into());
    }
}
