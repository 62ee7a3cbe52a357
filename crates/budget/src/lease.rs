//! A lease: money or impressions of one line item and day in the hands of one bidder.

use tagbid_types::{AdvertiserId, BudgetDay, CampaignId, LineItemId, Nanos, Timestamp};

use crate::{AccountId, Owner, Period, Unit};

/// Identity of a lease, given by the ledger, never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub u64);

/// One life of a bidder as the ledger counts them, rising over all bidders. What a bidder does under an epoch that is over
/// is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch(pub u64);

/// A second of the ledgers' time, by which holds end: seconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Second(pub i64);

impl Second {
    /// Before all others.
    pub const NEVER: Self = Self(i64::MIN);

    /// The first second that is not before this moment: a hold never ends too early.
    pub fn at_or_after(moment: Timestamp) -> Self {
        Self(moment.0.div_euclid(1_000_000) + i64::from(moment.0.rem_euclid(1_000_000) != 0))
    }

    /// The last second that is not after this moment: a watermark never passes too early.
    pub fn at_or_before(moment: Timestamp) -> Self {
        Self(moment.secs())
    }
}

/// A line item and what it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line {
    /// The tenant.
    pub advertiser: AdvertiserId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// The line item.
    pub line_item: LineItemId,
}

impl Line {
    /// The six accounts that a lease of this unit for this day is taken from.
    pub fn accounts(&self, unit: Unit, day: BudgetDay) -> [AccountId; 6] {
        let owners = [
            Owner::Advertiser(self.advertiser),
            Owner::Campaign(self.campaign),
            Owner::LineItem(self.line_item),
        ];
        let account = |index: usize, owner| AccountId {
            owner,
            unit,
            period: if index < 3 { Period::Lifetime } else { Period::Day(day) },
        };
        let [advertiser, campaign, line_item] = owners;
        [
            account(0, advertiser),
            account(1, campaign),
            account(2, line_item),
            account(3, advertiser),
            account(4, campaign),
            account(5, line_item),
        ]
    }
}

/// A lease as the ledger keeps it. Sums are since it began, and rise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Whose.
    pub epoch: Epoch,
    /// For what.
    pub line: Line,
    /// Of what.
    pub unit: Unit,
    /// For bids of this day.
    pub day: BudgetDay,
    /// When that day ends.
    pub day_ends: Timestamp,
    /// The longest that a hold under it may last, in seconds.
    pub longest_hold_s: u32,
    /// Granted in all.
    pub granted: Nanos,
    /// Given back in all.
    pub returned: Nanos,
    /// Billed in all.
    pub charged: Nanos,
    /// In holds, as the bidder last said, less what notices have resolved since.
    pub held: Nanos,
}

impl Lease {
    /// The accounts that it was taken from.
    pub fn accounts(&self) -> [AccountId; 6] {
        self.line.accounts(self.unit, self.day)
    }

    /// What the bidder still has: to bid with, or in holds.
    pub fn outstanding(&self) -> Nanos {
        // Each was checked when it was added: granted covers the others.
        Nanos(self.granted.0 - self.returned.0 - self.charged.0)
    }

    /// When the last hold is over of one that could be bid with until `end`.
    pub(crate) fn over_by(&self, end: Timestamp) -> Second {
        let Second(ends) = Second::at_or_after(end);
        Second(ends.saturating_add(i64::from(self.longest_hold_s)))
    }

    /// When the last hold is over of one that is bid with for as long as its day lasts.
    pub(crate) fn day_over(&self) -> Second {
        self.over_by(self.day_ends)
    }
}

/// What became of holds of one lease that end in the same second. Sums rise until the watermark passes that second and
/// stay as they are from then on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Holds of bids that were billed.
    pub settled: Nanos,
    /// What was billed for them.
    pub charged: Nanos,
    /// Holds of bids that are known to have lost.
    pub released: Nanos,
}
