//! The ledger's time: how ledgers keep it, and how a bidder knows it.

use tagbid_types::{Monotonic, Timestamp};

use crate::Second;

/// An estimate of the ledger's time that is never behind it, whatever the bidder's wall clock says: the ledger's own time
/// in an answer, which was read after the question was sent, and what the bidder's boot-time clock has counted since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerTime {
    /// From the boot-time clock to the ledger's, in microseconds.
    offset: i64,
}

impl LedgerTime {
    /// From an answer that said `told` to a question that was sent at `asked`.
    pub fn new(asked: Monotonic, told: Timestamp) -> Self {
        Self { offset: told.0.saturating_sub(signed(asked)) }
    }

    pub(crate) fn from_offset(offset: i64) -> Self {
        Self { offset }
    }

    pub(crate) fn offset(self) -> i64 {
        self.offset
    }

    /// The ledger's time, or a little later.
    pub fn at(&self, now: Monotonic) -> Timestamp {
        Timestamp(signed(now).saturating_add(self.offset))
    }

    /// The second in which a hold of so many seconds ends that begins now.
    pub fn hold_until(&self, now: Monotonic, hold_s: u32) -> Second {
        let Second(begin) = Second::at_or_after(self.at(now));
        Second(begin.saturating_add(i64::from(hold_s)))
    }
}

/// The ledger's clock: the wall clock as it was at the start, and what the boot-time clock has counted since. A wall clock that is
/// set while the ledger runs does not move it, and it never goes behind what a ledger of the same database has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerClock {
    time: LedgerTime,
    floor: Timestamp,
}

impl LedgerClock {
    /// A ledger starts when its wall clock says `wall`; the last that was written to its database said `written`.
    pub fn start(wall: Timestamp, written: Timestamp, now: Monotonic) -> Self {
        Self { time: LedgerTime::new(now, wall.max(written)), floor: written }
    }

    /// The time now.
    pub fn at(&self, now: Monotonic) -> Timestamp {
        self.time.at(now).max(self.floor)
    }

    /// Another ledger has written that it is as late as this.
    pub fn at_least(&mut self, written: Timestamp) {
        self.floor = self.floor.max(written);
    }
}

fn signed(moment: Monotonic) -> i64 {
    i64::try_from(moment.0).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_answer_makes_holds_longer_and_never_shorter() {
        let (asked, answered) = (Monotonic(1_000_000), Monotonic(3_000_000));
        // The ledger read its clock somewhere in between: two seconds have passed at most.
        let time = LedgerTime::new(asked, Timestamp::from_secs(100));
        assert_eq!(time.at(answered), Timestamp::from_secs(102));
        assert_eq!(time.hold_until(answered, 60), Second(162));
        assert_eq!(time.hold_until(Monotonic(3_000_001), 60), Second(163));
    }
}
