//! Hold lives: what billings say of them is kept, by whichever ledger heard it.

use tagbid_budget::life::{Cell, HoldLives};
use tagbid_budget::{Beat, Epoch, Second};
use tagbid_notice::Token;
use tagbid_types::{Clock, PlaceKind};

use super::*;
use crate::store::fixture;

/// Notices in one transaction.
const BATCH: u128 = 500;

/// Keeps so many billings, from this bid on, each so many seconds after its hold began.
async fn bill(database: &Database, store: &SqlStore, first: u128, batches: u128, delay_s: i64) {
    let begun = database.clock.now().secs() - delay_s;
    let record = |bid| {
        let record = fixture::billed(bid, 1);
        let token = Token { lease: 9, hold_until_s: begun + 60, hold_s: 60, ..record.token };
        Record { token, ..record }
    };
    for batch in 0..batches {
        let from = first + batch * BATCH;
        let batch: Vec<Record> = (from..from + BATCH).map(record).collect();
        store.record(&batch).await.unwrap();
    }
}

async fn open(store: &SqlStore) -> Epoch {
    match store.commit(&[Work::Open]).await.unwrap().pop() {
        Some(Done::Opened(opened)) => opened.epoch,
        other => panic!("{other:?}"),
    }
}

/// What a bidder is told that has heard this version.
async fn told(store: &SqlStore, epoch: Epoch, heard: u64) -> Option<HoldLives> {
    let beat = Beat { epoch, applied: Second(i64::MIN), leases: Vec::new(), wants: Vec::new(), lives: heard };
    match store.commit(&[Work::Beat(beat)]).await.unwrap().pop() {
        Some(Done::Beaten(Ok(beaten))) => beaten.lives,
        other => panic!("{other:?}"),
    }
}

fn on_pages(lives: Option<HoldLives>) -> Option<u32> {
    let cell = Cell { exchange: "demo".parse().unwrap(), place: PlaceKind::Page };
    lives?.lives.get(&cell).copied()
}

/// Time for what was seen to be written, by this ledger, and looked at.
async fn later(database: &Database, store: &SqlStore, seconds: u64) {
    for _ in 0..2 {
        database.clock.advance(Duration::from_secs(seconds));
        store.commit(&[Work::Advance]).await.unwrap();
    }
}

pub(super) async fn hold_lives_are_told_once_and_outlive_the_ledger(database: Database) {
    let store = database.open().await;
    bill(&database, &store, 1, 6, 20).await;
    let early = open(&store).await;
    let none = told(&store, early, 0).await.unwrap();
    assert!(none.lives.is_empty(), "{none:?}");
    later(&database, &store, 60).await;
    let epoch = open(&store).await;
    let some = told(&store, epoch, none.version).await;
    assert_eq!(on_pages(some.clone()), Some(25), "20 s, and a quarter more");
    let heard = some.unwrap().version;
    assert_eq!(told(&store, epoch, heard).await, None, "it knows");
    assert_eq!(on_pages(told(&store, epoch, 0).await), Some(25), "it has forgotten");

    let anew = database.open().await;
    let epoch = open(&anew).await;
    assert_eq!(on_pages(told(&anew, epoch, 0).await), Some(25));
}

pub(super) async fn ledgers_of_a_database_learn_together(database: Database) {
    let (one, other) = (database.open().await, database.open().await);
    // Neither has heard enough alone, and one of the slow.
    bill(&database, &one, 1, 4, 20).await;
    bill(&database, &other, 1_000_000, 3, 40).await;
    for _ in 0..2 {
        later(&database, &one, 30).await;
        later(&database, &other, 30).await;
    }
    let epoch = open(&one).await;
    let (one, other) = (told(&one, epoch, 0).await, told(&other, epoch, 0).await);
    assert_eq!((on_pages(one), on_pages(other)), (Some(50), Some(50)));
}

pub(super) async fn a_billing_that_is_told_again_teaches_nothing(database: Database) {
    let store = database.open().await;
    bill(&database, &store, 1, 6, 20).await;
    // Told again: the same bids are no new samples.
    bill(&database, &store, 1, 6, 50).await;
    later(&database, &store, 60).await;
    let epoch = open(&store).await;
    assert_eq!(on_pages(told(&store, epoch, 0).await), Some(25));
    let samples = store.samples().await;
    assert_eq!(samples, [3_000]);
}
