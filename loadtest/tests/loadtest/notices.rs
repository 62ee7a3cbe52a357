//! Notices go where the bids say.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use serde_json::{Value, json};
use tagbid_exchange::Traffic;
use tagbid_loadtest::load::{Pace, Plan, Reading, run};
use tagbid_loadtest::message::{Encoding, Messages};
use tagbid_loadtest::notices::{Notices, Options};

use crate::servers::serve;

/// Answers bid requests with a bid for their first impression, whose URLs lead back here, and counts the calls by path.
fn bidder(calls: Arc<Mutex<BTreeMap<String, u64>>>, elsewhere: bool) -> String {
    serve(move |_, path, body| {
        let Ok(request) = serde_json::from_slice::<Value>(body) else {
            let path = path.split('?').next().unwrap().to_owned();
            *calls.lock().unwrap().entry(path).or_default() += 1;
            return (Duration::ZERO, Response::new(Full::default()));
        };
        // The request's path is the host, so that the bid knows its own server.
        let host = if elsewhere { "other.example" } else { path.trim_start_matches('/') };
        let url = |what: &str| format!("http://{host}/{what}?p=${{AUCTION_PRICE}}");
        let bid = json!({"id": "b", "impid": request["imp"][0]["id"], "price": 1.5, "nurl": url("win"),
            "burl": url("bill"), "lurl": url("loss")});
        let answer = json!({"id": request["id"], "seatbid": [{"bid": [bid]}]}).to_string();
        (Duration::ZERO, Response::new(Full::new(Bytes::from(answer))))
    })
}

fn options(win: f64, loss: f64) -> Options {
    Options { win, billing: 1.0, loss, click: 0.0, hosts: Vec::new(), encoding: Encoding::Json, seed: 1 }
}

/// Runs a hundred requests; gives what was reported and what the server saw.
fn calls(options: Options, elsewhere: bool) -> (tagbid_loadtest::notices::Report, BTreeMap<String, u64>) {
    let seen = Arc::new(Mutex::new(BTreeMap::new()));
    let host = bidder(Arc::clone(&seen), elsewhere);
    let traffic = Traffic { users: 100, ..Traffic::default() };
    let messages = Messages::generated(traffic, 1, 100, Encoding::Json).unwrap();
    let (sender, notices) = Notices::start(options).unwrap();
    let length = Duration::from_millis(500);
    let mut plan = Plan {
        notices: Some(sender),
        reading: Reading::Content,
        tmax: Duration::from_secs(10),
        ..Plan::new(
            format!("http://{host}/{host}").parse().unwrap(),
            Pace::per_second(200.0, length),
            length,
            messages,
        )
    };
    // However slow the machine is, no answer is late: only bids in time are won.
    plan.messages.list = plan
        .messages
        .list
        .iter()
        .map(|message| tagbid_loadtest::message::Message { tmax: None, ..message.clone() })
        .collect();
    let record = run(&plan).unwrap();
    assert_eq!(record.tallies().outcomes.bid, 100, "{record:?}");
    drop(plan);
    let report = notices.finish().unwrap();
    let seen = seen.lock().unwrap().clone();
    (report, seen)
}

fn counts(pairs: &[(&str, u64)]) -> BTreeMap<String, u64> {
    pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

#[test]
fn every_win_is_told_and_billed_and_every_loss_told() {
    let (report, seen) = calls(options(1.0, 1.0), false);
    assert_eq!(seen, counts(&[("/win", 100), ("/bill", 100)]));
    assert_eq!(report.answered, counts(&[("win", 100), ("billing", 100)]));
    assert_eq!((report.failed, report.dropped_bids, report.latency.len()), (0, 0, 200));
    let (report, seen) = calls(options(0.0, 1.0), false);
    assert_eq!((seen, report.answered), (counts(&[("/loss", 100)]), counts(&[("loss", 100)])));
}

#[test]
fn other_hosts_are_not_called() {
    let (report, seen) = calls(options(1.0, 0.0), true);
    assert_eq!((seen.len(), report.elsewhere, report.answered.len()), (0, 200, 0));
}
