//! More requests than can be served: most are turned away at once, the others are answered in time, and all is well again as soon
//! as it is over.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use serde_json::json;
use tagbid_exchange::net::Connection;
use tagbid_testkit::wait_until;
use tokio::task::JoinSet;

use crate::exchange::{banner, no_bid_reason, post};
use crate::floods::sample;
use crate::stack::Stack;

/// An exchange that waits as long as most do.
const EXCHANGE: &str = "[bidder.exchanges.busy]\ntmax_ms = 100\nnetwork_margin_ms = 5\n";

/// How long each load lasts.
const LOAD: Duration = Duration::from_secs(4);

/// How long an exchange's place is empty after a request that was turned away: so many come as if its rate were fixed.
const PAUSE: Duration = Duration::from_millis(200);

/// What became of requests.
#[derive(Default)]
struct Seen {
    served: AtomicU64,
    shed: AtomicU64,
    late: AtomicU64,
    over: AtomicBool,
}

/// A request that takes a while: it offers as many impressions as one may.
fn heavy() -> Bytes {
    let mut request = banner("u");
    let imp = |id: u32| json!({ "id": id.to_string(), "banner": { "w": 300, "h": 250 } });
    request["imp"] = (0..64).map(imp).collect();
    request.to_string().into()
}

/// Sends on so many connections at once, on each the next request when the last is answered.
fn load(stack: &Stack, connections: usize) -> Seen {
    let (seen, host) = (std::sync::Arc::new(Seen::default()), stack.http.to_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut clients = JoinSet::new();
        for _ in 0..connections {
            let connection = Connection::new(host.parse().unwrap(), Duration::from_secs(20));
            clients.spawn(ask(connection, std::sync::Arc::clone(&seen)));
        }
        tokio::time::sleep(LOAD).await;
        seen.over.store(true, Ordering::Relaxed);
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
    });
    std::sync::Arc::into_inner(seen).unwrap()
}

async fn ask(mut connection: Connection, seen: std::sync::Arc<Seen>) {
    let request = Request::post("/openrtb2/busy").header("host", connection.host().as_str());
    let request = request.header("x-tagbid-debug", "1").body(heavy()).unwrap();
    while !seen.over.load(Ordering::Relaxed) {
        let answer = connection.send(&request).await.unwrap();
        assert_eq!(answer.status, 204);
        let count = match answer.headers["x-tagbid-no-bid"].as_bytes() {
            b"no_match" => &seen.served,
            b"overload" => &seen.shed,
            b"no_time" => &seen.late,
            other => panic!("{:?}", String::from_utf8_lossy(other)),
        };
        count.fetch_add(1, Ordering::Relaxed);
        if answer.headers["x-tagbid-no-bid"] == "overload" {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn sheds(stack: &Stack) -> u64 {
    let metrics = stack.admin_get("/metrics").1;
    let of = |why| sample(&metrics, &format!("tagbid_bidder_shed_total{{why=\"{why}\"}} "));
    ["too_old", "queue", "full"].map(of).iter().sum()
}

#[test]
fn what_cannot_be_served_is_turned_away_and_the_rest_is_served_in_time() {
    let stack = Stack::all_with(EXCHANGE);
    let calm = load(&stack, 2);
    let [served, shed] = [&calm.served, &calm.shed].map(|count| count.load(Ordering::Relaxed));
    assert!(served > 0 && shed * 10 < served, "{served} served, {shed} shed");
    let (before, begun) = (sheds(&stack), Instant::now());
    // Each waits for 200 others: far longer than an answer is of use.
    let busy = load(&stack, 400);
    let counts = [&busy.served, &busy.shed, &busy.late].map(|count| count.load(Ordering::Relaxed));
    let [busy_served, busy_shed, busy_late] = counts;
    println!("calm {served}, busy {counts:?} in {:?}", begun.elapsed());
    assert!(busy_shed * 4 > busy_served, "{counts:?}");
    assert_eq!(sheds(&stack) - before, busy_shed);
    // A third, because the sender takes its part of the machine.
    assert!(busy_served * 3 >= served, "{counts:?} after {served}");
    assert!(busy_late * 10 <= busy_served, "what is served is served in time: {counts:?}");
    wait_until("the bidder to serve again", Duration::from_secs(10), || {
        no_bid_reason(&post(stack.http, "busy", banner("u").to_string().as_bytes())) == "no_match"
    });
    let after = sheds(&stack);
    for _ in 0..20 {
        assert_eq!(no_bid_reason(&post(stack.http, "busy", banner("u").to_string().as_bytes())), "no_match");
    }
    assert_eq!(sheds(&stack), after);
}

#[test]
fn an_exchange_may_be_told_of_overload_by_503() {
    // Nothing is of use for a millisecond: half of that has gone by before the second of two requests has its turn.
    let extra = "[bidder.exchanges.busy]\ntmax_ms = 2\nnetwork_margin_ms = 1\nshed = \"unavailable\"\n";
    let stack = Stack::all_with(extra);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut clients = JoinSet::new();
        let told = std::sync::Arc::new(AtomicBool::new(false));
        for _ in 0..64 {
            let mut connection =
                Connection::new(stack.http.to_string().parse().unwrap(), Duration::from_secs(20));
            let told = std::sync::Arc::clone(&told);
            clients.spawn(async move {
                let request = Request::post("/openrtb2/busy").header("host", "x").body(heavy()).unwrap();
                let begun = Instant::now();
                while !told.load(Ordering::Relaxed) && begun.elapsed() < Duration::from_secs(20) {
                    let answer = connection.send(&request).await.unwrap();
                    told.fetch_or(answer.status == 503 && answer.body.is_empty(), Ordering::Relaxed);
                }
            });
        }
        while clients.join_next().await.is_some() {}
        assert!(told.load(Ordering::Relaxed));
    });
}
