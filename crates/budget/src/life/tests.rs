//! Hold life as it is learnt over days.

use proptest::prelude::*;
use tagbid_types::{PlaceKind, Timestamp};

use super::{Billed, Cell, DelayRow, Law, Learner};

const DAY: i64 = 24 * 3_600;

/// Half a day after midnight, so that an hour later is the same day.
const BEGIN: i64 = 20_000 * DAY + DAY / 2;

const LAW: Law = Law::up_to(3_600);

fn cell(place: PlaceKind) -> Cell {
    Cell { exchange: "demo".parse().unwrap(), place }
}

/// A ledger that learns, and its database's rows.
struct Scene {
    learner: Learner,
    now: i64,
    transactions: u64,
}

impl Scene {
    fn new() -> Self {
        Self { learner: Learner::new(LAW), now: BEGIN, transactions: 0 }
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_secs(self.now)
    }

    /// One bid on a page that is billed now.
    fn billed(&mut self, delay_s: u32) {
        self.learner.note(&Billed { cell: cell(PlaceKind::Page), delay_s }, self.time());
    }

    /// So many of each of these delays.
    fn each(&mut self, delays: impl IntoIterator<Item = u32>, times: u32) {
        for delay in delays {
            (0..times).for_each(|_| self.billed(delay));
        }
    }

    /// Time goes by; whatever was seen is written. The rows.
    fn after(&mut self, seconds: i64) -> Vec<DelayRow> {
        self.now += seconds;
        self.transactions += 1;
        let (rows, now) = (self.learner.to_write(self.time()), self.time());
        self.learner.wrote(&rows, now);
        self.learner.look(now, self.transactions);
        rows
    }

    /// What bidders use for pages.
    fn life(&self) -> Option<u32> {
        let told = self.learner.news(0)?;
        told.lives.get(&cell(PlaceKind::Page)).copied()
    }
}

#[test]
fn three_thousand_billings_and_the_longest_hold_are_needed() {
    let mut scene = Scene::new();
    scene.each(0..10, 299);
    scene.after(7_200);
    assert_eq!(scene.life(), None, "2,990 of them prove nothing");
    scene.each([9], 10);
    scene.after(10);
    assert_eq!(scene.life(), Some(12), "the longest, and a quarter more");

    let mut quick = Scene::new();
    quick.each(0..10, 10_000);
    quick.after(3_599);
    assert_eq!(quick.life(), None, "what takes an hour cannot have been seen");
    quick.after(10);
    assert_eq!(quick.life(), Some(12));
}

#[test]
fn a_life_that_is_too_short_grows_by_what_comes_late() {
    let mut scene = Scene::new();
    scene.each([3], 100_000);
    scene.after(7_200);
    assert_eq!(scene.life(), Some(10));
    // One in a hundred comes after a minute now: their holds were over long before.
    scene.each([3], 20_000);
    scene.each([60], 200);
    scene.after(10);
    assert_eq!(scene.life(), Some(75));
}

#[test]
fn what_was_seen_fades_by_half_a_day() {
    let mut scene = Scene::new();
    scene.each([600], 10_000);
    scene.after(7_200);
    assert_eq!(scene.life(), Some(783), "600 is in the bucket up to 626");
    // The exchange has become quick. Of the slow ones 5,000 count, 2,500, ...
    let mut lives = Vec::new();
    for _ in 0..8 {
        scene.now += DAY;
        scene.each([20], 100_000);
        scene.after(10);
        lives.push(scene.life().unwrap());
    }
    assert_eq!(lives, [783, 783, 783, 783, 783, 25, 25, 25]);
    scene.after(9 * DAY);
    assert_eq!(scene.life(), None, "a week without any: back to what is usual");
    assert_eq!(scene.learner.known().count(), 0);
}

#[test]
fn cells_are_learnt_apart_and_nobody_fills_the_memory() {
    let mut scene = Scene::new();
    scene.each([50], 3_000);
    let full_screen = Billed { cell: cell(PlaceKind::FullScreen), delay_s: 2_000 };
    (0..3_000).for_each(|_| scene.learner.note(&full_screen, scene.time()));
    for number in 0..2_000 {
        let exchange = format!("exchange-{number}").parse().unwrap();
        let one = Billed { cell: Cell { exchange, place: PlaceKind::Page }, delay_s: 1 };
        scene.learner.note(&one, scene.time());
    }
    scene.after(3_600);
    let told = scene.learner.news(0).unwrap();
    assert_eq!(told.lives.values().copied().collect::<Vec<_>>(), [63, 2_619]);
    assert_eq!(scene.learner.known().count(), 1_024);
}

#[test]
fn bidders_are_told_what_they_have_not_heard() {
    let mut scene = Scene::new();
    assert_eq!(scene.learner.news(0), None, "nothing was looked at yet");
    scene.after(10);
    let none = scene.learner.news(0).unwrap();
    assert!(none.lives.is_empty(), "who knows nothing hears that nothing is learnt");
    assert_eq!(scene.learner.news(none.version), None);
    scene.each([50], 3_000);
    scene.after(3_600);
    scene.after(3_600);
    let some = scene.learner.news(none.version).unwrap();
    assert_eq!((some.lives.len(), some.version > none.version), (1, true));
    scene.each([50], 3_000);
    scene.after(10);
    assert_eq!(scene.learner.news(some.version), None, "the same life is no news");
}

#[test]
fn two_ledgers_and_one_that_starts_anew_agree() {
    let (mut one, mut other) = (Scene::new(), Scene::new());
    let mut table: Vec<DelayRow> = Vec::new();
    for round in 0..20_u32 {
        // Both see their half; what one writes the other reads, as the sum that there is then.
        one.each([20 + round], 100);
        other.each([25 + round, 90], 100);
        for _ in 0..2 {
            for row in one.after(200) {
                let sum = add(&mut table, &row);
                other.learner.put(&sum);
            }
            std::mem::swap(&mut one, &mut other);
        }
    }
    one.after(10);
    other.after(10);
    assert_eq!(one.life(), Some(117), "90 is in the bucket up to 93");
    assert_eq!(one.life(), other.life());
    let mut anew = Scene { now: one.now, ..Scene::new() };
    table.iter().for_each(|row| anew.learner.put(row));
    anew.after(10);
    assert_eq!(anew.life(), one.life());
    assert!(anew.learner.known().eq(one.learner.known()));
}

/// As the database adds a row; the row as it is then.
fn add(table: &mut Vec<DelayRow>, row: &DelayRow) -> DelayRow {
    let same =
        |one: &&mut DelayRow| (&one.cell, one.period, one.within_s) == (&row.cell, row.period, row.within_s);
    if let Some(there) = table.iter_mut().find(same) {
        there.count += row.count;
        there.since = there.since.min(row.since);
        return there.clone();
    }
    table.push(row.clone());
    row.clone()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Of the delays that were seen no more than one in a thousand is above the life, and a life is never outside its limits.
    #[test]
    fn nearly_all_come_within_the_life(
        delays in prop::collection::vec((0_u32..2_000, 1_u32..1_000), 1..20),
    ) {
        let mut scene = Scene::new();
        for (delay, times) in &delays {
            scene.each([*delay], *times);
        }
        scene.after(3_600);
        let all: u32 = delays.iter().map(|(_, times)| times).sum();
        match scene.life() {
            None => prop_assert!(all < 3_000),
            Some(life) => {
                let above: u32 = delays.iter().filter(|(delay, _)| *delay > life).map(|(_, times)| times).sum();
                prop_assert!(above * 1_000 <= all, "{} of {} are above {}", above, all, life);
                prop_assert!((LAW.shortest_s..=LAW.longest_s).contains(&life));
            }
        }
    }
}
