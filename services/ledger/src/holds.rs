//! What a notice says of how long holds have to last.

use tagbid_budget::Second;
use tagbid_budget::life::{Billed, Cell};
use tagbid_types::Timestamp;

use crate::judge::{Outcome, Record};

/// How long after its hold began a bid was billed, by the ledger's clock, which says at both ends what it is: bidders' own
/// clocks may be wrong. Late billings count as well; nothing: it bills nothing, or there was no hold, or its token does not say when
/// that began.
pub(crate) fn billed(record: &Record, now: Timestamp) -> Option<Billed> {
    let token = &record.token;
    let bills =
        record.kind == token.bills.kind() && matches!(record.outcome, Outcome::Billed | Outcome::Late);
    let place =
        token.place.filter(|_| bills && token.lease.max(token.capacity_lease) != 0 && token.hold_s != 0)?;
    let begun = token.hold_until_s.saturating_sub(token.hold_s.into());
    let delay = Second::at_or_after(now).0.saturating_sub(begun).max(0);
    let cell = Cell { exchange: token.exchange.clone(), place };
    Some(Billed { cell, delay_s: u32::try_from(delay).unwrap_or(u32::MAX) })
}

#[cfg(test)]
mod tests {
    use tagbid_notice::{NoticeKind, Token};

    use super::*;
    use crate::store::fixture;

    const NOW: Timestamp = Timestamp(1_790_000_010_000_001);

    /// Billed for a bid whose hold of 90 s began ten seconds ago.
    fn record() -> Record {
        let record = fixture::billed(1, 100);
        let token = Token { lease: 1, hold_until_s: 1_790_000_090, hold_s: 90, ..record.token };
        Record { token, ..record }
    }

    fn delay(record: &Record) -> Option<u32> {
        billed(record, NOW).map(|billed| billed.delay_s)
    }

    #[test]
    fn the_delay_is_from_the_begin_of_the_hold_whatever_the_bidders_clock_says() {
        let mut record = record();
        assert_eq!(delay(&record), Some(11), "rounded up");
        record.token.issued = Timestamp::from_secs(0);
        record.received = Timestamp::from_secs(0);
        assert_eq!(delay(&record), Some(11));
        assert_eq!(delay(&Record { outcome: Outcome::Late, ..record }), Some(11));
    }

    #[test]
    fn what_does_not_bill_or_held_nothing_says_nothing() {
        let of = |change: fn(&mut Record)| {
            let mut record = record();
            change(&mut record);
            delay(&record)
        };
        assert_eq!(of(|record| record.kind = NoticeKind::Win), None);
        assert_eq!(of(|record| record.outcome = Outcome::Unpriced), None);
        assert_eq!(of(|record| record.outcome = Outcome::Audit), None);
        assert_eq!(of(|record| record.token.lease = 0), None);
        assert_eq!(of(|record| record.token.hold_s = 0), None, "of the version before");
        assert_eq!(of(|record| record.token.place = None), None);
        assert_eq!(of(|record| record.token.hold_until_s = i64::MAX), Some(0));
        assert_eq!(of(|record| record.token.hold_until_s = i64::MIN), Some(u32::MAX));
    }
}
