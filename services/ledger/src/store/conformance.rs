//! What every store promises, run against SQLite and PostgreSQL.

use std::collections::HashSet;
use std::sync::Arc;

use tagbid_notice::{Label, NoticeKind};
use tagbid_types::{AdvertiserId, BudgetDay, CampaignId, Cpm, LineItemId, Nanos, Timestamp};

use super::fixture::{billed, seen};
use super::{NoticeQuery, QuarantineQuery, SpendQuery, SqlStore, Store, StoreError, Tally, Verdict};
use crate::judge::{Outcome, Record, Suspicion};

use Verdict::{Duplicate, Quarantined, Recorded};

/// A database of a test's own; opening it twice is what a restart does.
struct Database {
    url: String,
    _directory: Option<tempfile::TempDir>,
}

impl Database {
    fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            url: format!("sqlite:{}", directory.path().join("deep/ledger.db").display()),
            _directory: Some(directory),
        }
    }

    fn postgres() -> Self {
        Self {
            url: tagbid_testkit::postgres().url().to_owned(),
            _directory: None,
        }
    }

    async fn open(&self) -> SqlStore {
        SqlStore::open(&self.url, 4).await.unwrap()
    }
}

/// Each promise becomes one test per database.
macro_rules! promises {
    ($($promise:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $promise() { super::$promise(super::Database::sqlite()).await; })*
        }
        mod postgres {
            $(#[tokio::test] async fn $promise() { super::$promise(super::Database::postgres()).await; })*
        }
    };
}

promises!(
    a_notice_counts_once_however_often_it_comes,
    another_price_is_quarantined_and_never_billed,
    an_audit_does_not_stand_in_the_way_of_the_sale,
    a_suspect_is_kept_aside_and_leaves_its_key_free,
    kinds_are_counted_apart,
    spend_is_by_line_item_day_and_currency,
    spend_pages_meet_without_gap_or_overlap,
    filters_and_tenants_hold,
    notices_come_back_as_they_were,
    a_restart_changes_nothing,
    parallel_batches_bill_each_bid_once,
    text_that_databases_dislike_is_kept,
    an_overflow_is_refused_and_nothing_of_its_batch_is_kept,
);

async fn spent(store: &SqlStore) -> Tally {
    let totals = store.totals(&SpendQuery::default()).await.unwrap();
    assert!(totals.len() <= 1, "{totals:?}");
    totals
        .into_iter()
        .next()
        .map(|(_, tally)| tally)
        .unwrap_or_default()
}

async fn a_notice_counts_once_however_often_it_comes(database: Database) {
    let store = database.open().await;
    let batch = [billed(1, 500), billed(2, 700), billed(1, 500)];
    assert_eq!(
        store.record(&batch).await.unwrap(),
        [Recorded, Recorded, Duplicate]
    );
    assert_eq!(store.record(&batch).await.unwrap(), [Duplicate; 3]);
    let tally = spent(&store).await;
    assert_eq!((tally.spent, tally.billed, tally.duplicates), (1_200, 2, 4));
}

async fn another_price_is_quarantined_and_never_billed(database: Database) {
    let store = database.open().await;
    let verdicts = store.record(&[billed(1, 500), billed(1, 600)]).await.unwrap();
    assert_eq!(verdicts, [Recorded, Quarantined]);
    assert_eq!(store.record(&[billed(1, 700)]).await.unwrap(), [Quarantined]);
    let tally = spent(&store).await;
    assert_eq!((tally.spent, tally.billed, tally.quarantined), (500, 1, 2));

    let query = QuarantineQuery {
        limit: 10,
        ..Default::default()
    };
    let kept = store.quarantined(&query).await.unwrap();
    assert_eq!(kept.len(), 1, "one row a bid and kind, however many come");
    assert_eq!(
        (kept[0].times, kept[0].price, kept[0].reason.as_str()),
        (2, Some(Cpm(700)), "price")
    );
}

async fn an_audit_does_not_stand_in_the_way_of_the_sale(database: Database) {
    let store = database.open().await;
    let audit = Record {
        price: None,
        outcome: Outcome::Audit,
        charged: Nanos::ZERO,
        ..billed(1, 0)
    };
    assert_eq!(
        store.record(&[audit.clone(), billed(1, 500)]).await.unwrap(),
        [Recorded; 2]
    );
    assert_eq!(
        store.record(&[audit, billed(1, 500)]).await.unwrap(),
        [Duplicate; 2]
    );
    let tally = spent(&store).await;
    assert_eq!((tally.spent, tally.billed, tally.unbilled), (500, 1, 1));
}

async fn a_suspect_is_kept_aside_and_leaves_its_key_free(database: Database) {
    let store = database.open().await;
    let suspect = Record {
        outcome: Outcome::Suspect(Suspicion::Currency),
        charged: Nanos::ZERO,
        ..billed(1, 900)
    };
    assert_eq!(store.record(&[suspect]).await.unwrap(), [Quarantined]);
    assert_eq!(store.record(&[billed(1, 500)]).await.unwrap(), [Recorded]);
    assert_eq!(spent(&store).await.spent, 500);
}

async fn kinds_are_counted_apart(database: Database) {
    let store = database.open().await;
    let late = Record {
        outcome: Outcome::Late,
        charged: Nanos::ZERO,
        ..billed(2, 500)
    };
    let mut over = billed(3, 500);
    over.excess = Nanos(40);
    let mut batch = vec![late, over];
    batch.extend(
        [
            NoticeKind::Win,
            NoticeKind::Loss,
            NoticeKind::Imp,
            NoticeKind::Click,
        ]
        .map(|kind| seen(1, kind)),
    );
    assert_eq!(store.record(&batch).await.unwrap(), [Recorded; 6]);
    let want = Tally {
        spent: 500,
        excess: 40,
        wins: 1,
        billed: 1,
        losses: 1,
        imps: 1,
        clicks: 1,
        late: 1,
        ..Tally::default()
    };
    assert_eq!(spent(&store).await, want);
}

/// Bid `bid` of a line item, day and currency.
fn placed(bid: u128, line_item: u64, day: i32, currency: &str) -> Record {
    let mut record = billed(bid, 100);
    record.token.line_item = LineItemId(line_item);
    record.token.budget_day = BudgetDay(day);
    record.token.budget_currency = currency.parse().unwrap();
    record
}

async fn spend_is_by_line_item_day_and_currency(database: Database) {
    let store = database.open().await;
    let batch = [
        placed(1, 8, 10, "USD"),
        placed(2, 7, 11, "USD"),
        placed(3, 7, 10, "USD"),
        placed(4, 7, 10, "EUR"),
        placed(5, 7, 10, "USD"),
    ];
    store.record(&batch).await.unwrap();
    let query = SpendQuery {
        limit: 10,
        ..Default::default()
    };
    let rows = store.spend(&query).await.unwrap();
    let got: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row.place.day.0,
                row.place.line_item.0,
                row.place.currency.as_str(),
                row.tally.spent,
            )
        })
        .collect();
    assert_eq!(
        got,
        [
            (10, 7, "EUR", 100),
            (10, 7, "USD", 200),
            (10, 8, "USD", 100),
            (11, 7, "USD", 100)
        ]
    );
    let totals = store.totals(&query).await.unwrap();
    let got: Vec<_> = totals
        .iter()
        .map(|(currency, tally)| (currency.as_str(), tally.spent))
        .collect();
    assert_eq!(got, [("EUR", 100), ("USD", 400)]);
}

async fn spend_pages_meet_without_gap_or_overlap(database: Database) {
    let store = database.open().await;
    let batch: Vec<Record> = (0..7_u8)
        .map(|n| placed(n.into(), u64::from(n % 3), i32::from(n / 3), "USD"))
        .collect();
    store.record(&batch).await.unwrap();
    let mut query = SpendQuery {
        limit: 2,
        ..Default::default()
    };
    let mut places = Vec::new();
    loop {
        let rows = store.spend(&query).await.unwrap();
        places.extend(rows.iter().map(|row| (row.place.day.0, row.place.line_item.0)));
        let Some(last) = rows.last() else { break };
        query.after = Some(last.place.clone());
    }
    assert_eq!(places, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0)]);
}

async fn filters_and_tenants_hold(database: Database) {
    let store = database.open().await;
    let mut other = placed(2, 9, 10, "USD");
    other.token.advertiser = AdvertiserId(99);
    other.token.campaign = CampaignId(98);
    store
        .record(&[
            placed(1, 7, 10, "USD"),
            other.clone(),
            placed(3, 7, 12, "USD"),
            seen(4, NoticeKind::Click),
        ])
        .await
        .unwrap();

    let spend = async |query: SpendQuery| {
        store
            .spend(&SpendQuery { limit: 10, ..query })
            .await
            .unwrap()
            .len()
    };
    let all = SpendQuery::default;
    assert_eq!(spend(all()).await, 4);
    assert_eq!(
        spend(SpendQuery {
            advertiser: Some(AdvertiserId(99)),
            ..all()
        })
        .await,
        1
    );
    assert_eq!(
        spend(SpendQuery {
            campaign: Some(CampaignId(98)),
            ..all()
        })
        .await,
        1
    );
    assert_eq!(
        spend(SpendQuery {
            line_items: vec![LineItemId(7), LineItemId(9)],
            ..all()
        })
        .await,
        3
    );
    assert_eq!(
        spend(SpendQuery {
            line_items: vec![LineItemId(9)],
            advertiser: Some(AdvertiserId(1)),
            ..all()
        })
        .await,
        0,
        "another tenant's line item is not there"
    );
    let days = SpendQuery {
        first_day: Some(BudgetDay(11)),
        last_day: Some(BudgetDay(12)),
        ..all()
    };
    assert_eq!(spend(days).await, 1);

    let notices = async |query: NoticeQuery| {
        store
            .notices(&NoticeQuery { limit: 10, ..query })
            .await
            .unwrap()
            .len()
    };
    let all = NoticeQuery::default;
    assert_eq!(notices(all()).await, 4);
    assert_eq!(
        notices(NoticeQuery {
            kind: Some(NoticeKind::Click),
            ..all()
        })
        .await,
        1
    );
    assert_eq!(
        notices(NoticeQuery {
            line_item: Some(LineItemId(7)),
            ..all()
        })
        .await,
        2
    );
    assert_eq!(
        notices(NoticeQuery {
            advertiser: Some(AdvertiserId(99)),
            ..all()
        })
        .await,
        1
    );
    let at = other.received;
    assert_eq!(
        notices(NoticeQuery {
            from: Some(at),
            ..all()
        })
        .await,
        4
    );
    assert_eq!(
        notices(NoticeQuery {
            until: Some(at),
            ..all()
        })
        .await,
        0
    );
}

async fn notices_come_back_as_they_were(database: Database) {
    let store = database.open().await;
    let mut loss = seen(1, NoticeKind::Loss);
    (loss.loss_reason, loss.min_to_win) = (Some(102), Some(Cpm(2_500_000)));
    store.record(&[billed(2, 500), loss.clone()]).await.unwrap();
    let mut query = NoticeQuery {
        limit: 1,
        ..Default::default()
    };
    let newest = store.notices(&query).await.unwrap().remove(0);
    query.before = Some(newest.seq);
    let older = store.notices(&query).await.unwrap().remove(0);
    let (lost, bought) = if newest.kind == "loss" {
        (newest, older)
    } else {
        (older, newest)
    };

    assert_eq!(
        (lost.loss_reason, lost.min_to_win),
        (Some(102), Some(Cpm(2_500_000)))
    );
    assert_eq!((lost.price, lost.outcome.as_str()), (None, "not_billing"));
    assert_eq!(
        (bought.bid.as_str(), bought.exchange.as_str()),
        ("00000000000000000000000000000002", "demo")
    );
    assert_eq!(
        (bought.price, bought.charged, bought.max_price),
        (Some(Cpm(500)), Nanos(500), Cpm(2_000_000))
    );
    assert_eq!((bought.auction.as_str(), bought.imp.as_str()), ("auction", "1"));
    assert_eq!(bought.issued, Timestamp::from_secs(1_790_000_000));
    assert_eq!(bought.day, BudgetDay(20_717));
}

async fn a_restart_changes_nothing(database: Database) {
    let batch: Vec<Record> = (0..50)
        .map(|bid| billed(bid, 1_000 + i64::try_from(bid).unwrap()))
        .collect();
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
async fn parallel_batches_bill_each_bid_once(database: Database) {
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
    assert_eq!(
        verdicts.iter().filter(|verdict| **verdict == Recorded).count(),
        40
    );
    let tally = spent(&ledgers[0]).await;
    assert_eq!((tally.spent, tally.billed, tally.duplicates), (4_000, 40, 280));
}

async fn text_that_databases_dislike_is_kept(database: Database) {
    let store = database.open().await;
    let nasty = [
        "nul \0 byte",
        "quote ' and \" and \\",
        "'; DROP TABLE notices; --",
        "{\"a\":[1]}",
        "ü💶",
    ];
    let mut batch = Vec::new();
    for (bid, text) in nasty.iter().enumerate() {
        let mut record = billed(bid as u128, 100);
        record.token.auction = Label::cut(text);
        batch.push(record);
    }
    assert_eq!(store.record(&batch).await.unwrap(), [Recorded; 5]);
    let query = NoticeQuery {
        limit: 10,
        ..Default::default()
    };
    let kept: HashSet<String> = store
        .notices(&query)
        .await
        .unwrap()
        .into_iter()
        .map(|row| row.auction)
        .collect();
    let want = nasty.iter().map(|text| text.replace('\0', "\u{fffd}"));
    assert_eq!(kept, want.collect());
}

async fn an_overflow_is_refused_and_nothing_of_its_batch_is_kept(database: Database) {
    let store = database.open().await;
    store.record(&[billed(1, i64::MAX)]).await.unwrap();
    let outcome = store.record(&[billed(2, 1), billed(3, 1)]).await;
    assert!(matches!(outcome, Err(StoreError::Refused(_))), "{outcome:?}");
    let tally = spent(&store).await;
    assert_eq!((tally.spent, tally.billed), (i64::MAX, 1));
}
