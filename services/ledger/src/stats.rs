//! Counters of the role, for whoever exports them.

use tagbid_notice::NoticeKind;
use tagbid_runtime::metrics::Counter;

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
    /// Transactions; recorded notices over this is the size of a group commit.
    pub commits: Counter,
    /// Clicks that were sent on to their target before they were on disk, because that took too long or failed.
    pub clicks_lost: Counter,
}
