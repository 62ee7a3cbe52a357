//! Counters of the role, for whoever exports them.

use tagbid_notice::NoticeKind;
use tagbid_runtime::metrics::{Counter, Histogram};

/// One counter for each kind of notice.
#[derive(Debug, Default)]
pub struct ByKind {
    win: Counter,
    bill: Counter,
    loss: Counter,
    imp: Counter,
    click: Counter,
}

impl ByKind {
    /// The counter of a kind.
    pub fn of(&self, kind: NoticeKind) -> &Counter {
        match kind {
            NoticeKind::Win => &self.win,
            NoticeKind::Bill => &self.bill,
            NoticeKind::Loss => &self.loss,
            NoticeKind::Imp => &self.imp,
            NoticeKind::Click => &self.click,
        }
    }

    /// All of them with their kinds.
    pub fn iter(&self) -> impl Iterator<Item = (NoticeKind, u64)> + '_ {
        NoticeKind::ALL.into_iter().map(|kind| (kind, self.of(kind).get()))
    }
}

/// Upper bounds of the buckets of [`Batches`]; one more takes the rest.
pub const BATCH_BOUNDS: [u64; 11] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/// How many notices transactions held.
#[derive(Debug, Default)]
pub struct Batches {
    buckets: [Counter; BATCH_BOUNDS.len() + 1],
    notices: Counter,
}

impl Batches {
    /// Counts a transaction of so many.
    pub fn record(&self, notices: usize) {
        let notices = notices as u64;
        self.notices.add(notices);
        let bucket = BATCH_BOUNDS.partition_point(|bound| *bound < notices);
        if let Some(count) = self.buckets.get(bucket) {
            count.inc();
        }
    }

    /// Notices in all of them.
    pub fn notices(&self) -> u64 {
        self.notices.get()
    }

    /// Transactions by bucket, the last one unbounded.
    pub fn counts(&self) -> impl Iterator<Item = u64> + '_ {
        self.buckets.iter().map(Counter::get)
    }
}

/// What became of conversions.
#[derive(Debug, Default)]
pub struct Conversions {
    /// Requests, whatever became of them.
    pub received: Counter,
    /// New ones that are attributed to a click.
    pub by_click: Counter,
    /// New ones that are attributed to a view.
    pub by_view: Counter,
    /// New ones that are attributed to nothing.
    pub unattributed: Counter,
    /// Told again.
    pub repeats: Counter,
    /// Told otherwise under a reference that is kept. Each deserves a look.
    pub conflicts: Counter,
    /// Refused for good.
    pub refused: Counter,
    /// Answered 503: the queue was full, or the database failed.
    pub not_taken: Counter,
}

/// What happened since the start of the process. Sums over all time are in the database.
#[derive(Debug, Default)]
pub struct Stats {
    /// Requests for a notice URL, whatever became of them.
    pub received: ByKind,
    /// New notices that are on disk.
    pub recorded: ByKind,
    /// Notices that said again what was recorded before.
    pub duplicates: ByKind,
    /// Notices that contradict what was recorded before, or the bid. Each deserves a look: alarm on it.
    pub quarantined: ByKind,
    /// Notices that came too long after their bid.
    pub late: ByKind,
    /// Tokens and parameters that were refused with 400.
    pub invalid: ByKind,
    /// Notices refused with 503 because the queue was full.
    pub queue_full: ByKind,
    /// Notices refused with 503 because the database failed or was too slow.
    pub unavailable: ByKind,
    /// Notices whose price was above the bid's.
    pub overpriced: Counter,
    /// Notices that were billed.
    pub billed: Counter,
    /// Transactions.
    pub commits: Counter,
    /// How long they took.
    pub commit_time: Histogram,
    /// How many notices they held.
    pub batches: Batches,
    /// Transactions that the database did not take.
    pub failed_commits: Counter,
    /// Clicks that were sent on to their target before they were on disk, because that took too long or failed.
    pub clicks_lost: Counter,
    /// Conversions.
    pub conversions: Conversions,
    /// Events that the event log has taken.
    pub events_logged: Counter,
}
