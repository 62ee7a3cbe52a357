//! Days and hours as people write them.

use std::str::FromStr;

use tagbid_types::{BudgetDay, Timestamp};
use tagbid_wire::ledger::day_from;

/// A day of the advertiser's, or a whole hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Day(BudgetDay),
    Hour(Timestamp),
}

impl When {
    pub(super) fn day(self) -> Option<BudgetDay> {
        match self {
            Self::Day(day) => Some(day),
            Self::Hour(_) => None,
        }
    }

    pub(super) fn hour(self) -> Option<Timestamp> {
        match self {
            Self::Day(_) => None,
            Self::Hour(hour) => Some(hour),
        }
    }
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(day) = day_from(text) {
            return Ok(Self::Day(day));
        }
        let wanted = || "use a day such as 2026-11-22, or a whole hour such as 2026-11-22T09:00Z".to_owned();
        let moment: jiff::Timestamp = text.parse().map_err(|_| wanted())?;
        let whole = moment.as_microsecond() % 3_600_000_000 == 0;
        whole.then_some(Self::Hour(Timestamp(moment.as_microsecond()))).ok_or_else(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_whole_hours_are_read() {
        let hour = |text: &str| text.parse::<When>().map(|when| when.hour().map(Timestamp::secs));
        assert_eq!("1970-01-02".parse(), Ok(When::Day(BudgetDay(1))));
        assert_eq!(hour("2026-11-22T09:00:00Z"), Ok(Some(1_795_338_000)));
        assert_eq!(hour("2026-11-22T09:00Z"), Ok(Some(1_795_338_000)));
        assert_eq!(hour("2026-11-22T10:00+01:00"), Ok(Some(1_795_338_000)));
        for bad in ["", "yesterday", "2026-11-22T09:30Z", "2026-02-30", "7d"] {
            assert!(bad.parse::<When>().unwrap_err().starts_with("use a day"), "{bad:?}");
        }
    }
}
