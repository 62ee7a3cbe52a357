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
/// set while the ledger runs does not move it, and it never goes behind what a ledger of the same database has written. Where that
/// one was ahead it goes on from there, an eighth slower, until the two meet: time that stood still would hold money until
/// then, and slow time does no more than let holds and sessions last a little longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerClock {
    /// The wall clock of the start.
    wall: LedgerTime,
    /// When it was read last, and what it said.
    read: Monotonic,
    time: Timestamp,
}

/// While the clock is ahead it loses one part in so many.
const SLEW: i64 = 8;

impl LedgerClock {
    /// A ledger starts when its wall clock says `wall`.
    pub fn start(wall: Timestamp, now: Monotonic) -> Self {
        Self { wall: LedgerTime::new(now, wall), read: now, time: wall }
    }

    /// The time now. The last that was written to its database said `written`.
    pub fn at(&mut self, now: Monotonic, written: Timestamp) -> Timestamp {
        let gone = signed(now).saturating_sub(signed(self.read)).max(0);
        let slow = if self.ahead(self.read) > 0 { gone / SLEW } else { 0 };
        let run = Timestamp(self.time.0.saturating_add(gone - slow));
        self.read = self.read.max(now);
        self.time = run.max(self.wall.at(self.read)).max(written);
        self.time
    }

    /// How far it is ahead of the wall clock of the start, in microseconds, when it was last read.
    pub fn ahead_us(&self) -> i64 {
        self.ahead(self.read)
    }

    fn ahead(&self, now: Monotonic) -> i64 {
        self.time.0.saturating_sub(self.wall.at(now).0)
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

    #[test]
    fn a_ledger_that_takes_over_from_one_that_was_ahead_goes_on_and_is_right_in_the_end() {
        let hour = 3_600_000_000;
        let mut clock = LedgerClock::start(Timestamp(0), Monotonic(0));
        let written = Timestamp(hour);
        assert_eq!(clock.at(Monotonic(1_000_000), written), written);
        assert_eq!(
            clock.at(Monotonic(9_000_000), written),
            Timestamp(hour + 7_000_000),
            "it does not stand still"
        );
        assert_eq!(clock.at(Monotonic(8_000_000), written), Timestamp(hour + 7_000_000), "nor go back");
        let late = u64::try_from(hour).unwrap() * 9;
        assert_eq!(clock.at(Monotonic(late), written), Timestamp(hour * 9));
        assert_eq!(clock.ahead_us(), 0);
        assert_eq!(clock.at(Monotonic(late + 5), written), Timestamp(hour * 9 + 5));
    }

    proptest::proptest! {
        /// Whatever others write, the time never goes back and is never behind the wall clock of the start or what was written.
        #[test]
        fn the_time_never_goes_back(steps in proptest::collection::vec((0_u64..5_000_000, -9_000_000_i64..9_000_000), 1..50)) {
            let mut clock = LedgerClock::start(Timestamp(1_000), Monotonic(0));
            let (mut now, mut before, mut written) = (0, Timestamp(i64::MIN), Timestamp(i64::MIN));
            for (gone, ahead) in steps {
                now += gone;
                let wall = Timestamp(1_000 + i64::try_from(now).unwrap());
                written = written.max(Timestamp(wall.0 + ahead));
                let time = clock.at(Monotonic(now), written);
                proptest::prop_assert!(time >= before && time >= wall && time >= written);
                proptest::prop_assert!(time <= wall.max(Timestamp(written.0.max(before.0) + i64::try_from(gone).unwrap())));
                before = time;
            }
        }
    }
}
