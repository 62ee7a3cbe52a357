//! A tag store that is slow or says nothing, and roles that are started again one by one, under load from the load tester.

use std::time::{Duration, Instant};

use tagbid_exchange::Traffic;
use tagbid_loadtest::load::{self, Pace, Plan};
use tagbid_loadtest::message::{Encoding, Messages};
use tagbid_loadtest::record::Record;
use tagbid_testkit::{Proxy, Way, postgres, redis};

use super::figure;
use super::market::Market;
use crate::stack::{Separate, Stack};

/// Requests a second: what a development build answers on a busy machine with room to spare.
const RATE: f64 = 200.0;

/// The time that the exchange gives, less its margin, is what the requests of these runs say; of the others so long.
const RUN: Duration = Duration::from_secs(15);

/// Redis as it is in another data centre.
const FAR: Duration = Duration::from_millis(50);

fn plan(stack: &Stack, length: Duration) -> Plan {
    let requests = Messages::generated(Traffic::default(), 1, 2_000, Encoding::Json).unwrap();
    let url = format!("http://{}/openrtb2/demo", stack.http).parse().unwrap();
    Plan { in_flight: 10_000, ..Plan::new(url, Pace::per_second(RATE, length), length, requests) }
}

/// Every answer in a thousand but one in time, and no error at all.
fn judge(name: &str, seen: &Record) {
    let tallies = seen.tallies();
    let (due, late, errors) = (tallies.due, tallies.outcomes.late + tallies.outcomes.shed, tallies.errors());
    figure(name, "requests", due, "requests");
    figure(name, "answered after tmax, or shed", late, "requests");
    figure(name, "errors: statuses of 5xx, broken connections", errors, "requests");
    figure(name, "p99 of what was answered", seen.served().quantile(0.99), "us");
    assert!(due > 0 && late * 1_000 <= due, "{late} of {due} came late: {:?}", seen.statuses);
    assert_eq!(errors, 0, "{:?} {:?}", seen.errors, seen.statuses);
}

#[test]
#[ignore = "takes minutes: cargo xtask faults"]
fn the_tag_store_is_slow_or_silent() {
    let (database, store) = (postgres(), redis());
    let (server, number) = store.url().trim_start_matches("redis://").split_once('/').unwrap();
    let proxy = Proxy::start(server.rsplit(':').next().unwrap().parse().unwrap()).unwrap();
    let with = Separate {
        tags: vec![format!("tags.redis_url=\"redis://127.0.0.1:{}/{number}\"", proxy.port())],
        bidder: vec!["bidder.tags_wait_us=5000".into(), "bidder.exchanges.demo.tmax_ms=100".into()],
        ..Separate::over(database.url())
    };
    let stack = Stack::separate_with(&with);
    load::run(&plan(&stack, Duration::from_secs(3))).unwrap();
    for (name, way) in [
        ("tag store clear", Way::Clear),
        ("tag store +50 ms", Way::Slow(FAR)),
        ("tag store silent", Way::Silent),
    ] {
        proxy.set(way);
        judge(name, &load::run(&plan(&stack, RUN)).unwrap());
    }
    proxy.set(Way::Clear);
}

#[test]
#[ignore = "takes minutes: cargo xtask faults"]
fn the_roles_behind_a_bidder_are_started_again_one_by_one() {
    let database = postgres();
    let mut stack = Stack::separate_with(&Separate {
        bidder: vec!["bidder.exchanges.demo.tmax_ms=500".into()],
        ..Separate::over(database.url())
    });
    let mut market = Market::open(&stack, 100_000);
    market.wait_for_bid(stack.http);
    let plan = plan(&stack, Duration::from_secs(30));
    let begun = Instant::now();
    let loading = std::thread::spawn(move || load::run(&plan).unwrap());
    let mut longest = Duration::ZERO;
    for role in ["campaigns", "tags", "ledger"] {
        let asked = Instant::now();
        let process = stack.role(role);
        process.terminate();
        assert_eq!(process.wait_exit(crate::stack::START), 0, "{role} drains");
        process.restart().unwrap();
        market.wait_for_bid(stack.http);
        longest = longest.max(asked.elapsed());
        market.bill(usize::MAX);
    }
    assert!(begun.elapsed() < Duration::from_secs(30), "all of it under load");
    judge("roles started again", &loading.join().unwrap());
    figure("roles started again", "longest from SIGTERM until there are bids", longest.as_millis(), "ms");
    market.close(&stack);
    assert_eq!(super::market::uncovered(&stack), 0);
}
