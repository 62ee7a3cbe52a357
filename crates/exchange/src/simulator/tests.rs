use super::*;
use crate::auction::NoticeKind;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::collections::BTreeMap;
use tagbid_types::{Cpm, Currency, Nanos};
use tokio::net::TcpListener;

/// A bidder that bids 5.00 with a deal-free banner on every banner impression, and counts the notices that it gets.
struct TestBidder {
    port: u16,
    notices: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl TestBidder {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let notices = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&notices);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                let seen = Arc::clone(&seen);
                let answer = service_fn(move |request| answer(request, port, Arc::clone(&seen)));
                connections.spawn(async move {
                    let _ended = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(socket), answer)
                        .await;
                });
            }
        });
        Self { port, notices, _tasks: tasks }
    }

    fn options(&self) -> Options {
        Options {
            url: format!("http://127.0.0.1:{}/openrtb2/test", self.port),
            rate: 400.0,
            connections: 4,
            duration: Duration::from_millis(500),
            traffic: Traffic { users: 100, ..Traffic::default() },
            habits: Habits {
                shown_within: Duration::from_millis(50),
                clicked: 0.0,
                repeated: 0.0,
                ..Habits::default()
            },
            ..Options::default()
        }
    }

    fn notices(&self, path: &str) -> usize {
        lock(&self.notices).iter().filter(|seen| seen.starts_with(path)).count()
    }
}

async fn answer(
    request: Request<hyper::body::Incoming>,
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
) -> Result<http::Response<Full<Bytes>>, hyper::Error> {
    if request.method() == http::Method::GET {
        lock(&seen).push(request.uri().to_string());
        return Ok(http::Response::new(Full::default()));
    }
    let body = request.into_body().collect().await?.to_bytes();
    let response = bid(&serde_json::from_slice(&body).unwrap(), port);
    let status = if response.is_some() { 200 } else { 204 };
    let body = response.map(|response| response.to_string()).unwrap_or_default();
    let mut response = http::Response::new(Full::new(body.into()));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    Ok(response)
}

fn bid(request: &Value, port: u16) -> Option<Value> {
    // A screen's impression counts for many people, which the notice URLs here do not carry.
    if request.get("dooh").is_some() {
        return None;
    }
    let imp = request["imp"].as_array()?.iter().find(|imp| imp.get("banner").is_some())?;
    let size = imp.pointer("/banner/format/0")?;
    let notice = |path: &str| format!("http://127.0.0.1:{port}/{path}?p=${{AUCTION_PRICE}}");
    Some(json!({"id": request["id"], "seatbid": [{"seat": "tagbid", "bid": [{
        "id": "b", "impid": imp["id"], "price": 5.0, "crid": "c", "adomain": ["test.example"],
        "w": size["w"], "h": size["h"], "mtype": 1, "adm": "<b>hello</b>",
        "nurl": notice("win"), "burl": notice("bill"), "lurl": notice("loss"),
    }]}]}))
}

#[tokio::test]
async fn a_run_bids_wins_and_pays_to_the_nano() {
    let bidder = TestBidder::start().await;
    let simulator = Simulator::new(Arc::new(World::standard()), bidder.options()).unwrap();
    let report = simulator.run().await;
    assert_eq!((report.requests, report.failures), (200, 0), "{report}");
    assert!(report.wins > 20 && report.losses > 0, "{report}");
    let notices = |kind| report.notices.get(&kind).copied().unwrap_or_default() as usize;
    assert_eq!(notices(NoticeKind::Win), report.wins as usize);
    assert_eq!(notices(NoticeKind::Win), bidder.notices("/win"));
    assert_eq!(notices(NoticeKind::Billing), bidder.notices("/bill"));
    assert_eq!(notices(NoticeKind::Loss), bidder.notices("/loss"));
    let billed: i64 = lock(&bidder.notices)
        .iter()
        .filter_map(|url| url.strip_prefix("/bill?p=")?.parse().ok())
        .filter_map(Cpm::from_f64)
        .map(|price| price.per_impression().0)
        .sum();
    assert_eq!(report.spend, BTreeMap::from([(Currency::USD, Nanos(billed))]));
}

#[tokio::test]
async fn broken_rules_are_counted_with_examples() {
    let bidder = TestBidder::start().await;
    let simulator = Simulator::new(Arc::new(World::standard()), bidder.options()).unwrap();
    let report = simulator.run().await;
    // The test bidder knows no private auctions, seats or floors above 5.00.
    assert!(report.broken_rules() > 0 && !report.examples.is_empty(), "{report}");
}

#[tokio::test]
async fn a_server_that_is_gone_is_counted_not_hidden() {
    let options = {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        Options {
            url: format!("http://127.0.0.1:{port}/"),
            duration: Duration::from_millis(50),
            ..Options::default()
        }
    };
    let report = Simulator::new(Arc::new(World::standard()), options).unwrap().run().await;
    assert!(report.failures > 0);
    assert_eq!(report.failures, report.requests);
}

#[test]
fn other_machines_are_never_called() {
    for url in ["http://example.com/", "https://127.0.0.1/", "nonsense"] {
        let options = Options { url: url.to_owned(), ..Options::default() };
        assert!(Simulator::new(Arc::new(World::standard()), options).is_err(), "{url}");
    }
}
