//! Billing notices a second, each settled against the lease that its bid was held under: from the URL to the answer that promises
//! it is on disk, without sockets, with as many waiting at once as the name says. Into a SQLite file (WAL, synchronous=FULL)
//! and into PostgreSQL (fsync and synchronous_commit on).
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http_body_util::Full;
use tagbid_budget::{Ask, Epoch, Grant, Line};
use tagbid_catalog::{Catalog, Place};
use tagbid_ledger::{Needs, Options, Service};
use tagbid_notice::{Audience, Bills, Keys, Label, Sealer, Token, TokenKey};
use tagbid_ports::{CatalogEvent, CatalogFeed, FeedError};
use tagbid_runtime::auth::{Secret, Tokens};
use tagbid_runtime::{Drain, SystemClock, Tasks};
use tagbid_testkit::{Durability, PostgresServer};
use tagbid_types::{
    AdvertiserId, BidId, BudgetDay, CampaignId, Clock, Cpm, CreativeId, Currency, LineItemId, Nanos,
    Permission, PlaceKind, Rate, Ratio, Timestamp,
};

const NOTICES: u64 = 4_096;

/// A catalog without budgets: leases are as large as anybody wants.
struct NoBudgets;

impl CatalogFeed for NoBudgets {
    fn subscribe(&self, _from: Place) -> BoxStream<'static, Result<CatalogEvent, FeedError>> {
        let empty = futures_util::stream::iter([Ok(CatalogEvent::Snapshot(Arc::new(Catalog::default())))]);
        empty.chain(futures_util::stream::pending()).boxed()
    }
}

/// Line items, a lease each.
const LINE_ITEMS: u64 = 200;
const DAY: BudgetDay = BudgetDay(20_717);

fn line(number: u64) -> Line {
    Line {
        advertiser: AdvertiserId(number % 10),
        campaign: CampaignId(number % 50),
        line_item: LineItemId(number % LINE_ITEMS),
    }
}

/// A lease for each line item, by its number.
async fn leases(service: &Service) -> (Epoch, Vec<Grant>) {
    let source = service.leases();
    let epoch = source.open().await.unwrap().epoch;
    let ask = |number| Ask {
        epoch,
        line: line(number),
        unit: tagbid_budget::Unit::Money,
        day: DAY,
        day_ends: Timestamp(i64::MAX),
        known: Nanos(0),
        want: Nanos(1_000_000_000_000),
        least: Nanos(1),
        longest_hold_s: 3_600,
    };
    let asks: Vec<Ask> = (0..LINE_ITEMS).map(ask).collect();
    loop {
        // Until the catalog is read.
        if let Ok(grants) = source.acquire(asks.clone()).await {
            return (epoch, grants.into_iter().map(Result::unwrap).collect());
        }
        tokio::task::yield_now().await;
    }
}

fn keys() -> Keys {
    Keys::new(TokenKey::new(1, [7; 32]), None).unwrap()
}

/// Paths of billing notices for bids that nobody has billed yet, over 200 line items.
fn paths(round: u64, epoch: Epoch, grants: &[Grant]) -> Vec<String> {
    let sealer = Sealer::new(&keys()).unwrap();
    let path = |number: u64| {
        let token = Token {
            bid: BidId((u128::from(round) << 64) | u128::from(number)),
            exchange: "demo".parse().unwrap(),
            auction: Label::cut("8b6c3f3e-6f5a-4c58-9d2e-0f6f4a8f3b1c"),
            imp: Label::cut("1"),
            advertiser: line(number).advertiser,
            campaign: line(number).campaign,
            line_item: line(number).line_item,
            creative: CreativeId(number % 200),
            lease: grants[(number % LINE_ITEMS) as usize].lease.0,
            capacity_lease: 0,
            epoch: epoch.0,
            issued: SystemClock.now(),
            hold_until_s: SystemClock.now().secs() + 60 + (number % 8) as i64,
            hold_s: 60,
            place: Some(PlaceKind::Page),
            max_price: Cpm(2_000_000),
            currency: Currency::USD,
            fx: Rate::ONE,
            budget_currency: Currency::USD,
            budget_day: DAY,
            quantity: Ratio::ONE,
            auction_type: 1,
            bills: Bills::Bill,
            test: false,
            permission: Permission::NONE,
            user: None,
        };
        let sealed = sealer.seal(&token, Audience::Exchange, [3; 12]).unwrap();
        format!("/notice/bill/{}?price=1.25&cur=USD", sealed.as_str())
    };
    (0..NOTICES).map(path).collect()
}

async fn deliver(service: &Service, paths: Vec<String>, at_once: usize) -> Duration {
    let start = Instant::now();
    let answers = futures_util::stream::iter(paths)
        .map(|path| service.http(http::Request::get(path).body(Full::<Bytes>::default()).unwrap()))
        .buffer_unordered(at_once)
        .filter(|answer| std::future::ready(answer.status() == http::StatusCode::OK));
    assert_eq!(answers.count().await as u64, NOTICES);
    start.elapsed()
}

fn commit(c: &mut Criterion) {
    let directory = tempfile::tempdir().unwrap();
    let server = PostgresServer::start(Durability::On).unwrap();
    let postgres = server.database().unwrap();
    let sqlite = format!("sqlite:{}", directory.path().join("ledger.db").display());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut group = c.benchmark_group("commit");
    group.throughput(Throughput::Elements(NOTICES)).sample_size(10);
    for (name, url) in [("sqlite", sqlite.as_str()), ("postgres", postgres.url())] {
        let options = Options { database: Secret::new(url), ..Options::default() };
        let tasks = Tasks::new(Drain::default());
        let needs = Needs {
            keys: keys(),
            tokens: Tokens::default(),
            user_keys: None,
            people: None,
            catalog: Arc::new(NoBudgets),
            events: None,
        };
        let started = Service::start(options, needs, Arc::new(SystemClock), &tasks);
        let service = runtime.block_on(started).unwrap();
        let mut round = 0;
        for at_once in [16, 512] {
            group.bench_function(format!("{name}, {at_once} at once"), |b| {
                b.iter_custom(|iterations| {
                    let rounds = (0..iterations).map(|_| {
                        round += 1;
                        let (epoch, grants) = runtime.block_on(leases(&service));
                        runtime.block_on(deliver(&service, paths(round, epoch, &grants), at_once))
                    });
                    rounds.sum()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, commit);
criterion_main!(benches);
