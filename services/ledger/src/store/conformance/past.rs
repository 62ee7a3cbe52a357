//! What a ledger does not remember, or was not there for: clocks that were wrong, days that are long over, budgets that changed
//! while nobody listened.

use tagbid_budget::{AccountId, Owner, Period, Pot};
use tagbid_notice::NoticeKind;
use tagbid_types::{Clock, Cpm, Nanos};

use super::leasing::{DAY, LINE, budget, one, open};
use super::*;
use crate::judge::Outcome;
use crate::store::fixture::{billed, seen, token};

fn of_the_day() -> AccountId {
    AccountId::money(Owner::LineItem(LINE.line_item), Period::Day(DAY))
}

/// A bid that was made when nothing limited it, and is billed now.
fn unlimited(bid: u128, cost: i64) -> Record {
    let seen = Record { charged: Nanos(cost), ..seen(bid, NoticeKind::Bill) };
    Record { token: token(bid), price: Some(Cpm(cost)), outcome: Outcome::Billed, ..seen }
}

pub(super) async fn time_goes_on_after_a_ledger_whose_clock_was_ahead(database: Database) {
    let (hour, right) = (Duration::from_secs(3_600), database.clock.now());
    database.clock.advance(hour);
    let ahead = database.open().await;
    open(&ahead).await;
    drop(ahead);
    database.clock.set_wall(right);
    let store = database.open().await;
    let watermark = async || {
        one(&store, Work::Advance).await;
        store.books().await.watermark().0
    };
    let before = watermark().await;
    database.clock.advance(Duration::from_secs(80));
    assert_eq!(watermark().await - before, 70, "an eighth slower, and it does not stand still");
    database.clock.advance(9 * hour);
    assert_eq!(watermark().await, database.clock.now().secs() - i64::from(TERMS.grace_s));
}

pub(super) async fn what_was_spent_of_a_day_long_past_is_recalled(database: Database) {
    let store = database.open().await;
    store.record(&[billed(1, 700)]).await.unwrap();
    drop(store);
    // Or a clock is wrong.
    database.clock.advance(Duration::from_secs(8 * 24 * 3_600));
    let store = database.open().await;
    one(&store, Work::Advance).await;
    assert!(!store.books().await.has_account(of_the_day()));
    store.record(&[billed(2, 100)]).await.unwrap();
    assert_eq!(store.books().await.account(of_the_day()).pot(Pot::Spent), Nanos(800));
    store.books().await.audit().unwrap();
    drop(store);
    let store = database.open().await;
    store.record(&[billed(3, 1)]).await.unwrap();
    assert_eq!(store.books().await.account(of_the_day()).pot(Pot::Spent), Nanos(801));
}

pub(super) async fn a_budget_that_was_removed_while_nobody_listened_limits_nothing(database: Database) {
    budget(&database, 1_000);
    let store = database.open().await;
    store.record(&[unlimited(1, 900)]).await.unwrap();
    assert_eq!(store.books().await.account(of_the_day()).limit(), Some(Nanos(1_000)));
    drop(store);

    // It knows of no catalog: what is written stays in force.
    let store = database.open_with(&Arc::default()).await;
    store.record(&[unlimited(2, 900)]).await.unwrap();
    let tally = spent(&store).await;
    assert_eq!((tally.spent, tally.uncovered), (1_000, 800));
    drop(store);
    // It has read that there is none any more.
    let store = database.open_with(&no_budgets()).await;
    store.record(&[unlimited(3, 900)]).await.unwrap();
    let tally = spent(&store).await;
    assert_eq!((tally.spent, tally.uncovered), (1_900, 800));

    budget(&database, 5_000);
    let store = database.open().await;
    one(&store, Work::AllLimits).await;
    assert_eq!(store.books().await.account(of_the_day()).limit(), Some(Nanos(5_000)));
    let store = database.open_with(&no_budgets()).await;
    one(&store, Work::AllLimits).await;
    assert_eq!(store.books().await.account(of_the_day()).limit(), None);
}

pub(super) async fn a_budget_covers_bids_that_were_made_before_it(database: Database) {
    let store = database.open().await;
    budget(&database, 1_000);
    store.record(&[unlimited(1, 700), unlimited(2, 700)]).await.unwrap();
    let tally = spent(&store).await;
    assert_eq!((tally.spent, tally.uncovered, tally.billed), (1_000, 400, 2));
}
