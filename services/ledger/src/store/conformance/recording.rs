//! What happens to a batch.

use std::collections::HashSet;
use std::sync::Arc;

use tagbid_notice::{Label, NoticeKind};
use tagbid_types::{Cpm, Nanos};

use super::{Database, spent};
use crate::judge::{Outcome, Record, Suspicion};
use crate::store::fixture::{billed, seen};
use crate::store::{NoticeQuery, QuarantineQuery, Store, Tally, Verdict};

use Verdict::{Duplicate, Quarantined, Recorded};

pub(super) async fn a_notice_counts_once_however_often_it_comes(database: Database) {
    let store = database.open().await;
    let batch = [billed(1, 500), billed(2, 700), billed(1, 500)];
    assert_eq!(store.record(&batch).await.unwrap(), [Recorded, Recorded, Duplicate]);
    assert_eq!(store.record(&batch).await.unwrap(), [Duplicate; 3]);
    let tally = spent(&store).await;
    assert_eq!((tally.spent, tally.billed, tally.duplicates), (1_200, 2, 4));
}

pub(super) async fn another_price_is_quarantined_and_never_billed(database: Database) {
    let store = database.open().await;
    let verdicts = store.record(&[billed(1, 500), billed(1, 600)]).await.unwrap();
    assert_eq!(verdicts, [Recorded, Quarantined]);
    assert_eq!(store.record(&[billed(1, 700)]).await.unwrap(), [Quarantined]);
    let tally = spent(&store).await;
    assert_eq!((tally.spent, tally.billed, tally.quarantined), (500, 1, 2));

    let query = QuarantineQuery { limit: 10, ..Default::default() };
    let kept = store.quarantined(&query).await.unwrap();
    assert_eq!(kept.len(), 1, "one row a bid and kind, however many come");
    assert_eq!((kept[0].times, kept[0].price, kept[0].reason.as_str()), (2, Some(Cpm(700)), "price"));
}

pub(super) async fn an_audit_does_not_stand_in_the_way_of_the_sale(database: Database) {
    let store = database.open().await;
    let audit = Record { price: None, outcome: Outcome::Audit, charged: Nanos::ZERO, ..billed(1, 0) };
    assert_eq!(store.record(&[audit.clone(), billed(1, 500)]).await.unwrap(), [Recorded; 2]);
    assert_eq!(store.record(&[audit, billed(1, 500)]).await.unwrap(), [Duplicate; 2]);
    let tally = spent(&store).await;
    assert_eq!((tally.spent, tally.billed, tally.unbilled), (500, 1, 1));
}

pub(super) async fn a_suspect_is_kept_aside_and_leaves_its_key_free(database: Database) {
    let store = database.open().await;
    let suspect =
        Record { outcome: Outcome::Suspect(Suspicion::Currency), charged: Nanos::ZERO, ..billed(1, 900) };
    assert_eq!(store.record(&[suspect]).await.unwrap(), [Quarantined]);
    assert_eq!(store.record(&[billed(1, 500)]).await.unwrap(), [Recorded]);
    assert_eq!(spent(&store).await.spent, 500);
}

pub(super) async fn kinds_are_counted_apart(database: Database) {
    let store = database.open().await;
    let late = Record { outcome: Outcome::Late, charged: Nanos::ZERO, ..billed(2, 500) };
    let mut over = billed(3, 500);
    over.excess = Nanos(40);
    let mut batch = vec![late, over];
    batch.extend(
        [NoticeKind::Win, NoticeKind::Imp, NoticeKind::Click, NoticeKind::Loss].map(|kind| seen(1, kind)),
    );
    // After a loss, here over a restart, nothing was shown.
    assert_eq!(store.record(&batch).await.unwrap(), [Recorded; 6]);
    let store = database.open().await;
    store.record(&[seen(4, NoticeKind::Loss)]).await.unwrap();
    store.record(&[NoticeKind::Imp, NoticeKind::Click].map(|kind| seen(4, kind))).await.unwrap();
    let want = Tally {
        spent: 500,
        excess: 40,
        wins: 1,
        billed: 1,
        losses: 2,
        unbilled: 2,
        imps: 1,
        clicks: 1,
        late: 1,
        ..Tally::default()
    };
    assert_eq!(spent(&store).await, want);
}

pub(super) async fn a_restart_changes_nothing(database: Database) {
    let batch: Vec<Record> = (0..50).map(|bid| billed(bid, 1_000 + i64::try_from(bid).unwrap())).collect();
    let before = {
        let store = database.open().await;
        store.record(&batch).await.unwrap();
        spent(&store).await
    };
    let store = database.open().await;
    assert_eq!(spent(&store).await, before);
    assert_eq!(store.record(&batch).await.unwrap(), [Duplicate; 50]);
    assert_eq!(spent(&store).await.spent, before.spent);
}

/// Two ledgers on one database and the same notices at the same time, in different orders.
pub(super) async fn parallel_batches_bill_each_bid_once(database: Database) {
    let ledgers = [Arc::new(database.open().await), Arc::new(database.open().await)];
    let mut running = tokio::task::JoinSet::new();
    for round in 0..8_u128 {
        let store = Arc::clone(&ledgers[usize::from(round % 2 == 0)]);
        let mut batch: Vec<Record> = (0..40).map(|bid| billed(bid, 100)).collect();
        batch.rotate_left(usize::try_from(round * 5).unwrap());
        if round % 3 == 0 {
            batch.reverse();
        }
        running.spawn(async move { store.record(&batch).await.unwrap() });
    }
    let verdicts: Vec<Verdict> = running.join_all().await.into_iter().flatten().collect();
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == Recorded).count(), 40);
    let tally = spent(&ledgers[0]).await;
    assert_eq!((tally.spent, tally.billed, tally.duplicates), (4_000, 40, 280));
}

pub(super) async fn text_that_databases_dislike_is_kept(database: Database) {
    let store = database.open().await;
    let nasty = ["nul \0 byte", "quote ' and \" and \\", "'; DROP TABLE notices; --", "{\"a\":[1]}", "ü💶"];
    let mut batch = Vec::new();
    for (bid, text) in nasty.iter().enumerate() {
        let mut record = billed(bid as u128, 100);
        record.token.auction = Label::cut(text);
        batch.push(record);
    }
    assert_eq!(store.record(&batch).await.unwrap(), [Recorded; 5]);
    let query = NoticeQuery { limit: 10, ..Default::default() };
    let kept: HashSet<String> =
        store.notices(&query).await.unwrap().into_iter().map(|row| row.auction).collect();
    let want = nasty.iter().map(|text| text.replace('\0', "\u{fffd}"));
    assert_eq!(kept, want.collect());
}

pub(super) async fn an_overflow_is_kept_aside_and_harms_nobody_else(database: Database) {
    let store = database.open().await;
    store.record(&[billed(1, i64::MAX - 10)]).await.unwrap();
    let batch = [billed(2, 11), billed(3, 1)];
    assert_eq!(store.record(&batch).await.unwrap(), [Quarantined, Recorded]);
    let tally = spent(&store).await;
    assert_eq!((tally.spent, tally.billed, tally.quarantined), (i64::MAX - 9, 2, 1));
    let rows = store.quarantined(&QuarantineQuery { limit: 10, ..Default::default() }).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.reason.as_str()).collect::<Vec<_>>(), ["overflow"]);
}
