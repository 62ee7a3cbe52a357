//! When the ledger was looking: what nobody wanted in a quarter hour leaves no row, and neither does what nobody looked at.

use std::collections::{BTreeMap, BTreeSet};

use tagbid_types::Timestamp;

use super::flights::QUARTER;

/// More than between two looks of a ledger that is well. After a longer silence nothing is known of what was between.
const SILENCE: i64 = 10_000_000;

/// Of a quarter hour that was watched the ledger, or several in turn, saw so much at least.
const ENOUGH: i64 = QUARTER / 2;

/// Quarter hours since 1970, and how much of each the ledger was looking, in micros.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    last: Option<Timestamp>,
    /// Not written yet.
    unwritten: BTreeMap<i64, i64>,
    /// Those that were watched, as read in the quarter hour beside.
    read: Option<(i64, BTreeSet<i64>)>,
}

impl Watch {
    /// The ledger looks.
    pub(super) fn look(&mut self, now: Timestamp) {
        let since = self.last.replace(now).map_or(0, |last| now.0.saturating_sub(last.0));
        if (1..=SILENCE).contains(&since) {
            *self.unwritten.entry(now.0.div_euclid(QUARTER)).or_default() += since;
        }
    }

    /// What is to be added to the database.
    pub(super) fn to_write(&self) -> Vec<(i64, i64)> {
        self.unwritten.iter().map(|(quarter, micros)| (*quarter, *micros)).collect()
    }

    /// That was committed.
    pub(super) fn wrote(&mut self, what: &[(i64, i64)]) {
        for (quarter, _) in what {
            self.unwritten.remove(quarter);
        }
    }

    /// Whether what the database has is to be read: once in a quarter hour at most.
    pub(crate) fn is_unread(&self, now: Timestamp) -> bool {
        self.read.as_ref().is_none_or(|(quarter, _)| *quarter != now.0.div_euclid(QUARTER))
    }

    /// What the database has.
    pub(crate) fn put(&mut self, rows: impl IntoIterator<Item = (i64, i64)>, now: Timestamp) {
        let watched = rows.into_iter().filter(|(_, micros)| *micros >= ENOUGH).map(|(quarter, _)| quarter);
        self.read = Some((now.0.div_euclid(QUARTER), watched.collect()));
    }

    /// Whether anybody looked in this quarter hour since 1970.
    pub(super) fn was(&self, quarter: i64) -> bool {
        self.read.as_ref().is_some_and(|(_, watched)| watched.contains(&quarter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_was_watched_when_half_of_it_was() {
        let mut watch = Watch::default();
        let at = |second: i64| Timestamp::from_secs(900 * 100 + second);
        (0..=450).for_each(|second| watch.look(at(second)));
        // A second later the ledger is gone for some minutes.
        (800..=1_300).for_each(|second| watch.look(at(second)));
        assert_eq!(watch.to_write(), [(100, 549_000_000), (101, 401_000_000)]);
        assert!(watch.is_unread(at(0)) && !watch.was(100));
        watch.put(watch.to_write(), at(0));
        assert!(watch.was(100) && !watch.was(101) && !watch.is_unread(at(899)) && watch.is_unread(at(900)));
        watch.wrote(&[(100, 549_000_000)]);
        assert_eq!(watch.to_write(), [(101, 401_000_000)]);
    }
}
