//! Where notices are kept.

mod apply;
mod batch;
#[cfg(test)]
mod conformance;
mod connect;
mod conversions;
mod counting;
#[cfg(test)]
pub(crate) mod fixture;
mod holds;
mod journal;
mod memory;
mod pacing;
mod query;
pub(crate) mod report;
mod rows;
mod sql;
mod statements;

use std::collections::BTreeMap;

use async_trait::async_trait;
use tagbid_budget::{Account, AccountId, Epoch, Owner, Update};
use tagbid_notice::NoticeKind;
use tagbid_types::{
    AdvertiserId, BidId, BudgetDay, CampaignId, Cpm, CreativeId, LineItemId, Nanos, Ratio, Timestamp,
};
use thiserror::Error;

use crate::judge::Record;
use crate::work::{Done, Work};

pub(crate) use counting::{Turn, Waiting};
pub(crate) use journal::{Erased, Journal, Life, Table};
pub(crate) use sql::{Setting, SqlStore};

/// Why the store did not do it. Nothing of the call was kept.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum StoreError {
    /// It could not be reached, or failed: the same call may succeed later.
    #[error("{0}")]
    Unavailable(String),
    /// It refused the data: the same call will fail again.
    #[error("ledger database refused: {0}")]
    Refused(String),
    /// A sum of what it has is more than an answer can say.
    #[error(transparent)]
    Beyond(#[from] Beyond),
}

/// A sum that is more than 64 bits hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the sum of {0} is beyond 9223372036854775807: ask for fewer days or line items, or by more of them")]
pub(crate) struct Beyond(pub(crate) &'static str);

/// What became of a record that the store took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// New, and kept.
    Recorded,
    /// Said before.
    Duplicate,
    /// Kept aside: it contradicts what was said before, or its bid.
    Quarantined,
}

/// Sums of one line item, day and currency.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) spent: i64,
    pub(crate) excess: i64,
    pub(crate) wins: i64,
    pub(crate) billed: i64,
    pub(crate) losses: i64,
    pub(crate) imps: i64,
    pub(crate) clicks: i64,
    pub(crate) unbilled: i64,
    pub(crate) late: i64,
    pub(crate) duplicates: i64,
    pub(crate) quarantined: i64,
    pub(crate) uncovered: i64,
    pub(crate) over_capacity: i64,
}

/// Which spend is asked for; empty and none mean all.
#[derive(Clone, Debug, Default)]
pub(crate) struct SpendQuery {
    pub(crate) advertiser: Option<AdvertiserId>,
    pub(crate) campaign: Option<CampaignId>,
    pub(crate) line_items: Vec<LineItemId>,
    pub(crate) first_day: Option<BudgetDay>,
    pub(crate) last_day: Option<BudgetDay>,
    /// Rows after this one in the order of the answer.
    pub(crate) after: Option<SpendPlace>,
    pub(crate) limit: u32,
}

/// Which accounts are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BalanceQuery {
    pub(crate) owner: Owner,
    pub(crate) first_day: BudgetDay,
    pub(crate) last_day: BudgetDay,
}

/// A row's place in the order of spend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpendPlace {
    pub(crate) day: BudgetDay,
    pub(crate) line_item: LineItemId,
    pub(crate) currency: String,
}

/// Spend of one line item and day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpendRow {
    pub(crate) advertiser: AdvertiserId,
    pub(crate) campaign: CampaignId,
    pub(crate) place: SpendPlace,
    pub(crate) tally: Tally,
}

/// Which notices are asked for; none means all.
#[derive(Clone, Debug, Default)]
pub(crate) struct NoticeQuery {
    pub(crate) advertiser: Option<AdvertiserId>,
    pub(crate) campaign: Option<CampaignId>,
    pub(crate) line_item: Option<LineItemId>,
    pub(crate) kind: Option<NoticeKind>,
    pub(crate) from: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    /// Older than this one.
    pub(crate) before: Option<i64>,
    pub(crate) limit: u32,
}

/// A notice as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NoticeRow {
    pub(crate) seq: i64,
    pub(crate) exchange: String,
    pub(crate) bid: String,
    pub(crate) kind: String,
    pub(crate) outcome: String,
    pub(crate) advertiser: AdvertiserId,
    pub(crate) campaign: CampaignId,
    pub(crate) line_item: LineItemId,
    pub(crate) creative: CreativeId,
    pub(crate) auction: String,
    pub(crate) imp: String,
    pub(crate) issued: Timestamp,
    pub(crate) received: Timestamp,
    pub(crate) price: Option<Cpm>,
    pub(crate) max_price: Cpm,
    pub(crate) quantity: Ratio,
    pub(crate) currency: String,
    pub(crate) charged: Nanos,
    pub(crate) excess: Nanos,
    pub(crate) uncovered: Nanos,
    /// Impressions.
    pub(crate) over_capacity: i64,
    pub(crate) budget_currency: String,
    pub(crate) day: BudgetDay,
    pub(crate) loss_reason: Option<i64>,
    pub(crate) min_to_win: Option<Cpm>,
}

/// Which quarantined notices are asked for.
#[derive(Clone, Debug, Default)]
pub(crate) struct QuarantineQuery {
    pub(crate) advertiser: Option<AdvertiserId>,
    pub(crate) before: Option<i64>,
    pub(crate) limit: u32,
}

/// The suspect notices of one kind for one bid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QuarantineRow {
    pub(crate) seq: i64,
    pub(crate) exchange: String,
    pub(crate) bid: String,
    pub(crate) kind: String,
    pub(crate) advertiser: AdvertiserId,
    pub(crate) campaign: CampaignId,
    pub(crate) line_item: LineItemId,
    pub(crate) reason: String,
    pub(crate) price: Option<Cpm>,
    /// What stood there instead of one.
    pub(crate) said: Option<String>,
    pub(crate) times: i64,
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
}

/// Notices and their sums.
#[async_trait]
pub(crate) trait Store: Send + Sync + 'static {
    /// Does a batch in one transaction: all of it is durable when this returns, or none of it is kept. Answers
    /// stand in the order of the batch. One call at a time.
    async fn commit(&self, batch: &[Work]) -> Result<Vec<Done>, StoreError>;

    /// Whether there are leases or bidders that may get some, as of the last commit: else no watermark is waited for.
    async fn has_leases(&self) -> bool;

    /// What a bidder has to hear of its holds after what it was told, as of the last commit: so many sums at most, and how far
    /// that goes. Nothing: there is no telling now.
    async fn update(&self, epoch: Epoch, told: Told, most: usize) -> (Update, Told);

    /// Spend by day, line item and currency, in this order.
    async fn spend(&self, query: &SpendQuery) -> Result<Vec<SpendRow>, StoreError>;

    /// The accounts of an owner, those of the latest day first, those that are for ever last.
    async fn balances(&self, query: &BalanceQuery) -> Result<Vec<(AccountId, Account)>, StoreError>;

    /// Sums over all that match, whatever `after` and `limit` say, by currency.
    async fn totals(&self, query: &SpendQuery) -> Result<Vec<(String, Tally)>, StoreError>;

    /// Wins by line item over all that match, whatever `after` and `limit` say; without any, left out.
    async fn wins(&self, query: &SpendQuery) -> Result<BTreeMap<LineItemId, u64>, StoreError>;

    /// Notices, newest first.
    async fn notices(&self, query: &NoticeQuery) -> Result<Vec<NoticeRow>, StoreError>;

    /// Suspect notices, newest first.
    async fn quarantined(&self, query: &QuarantineQuery) -> Result<Vec<QuarantineRow>, StoreError>;

    /// From now on billed impressions of users who are counted are kept until they are: there is somebody who does it.
    fn count_impressions(&self);

    /// So many impressions that wait to be counted, the oldest first, behind this row.
    async fn impressions(&self, after: i64, most: u32) -> Result<Vec<Waiting>, StoreError>;

    /// Takes the turn of delivering them until a moment, or keeps it; none: another ledger has it. A turn until the past is
    /// given up.
    async fn take_turn(&self, mine: Turn, until: Timestamp) -> Result<Option<Turn>, StoreError>;

    /// Whether it can be reached.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// How far one who follows has been told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Which copy of the books it was told from: places in another are others, and it is told all again.
    pub(crate) copy: u64,
    /// Its place in the order of changes.
    pub(crate) place: u64,
}

/// The identity of a notice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) exchange: String,
    pub(crate) bid: BidId,
    pub(crate) kind: NoticeKind,
    pub(crate) priced: bool,
}

impl Key {
    pub(crate) fn of(record: &Record) -> Self {
        Self {
            exchange: record.token.exchange.as_str().to_owned(),
            bid: record.token.bid,
            kind: record.kind,
            priced: record.price.is_some(),
        }
    }
}
