//! The ledger's half: delays of all exchanges, what is to be written of them, and the lives that bidders are told.

use std::collections::BTreeMap;
use std::time::Duration;

use tagbid_types::{ExchangeName, PlaceKind, Timestamp};

use super::buckets::{bound, bucket};
use super::delays::Delays;
use super::law::Law;

/// One exchange and kind of place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// The exchange.
    pub exchange: ExchangeName,
    /// The kind of place.
    pub place: PlaceKind,
}

/// A bid that was billed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Billed {
    /// Where.
    pub cell: Cell,
    /// How long after its hold began, in seconds of the ledger's time.
    pub delay_s: u32,
}

/// How often one delay was seen in one period: a row of the ledger's database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelayRow {
    /// Where.
    pub cell: Cell,
    /// In which period.
    pub period: i64,
    /// The longest of these delays, in seconds: what the row is known by.
    pub within_s: u32,
    /// How many: since it was last written, or all of them.
    pub count: u64,
    /// When the first of them was seen.
    pub since: Timestamp,
}

/// How long holds last, as far as it is learnt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HoldLives {
    /// Grows with every change; 0: nothing was heard yet.
    pub version: u64,
    /// In seconds.
    pub lives: BTreeMap<Cell, u32>,
}

/// What is known of one cell: for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Which.
    pub cell: Cell,
    /// How many delays, older ones by their weight.
    pub samples: u64,
    /// The learnt life, in seconds; none yet: bidders take what is usual.
    pub life_s: Option<u32>,
}

/// What was seen is written, and lives are found anew, so often.
const EVERY: Duration = Duration::from_secs(10);

/// Cells that are learnt of: more than any bidder has exchanges. Others keep what is usual.
const CELLS: usize = 1_024;

/// Rows that wait to be written: all delays of seventy cells.
const FRESH: usize = 16_384;

/// Learns how long holds have to last. Lives come only from what is written, so that all ledgers of a database say the same; what one
/// has seen since it last wrote is lost when it crashes, and no worse is known for that.
#[derive(Debug)]
pub struct Learner {
    law: Law,
    written: BTreeMap<Cell, Delays>,
    /// Not yet written: by cell, period and bound.
    fresh: BTreeMap<(Cell, i64, u32), (u64, Timestamp)>,
    told: HoldLives,
    looked: Option<Timestamp>,
    wrote: Option<Timestamp>,
}

impl Learner {
    /// One that knows nothing.
    pub fn new(law: Law) -> Self {
        Self {
            law,
            written: BTreeMap::new(),
            fresh: BTreeMap::new(),
            told: HoldLives::default(),
            looked: None,
            wrote: None,
        }
    }

    /// A bid was billed now, in a transaction that is committed. In time or not: else a life that is too short would be all that is
    /// ever seen.
    pub fn note(&mut self, billed: &Billed, now: Timestamp) {
        let within_s = bound(bucket(billed.delay_s));
        let key = (billed.cell.clone(), self.law.period(now), within_s);
        if self.has_room(&billed.cell) && (self.fresh.len() < FRESH || self.fresh.contains_key(&key)) {
            let (count, _) = self.fresh.entry(key).or_insert((0, now));
            *count = count.saturating_add(1);
        }
    }

    fn has_room(&self, cell: &Cell) -> bool {
        self.written.contains_key(cell) || self.written.len() < CELLS
    }

    /// What is to be added to the rows in this transaction: nothing, most of the time.
    pub fn to_write(&self, now: Timestamp) -> Vec<DelayRow> {
        if self.wrote.is_some_and(|wrote| now.since(wrote) < EVERY) {
            return Vec::new();
        }
        let row =
            |((cell, period, within_s), (count, since)): (&(Cell, i64, u32), &(u64, Timestamp))| DelayRow {
                cell: cell.clone(),
                period: *period,
                within_s: *within_s,
                count: *count,
                since: *since,
            };
        self.fresh.iter().map(row).collect()
    }

    /// That was committed.
    pub fn wrote(&mut self, rows: &[DelayRow], now: Timestamp) {
        if rows.is_empty() {
            return;
        }
        self.wrote = Some(now);
        self.fresh.clear();
        for row in rows.iter().filter(|row| row.count > 0) {
            if self.has_room(&row.cell) {
                let delays = self.written.entry(row.cell.clone()).or_default();
                delays.add(row.period, row.within_s, row.count, row.since);
            }
        }
    }

    /// A row that another ledger has written, or this one in an earlier life: with all that there are.
    pub fn put(&mut self, row: &DelayRow) {
        if self.has_room(&row.cell) {
            let delays = self.written.entry(row.cell.clone()).or_default();
            delays.put(row.period, row.within_s, row.count, row.since);
        }
    }

    /// Finds the lives anew, after a transaction with this number was committed: now and then. True: they were looked at.
    pub fn look(&mut self, now: Timestamp, transaction: u64) -> bool {
        if self.looked.is_some_and(|looked| now.since(looked) < EVERY) {
            return false;
        }
        self.looked = Some(now);
        let first = self.law.first_period(now);
        self.written.retain(|_, delays| delays.forget_before(first));
        let lives = self.lives(now);
        if self.told.version == 0 || lives != self.told.lives {
            self.told = HoldLives { version: transaction.max(1), lives };
        }
        true
    }

    fn lives(&self, now: Timestamp) -> BTreeMap<Cell, u32> {
        let life = |(cell, delays): (&Cell, &Delays)| Some((cell.clone(), delays.life(&self.law, now)?));
        self.written.iter().filter_map(life).collect()
    }

    /// What a bidder is told that has heard this version: all, or nothing where that is all.
    pub fn news(&self, heard: u64) -> Option<HoldLives> {
        (self.told.version != heard && self.told.version != 0).then(|| self.told.clone())
    }

    /// What is known, for people.
    pub fn known(&self) -> impl Iterator<Item = Known> {
        let current = self.looked.map_or(0, |looked| self.law.period(looked));
        self.written.iter().map(move |(cell, delays)| Known {
            cell: cell.clone(),
            samples: delays.samples(current),
            life_s: self.told.lives.get(cell).copied(),
        })
    }
}
