//! Notices a second into a SQLite file, WAL and synchronous=FULL: from the URL to the answer that promises it is on
//! disk, without sockets, with as many waiting at once as the group's name says.
//!
//! On a two-core AMD EPYC virtual machine that was compiling beside: 2,000 a second with 16 at once, 8,600 with 512.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on has failed")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tagbid_catalog::Place;
use tagbid_ledger::{Options, Service};
use tagbid_notice::{Audience, Bills, Keys, Label, Sealer, Token, TokenKey};
use tagbid_ports::{CatalogEvent, CatalogFeed, FeedError};
use tagbid_runtime::auth::Secret;
use tagbid_runtime::{Drain, SystemClock, Tasks};
use tagbid_types::{
    AdvertiserId, BidId, BudgetDay, CampaignId, Clock, Cpm, CreativeId, Currency, LineItemId, Permission,
    Rate, Ratio,
};

const NOTICES: u64 = 4_096;

struct NoCatalog;

impl CatalogFeed for NoCatalog {
    fn subscribe(&self, _from: Place) -> BoxStream<'static, Result<CatalogEvent, FeedError>> {
        futures_util::stream::pending().boxed()
    }
}

fn keys() -> Keys {
    Keys::new(TokenKey::new(1, [7; 32]), None).unwrap()
}

/// Paths of billing notices for bids that nobody has billed yet, over 200 line items.
fn paths(round: u64) -> Vec<String> {
    let sealer = Sealer::new(&keys()).unwrap();
    let path = |number: u64| {
        let token = Token {
            bid: BidId((u128::from(round) << 64) | u128::from(number)),
            exchange: "demo".parse().unwrap(),
            auction: Label::cut("8b6c3f3e-6f5a-4c58-9d2e-0f6f4a8f3b1c"),
            imp: Label::cut("1"),
            advertiser: AdvertiserId(number % 10),
            campaign: CampaignId(number % 50),
            line_item: LineItemId(number % 200),
            creative: CreativeId(number % 200),
            lease: 0,
            epoch: 0,
            issued: SystemClock.now(),
            hold_until_s: 0,
            max_price: Cpm(2_000_000),
            currency: Currency::USD,
            fx: Rate::ONE,
            budget_currency: Currency::USD,
            budget_day: BudgetDay(20_717),
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
        .map(|path| service.http(http::Request::get(path).body(()).unwrap()))
        .buffer_unordered(at_once)
        .filter(|answer| std::future::ready(answer.status() == http::StatusCode::OK));
    assert_eq!(answers.count().await as u64, NOTICES);
    start.elapsed()
}

fn commit(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        database: Secret::new(format!("sqlite:{}", directory.path().join("ledger.db").display())),
        ..Options::default()
    };
    let tasks = Tasks::new(Drain::default());
    let keys = keys();
    let started = Service::start(options, &keys, Arc::new(NoCatalog), Arc::new(SystemClock), &tasks);
    let service = runtime.block_on(started).unwrap();

    let mut group = c.benchmark_group("commit");
    group.throughput(Throughput::Elements(NOTICES)).sample_size(10);
    let mut round = 0;
    for at_once in [16, 512] {
        group.bench_function(format!("{at_once} at once"), |b| {
            b.iter_custom(|iterations| {
                let rounds = (0..iterations).map(|_| {
                    round += 1;
                    runtime.block_on(deliver(&service, paths(round), at_once))
                });
                rounds.sum()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, commit);
criterion_main!(benches);
