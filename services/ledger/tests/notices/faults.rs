//! What a fault may cost: time, never an acknowledged notice and never a second charge.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http::StatusCode;
use http_body_util::Full;
use sqlx::{Connection, Executor};
use tagbid_catalog::Place;
use tagbid_ledger::{Needs, Options, Service, StartError};
use tagbid_notice::NoticeKind;
use tagbid_ports::{CatalogEvent, CatalogFeed, FeedError};
use tagbid_runtime::auth::Secret;
use tagbid_runtime::{Drain, Tasks};
use tagbid_testkit::{Durability, FakeClock, PostgresServer, postgres, wait_until, wait_until_async};

use crate::harness::{DAILY, File, Ledger, PATIENCE, SHOP, bid, needs, options};
use crate::leasing::ask;

async fn a_restart_keeps_everything(database: &str) {
    let ledger = Ledger::start(options(database)).await;
    for number in 0..20 {
        assert_eq!(ledger.bill(&bid(number, &ledger.clock), "1.5").await, StatusCode::OK);
    }
    let before = ledger.tally().await;
    assert_eq!(before.spent_nanos, 20 * 1_500_000);
    let clock = ledger.stop().await;

    let ledger = Ledger::start_at(options(database), clock).await;
    assert_eq!(ledger.tally().await, before);
    for number in 0..20 {
        assert_eq!(ledger.bill(&bid(number, &ledger.clock), "1.5").await, StatusCode::OK);
    }
    let after = ledger.tally().await;
    assert_eq!((after.spent_nanos, after.duplicates), (before.spent_nanos, 20));
}

#[tokio::test]
async fn a_restart_keeps_everything_in_sqlite() {
    a_restart_keeps_everything(&File::new().url()).await;
}

#[tokio::test]
async fn a_restart_keeps_everything_in_postgres() {
    a_restart_keeps_everything(postgres().url()).await;
}

#[tokio::test]
async fn two_ledgers_on_one_postgres_bill_each_bid_once() {
    let database = postgres();
    let clock = Arc::new(FakeClock::default());
    let ledgers = [
        Arc::new(Ledger::start_at(options(database.url()), Arc::clone(&clock)).await),
        Arc::new(Ledger::start_at(options(database.url()), Arc::clone(&clock)).await),
    ];
    let mut storm = tokio::task::JoinSet::new();
    for number in 0..40 {
        for ledger in &ledgers {
            let ledger = Arc::clone(ledger);
            storm.spawn(async move { ledger.bill(&bid(number, &ledger.clock), "1").await });
        }
    }
    assert!(storm.join_all().await.iter().all(|status| *status == StatusCode::OK));
    for ledger in &ledgers {
        let tally = ledger.tally().await;
        assert_eq!((tally.billed, tally.spent_nanos, tally.duplicates), (40, 40_000_000, 40));
    }
}

/// Holds the write lock of a SQLite file, as a backup or a stuck disk would.
async fn lock(file: &File) -> sqlx::SqliteConnection {
    let mut holder = sqlx::SqliteConnection::connect(&file.url()).await.unwrap();
    holder.execute("BEGIN IMMEDIATE").await.unwrap();
    holder
}

#[tokio::test]
async fn a_full_queue_answers_503_and_what_waited_is_kept() {
    let file = File::new();
    let small = Options { queue: 2, batch: 1, answer_within_ms: 30_000, ..options(&file.url()) };
    let ledger = Arc::new(Ledger::start(small).await);
    let mut locked = lock(&file).await;

    // One is being written, two wait; the rest find no place.
    let mut notices = tokio::task::JoinSet::new();
    for number in 0..8 {
        let ledger = Arc::clone(&ledger);
        notices.spawn(
            async move { ledger.send(NoticeKind::Bill, &bid(number, &ledger.clock), "price=1").await },
        );
    }
    let full = &ledger.service.stats().queue_full;
    wait_until_async("the queue to be full", PATIENCE, async || full.of(NoticeKind::Bill).get() >= 5).await;
    locked.execute("ROLLBACK").await.unwrap();

    let replies = notices.join_all().await;
    let refused: Vec<_> =
        replies.iter().filter(|reply| reply.status == StatusCode::SERVICE_UNAVAILABLE).collect();
    // One more when the writer had not yet taken the first out of the queue, and one for what the ledger does by itself.
    assert!((5..=7).contains(&refused.len()), "{} refused", refused.len());
    for reply in &refused {
        assert_eq!(reply.header("retry-after"), Some("1"));
        assert!(reply.text().contains("queue_full"), "{}", reply.text());
    }
    let kept = replies.iter().filter(|reply| reply.status == StatusCode::OK).count();
    assert_eq!(kept + refused.len(), 8);
    assert_eq!(ledger.tally().await.billed, kept as u64);
}

#[tokio::test]
async fn a_database_that_is_too_slow_gets_no_acknowledgement_and_a_repeat_counts_once() {
    let file = File::new();
    let hasty = Options { answer_within_ms: 50, ..options(&file.url()) };
    let ledger = Ledger::start(hasty).await;
    let token = bid(1, &ledger.clock);
    let mut locked = lock(&file).await;
    assert_eq!(ledger.bill(&token, "1").await, StatusCode::SERVICE_UNAVAILABLE);
    locked.execute("ROLLBACK").await.unwrap();

    wait_until_async("the repeat to be taken", PATIENCE, async || {
        ledger.bill(&token, "1").await == StatusCode::OK
    })
    .await;
    let tally = ledger.tally().await;
    assert_eq!((tally.billed, tally.spent_nanos), (1, 1_000_000));
}

#[tokio::test]
async fn while_the_database_is_gone_nothing_is_acknowledged_and_afterwards_all_is_as_it_was() {
    let mut server = PostgresServer::start(Durability::On).unwrap();
    let database = server.database().unwrap();
    let hasty = Options { answer_within_ms: 300, ..options(database.url()) };
    let ledger = Ledger::start(hasty).await;
    assert!(ledger.service.ready());
    wait_until_async("the first notice to be taken", PATIENCE, async || {
        ledger.bill(&bid(1, &ledger.clock), "1").await == StatusCode::OK
    })
    .await;

    server.kill();
    for number in 2..6 {
        let reply = ledger.send(NoticeKind::Bill, &bid(number, &ledger.clock), "price=1").await;
        assert_eq!(reply.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(reply.header("retry-after"), Some("1"));
    }
    wait_until_async("the ledger to notice", PATIENCE, async || !ledger.service.ready()).await;

    server.restart().unwrap();
    wait_until_async("the ledger to be ready again", PATIENCE, async || ledger.service.ready()).await;
    for number in 1..6 {
        wait_until_async("the repeat to be taken", PATIENCE, async || {
            ledger.bill(&bid(number, &ledger.clock), "1").await == StatusCode::OK
        })
        .await;
    }
    let tally = ledger.tally().await;
    assert_eq!((tally.billed, tally.spent_nanos), (5, 5_000_000));
}

#[tokio::test]
async fn a_short_outage_costs_a_wait_and_no_notice() {
    let mut server = PostgresServer::start(Durability::On).unwrap();
    let database = server.database().unwrap();
    let patient = Options { answer_within_ms: 60_000, ..options(database.url()) };
    let ledger = Arc::new(Ledger::start(patient).await);
    server.kill();
    let mut notices = tokio::task::JoinSet::new();
    for number in 0..5 {
        let ledger = Arc::clone(&ledger);
        notices.spawn(async move { ledger.bill(&bid(number, &ledger.clock), "1").await });
    }
    wait_until_async("the ledger to notice", PATIENCE, async || !ledger.service.ready()).await;
    server.restart().unwrap();

    assert!(notices.join_all().await.iter().all(|status| *status == StatusCode::OK));
    let tally = ledger.tally().await;
    assert_eq!((tally.billed, tally.spent_nanos), (5, 5_000_000));
}

#[tokio::test]
async fn a_click_reaches_the_shop_even_while_the_database_is_gone() {
    let server = PostgresServer::start(Durability::Off).unwrap();
    let database = server.database().unwrap();
    let ledger = Ledger::start(options(database.url())).await;
    ledger.knows_the_creative().await;
    server.kill();
    let reply = ledger.send(NoticeKind::Click, &bid(1, &ledger.clock), "").await;
    assert_eq!(reply.status, StatusCode::FOUND);
    wait_until("the click to be counted as lost", PATIENCE, || ledger.service.stats().clicks_lost.get() == 1);
}

#[tokio::test]
async fn a_drained_ledger_tells_latecomers_to_come_back() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let path = ledger.path(NoticeKind::Bill, &bid(1, &ledger.clock), "price=1");
    let service = ledger.service.clone();
    ledger.stop().await;

    let answer = service.http(http::Request::get(path).body(Full::<Bytes>::default()).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn settings_that_cannot_work_are_named() {
    let start = async |options: Options| {
        let tasks = Tasks::new(Drain::default());
        let clock = Arc::new(FakeClock::default());
        let started = Service::start(options, crate::harness::needs(), clock, &tasks).await;
        started.err().unwrap()
    };
    let zero = start(Options { batch: 0, ..Options::default() }).await;
    assert_eq!(zero, StartError::Options("ledger.batch: use at least 1".into()));
    for wrong in ["mysql://x", "sqlite::memory:", "sqlite:"] {
        let error = start(Options { database: Secret::new(wrong), ..Options::default() }).await;
        let StartError::Options(told) = error else { panic!("{error:?}") };
        assert!(told.contains("ledger.database") && told.contains("sqlite:PATH"), "{told}");
    }
    let unreachable = Options {
        database: Secret::new(format!("postgres://x:s3cret@127.0.0.1:{}/spend", tagbid_testkit::free_port())),
        ..Options::default()
    };
    let begun = std::time::Instant::now();
    let StartError::Database(told) = start(unreachable).await else { panic!("no error of the database") };
    for part in ["PostgreSQL database \"spend\" on 127.0.0.1:", "refused", "ledger.database"] {
        assert!(told.contains(part), "{part:?} is missing in {told:?}");
    }
    assert!(!told.contains("s3cret"), "{told}");
    let below_a_file = tempfile::NamedTempFile::new().unwrap();
    let path = below_a_file.path().join("ledger.db");
    let unwritable =
        Options { database: Secret::new(format!("sqlite:{}", path.display())), ..Options::default() };
    let StartError::Options(told) = start(unwritable).await else { panic!("no error of the settings") };
    assert!(
        told.contains("ledger.database") && told.contains(path.parent().unwrap().to_str().unwrap()),
        "{told}"
    );
    assert!(begun.elapsed() < Duration::from_secs(20));
}

/// The campaigns role is away.
struct Away;

impl CatalogFeed for Away {
    fn subscribe(&self, _from: Place) -> BoxStream<'static, Result<CatalogEvent, FeedError>> {
        futures_util::stream::pending().boxed()
    }
}

#[tokio::test]
async fn a_ledger_that_starts_while_campaigns_is_away_goes_on_with_its_copy() {
    let (file, copies) = (File::new(), tempfile::tempdir().unwrap());
    let catalog_copy = copies.path().join("catalog").display().to_string();
    let with_copy = || Options { catalog_copy: catalog_copy.clone(), ..options(&file.url()) };
    let away = || Needs { catalog: Arc::new(Away), ..needs() };
    let ledger = Ledger::start_with(with_copy(), away(), Arc::default()).await;
    assert!(!ledger.service.knows_catalog(), "it never saw one");
    let clock = ledger.stop().await;
    let ledger = Ledger::start_at(with_copy(), clock).await;
    ledger.knows_the_creative().await;
    let clock = ledger.stop().await;

    let ledger = Ledger::start_with(with_copy(), away(), clock).await;
    wait_until_async("the copy to be read", PATIENCE, async || ledger.service.knows_catalog()).await;
    let clicked = ledger.send(NoticeKind::Click, &bid(1, &ledger.clock), "").await;
    assert!(clicked.header("location").is_some_and(|to| to.starts_with(SHOP)), "{clicked:?}");
    let leases = ledger.service.leases();
    let session = leases.open().await.unwrap();
    let ask = ask(&ledger, &session, 0, i64::MAX);
    let grants = leases.acquire(vec![ask]).await.unwrap();
    assert_eq!(grants.first().unwrap().as_ref().unwrap().granted, DAILY, "the budget is in it too");
}
