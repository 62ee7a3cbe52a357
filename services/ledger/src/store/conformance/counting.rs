//! What becomes of impressions that are to be counted.

use std::time::Duration;

use tagbid_tagset::UserKey;
use tagbid_types::{BidId, Clock, Permission, Timestamp, Use};

use super::Database;
use crate::judge::{Outcome, Record};
use crate::store::fixture::{billed, seen};
use crate::store::{SqlStore, Store, Turn};
use crate::work::Work;

const COUNTED: Permission = Permission::ALL;

/// The billing notice of bid `bid`, shown to a user whom consent lets be counted.
fn shown(bid: u128, user: u8) -> Record {
    let mut record = billed(bid, 500);
    (record.token.user, record.token.permission) = (Some([user; 16]), COUNTED);
    record
}

async fn waiting(store: &SqlStore) -> Vec<BidId> {
    store.impressions(0, 1_000).await.unwrap().iter().map(|one| one.bid).collect()
}

pub(super) async fn a_billed_impression_waits_until_it_is_counted(database: Database) {
    let store = database.open().await;
    store.count_impressions();
    let batch = [shown(1, 1), shown(2, 2), shown(1, 1), shown(3, 1)];
    store.record(&batch).await.unwrap();
    store.record(&batch).await.unwrap();
    let rows = store.impressions(0, 1_000).await.unwrap();
    assert_eq!(
        rows.iter().map(|one| one.bid).collect::<Vec<_>>(),
        [BidId(1), BidId(2), BidId(3)],
        "each once"
    );
    let (token, first) = (&batch[0].token, &rows[0]);
    assert_eq!((first.user, first.seen), (UserKey([1; 16]), batch[0].received));
    assert_eq!(
        (first.line_item, first.campaign, first.advertiser),
        (token.line_item, token.campaign, token.advertiser)
    );
    assert_eq!(store.impressions(rows[0].seq, 1).await.unwrap(), [rows[1].clone()], "page by page");

    store.commit(&[Work::Counted(vec![rows[0].seq, rows[2].seq])]).await.unwrap();
    let again = database.open().await;
    again.count_impressions();
    assert_eq!(waiting(&again).await, [BidId(2)], "a restart changes nothing");
    again.record(&batch).await.unwrap();
    assert_eq!(waiting(&again).await, [BidId(2)], "a notice that comes again is not counted again");
}

pub(super) async fn only_what_was_billed_and_may_be_counted_waits(database: Database) {
    let store = database.open().await;
    store.record(&[shown(1, 1)]).await.unwrap();
    assert_eq!(waiting(&store).await, [], "there is nobody to count it");
    store.count_impressions();
    let mut not_allowed = shown(2, 1);
    not_allowed.token.permission = Permission::NONE.with(Use::UserKeyInEvents);
    let late = Record { outcome: Outcome::Late, ..shown(3, 1) };
    let mut win = seen(4, tagbid_notice::NoticeKind::Win);
    (win.token.user, win.token.permission) = (Some([1; 16]), COUNTED);
    store.record(&[not_allowed, late, win, billed(5, 500), shown(6, 1)]).await.unwrap();
    assert_eq!(waiting(&store).await, [BidId(6)]);
}

pub(super) async fn what_an_erased_user_saw_leaves_the_outbox(database: Database) {
    let store = database.open().await;
    store.count_impressions();
    let at = shown(1, 1).received;
    let later = |bid, user| Record { received: at.after(Duration::from_secs(60)), ..shown(bid, user) };
    store.record(&[shown(1, 1), shown(2, 2), shown(3, 3), later(4, 1), later(5, 2)]).await.unwrap();
    let erased = vec![(UserKey([1; 16]), at), (UserKey([2; 16]), Timestamp(i64::MAX))];
    store.commit(&[Work::Erased(erased)]).await.unwrap();
    assert_eq!(waiting(&store).await, [BidId(3), BidId(4)], "up to the erasure, and of the suppressed all");
}

pub(super) async fn one_ledger_delivers_at_a_time(database: Database) {
    let (one, other) = (database.open().await, database.open().await);
    let until = |seconds| database.clock.now().after(Duration::from_secs(seconds));
    let mine = one.take_turn(Turn::NONE, until(10)).await.unwrap().unwrap();
    assert_eq!(other.take_turn(Turn::NONE, until(10)).await.unwrap(), None);
    database.clock.advance(Duration::from_secs(9));
    assert_eq!(one.take_turn(mine, until(10)).await.unwrap(), Some(mine), "it is kept");
    database.clock.advance(Duration::from_secs(9));
    assert_eq!(other.take_turn(Turn::NONE, until(10)).await.unwrap(), None);
    // The first ledger is gone: its turn runs out.
    database.clock.advance(Duration::from_secs(1));
    let theirs = other.take_turn(Turn::NONE, until(10)).await.unwrap().unwrap();
    assert_ne!(theirs, mine);
    assert_eq!(one.take_turn(mine, until(10)).await.unwrap(), None, "it comes back too late");
    assert!(other.take_turn(theirs, Timestamp(0)).await.unwrap().is_some(), "given up");
    assert!(one.take_turn(mine, until(10)).await.unwrap().is_some_and(|next| next != mine));
}
