//! What was bought and what came of it, from the bid to the report, with the command line.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};
use tagbid_testkit::{wait_for, wait_until};

use crate::advertiser::{Shop, in_the_usa};
use crate::bidding::wait_for_bid;
use crate::events::{cat, erase};
use crate::exchange::{Answer, banner, send};
use crate::notices::{call, fetch, spent};
use crate::stack::{OPERATOR, SOON, Stack};

/// `tagbid report` as JSON.
fn report(stack: &Stack, arguments: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagbid"));
    command.args(["report", "--format", "json", "--to", &format!("http://{}", stack.ledger)]);
    let output = command.args(arguments).env("TAGBID_TOKEN", OPERATOR).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The address in the markup of a bid that has this in it.
fn link(answer: &Answer, part: &str) -> String {
    let markup = answer.bids()[0]["adm"].as_str().unwrap().to_owned();
    markup.split('"').find(|text| text.contains(part)).unwrap().replace("&amp;", "&")
}

/// Clicks: the id that the landing page is told.
fn click(stack: &Stack, answer: &Answer) -> String {
    let link = link(answer, "/notice/click/");
    let path = link.strip_prefix(&format!("http://{}", stack.notices)).unwrap();
    let clicked = wait_for("the redirect", SOON, || {
        Some(send(stack.notices, "GET", path, &[], b"")).filter(|answer| answer.status == 302)
    });
    clicked.header("location").unwrap().split_once("tagbid_click=").unwrap().1.to_owned()
}

#[test]
fn a_purchase_is_credited_to_the_ad_that_was_clicked() {
    let stack = Stack::all();
    Shop::open(&stack, "shop.example").line_item(in_the_usa(), 2.0);
    let answer = wait_for_bid(&stack, &banner("user-1"));
    for (member, price) in [("nurl", "1.5"), ("burl", "1.5")] {
        assert_eq!(call(&answer, member, price).status, 200);
    }
    assert_eq!(fetch(&link(&answer, "/notice/imp/"), "1.5").status, 200);
    let id = click(&stack, &answer);
    let body =
        json!({"name": "purchase", "reference": "order-7", "value": 19.99, "currency": "USD"}).to_string();
    for status in ["recorded", "repeated"] {
        let told = send(stack.notices, "POST", &format!("/conversion/{id}"), &[], body.as_bytes());
        assert_eq!(told.json(), json!({"status": status, "attribution": "click"}));
    }
    let pixel = send(
        stack.notices,
        "GET",
        &format!("/conversion/{id}/pixel.gif?reference=order-7&name=purchase"),
        &[],
        b"",
    );
    assert_eq!(pixel.status, 409, "another value under the same reference: {pixel:?}");
    let nobodys = json!({"reference": "order-8", "advertiser": 1}).to_string();
    let operator = format!("Bearer {OPERATOR}");
    let told =
        send(stack.notices, "POST", "/conversion", &[("authorization", &operator)], nobodys.as_bytes());
    assert_eq!(told.json()["reason"], "no_click_or_view", "{told:?}");

    let whole = report(&stack, &["--by", "line_item,exchange"]);
    let row = &whole["rows"][0];
    for (member, value) in [("spent_nanos", 1_500_000), ("billed", 1), ("imps", 1), ("conv", 1), ("wins", 1)]
    {
        assert_eq!(row[member], value, "{member} of {whole:#}");
    }
    assert_eq!((&row["cpa_nanos"], &row["exchange"]), (&json!(1_500_000), &json!("demo")));
    assert_eq!(whole["unattributed"]["no_click_or_view"], 1);
    assert_eq!(row["spent_nanos"], spent(&stack).0);
}

#[test]
fn a_view_gets_the_credit_until_its_user_is_erased() {
    let stack = Stack::all();
    Shop::open(&stack, "shop.example").line_item(in_the_usa(), 2.0);
    let operator = format!("Bearer {OPERATOR}");
    let mut orders = 0;
    let mut buy = || {
        orders += 1;
        let user = json!({"kind": "buyeruid", "id": "user-1"});
        let body = json!({"reference": format!("order-{orders}"), "advertiser": 1, "user": user}).to_string();
        let told =
            send(stack.notices, "POST", "/conversion", &[("authorization", &operator)], body.as_bytes());
        told.json()["attribution"].as_str().unwrap().to_owned()
    };
    assert_eq!(buy(), "none");
    // A bid is contextual, and knows no user, while the tags role does not answer in time.
    wait_until("a view of a known user", SOON, || {
        let answer = wait_for_bid(&stack, &banner("user-1"));
        assert_eq!(call(&answer, "burl", "1.5").status, 200);
        assert_eq!(fetch(&link(&answer, "/notice/imp/"), "1.5").status, 200);
        buy() == "view"
    });
    erase(&stack, "user-1");
    wait_until("the view to be nobody's", SOON, || buy() == "none");
}

#[test]
fn a_ledger_of_its_own_tells_its_own_log_and_hides_whom_that_should_not_know() {
    let stack = Stack::separate();
    Shop::open(&stack, "shop.example").line_item(in_the_usa(), 2.0);
    let log = stack.ledger_events();
    let billing = |bid: &str| {
        let logged = || cat(&log, &["--kind", "billing", "--bid", bid]).0.pop();
        wait_for("the billing in the log", SOON, logged)
    };
    let sold = wait_for("a bid with its user", SOON, || {
        let answer = wait_for_bid(&stack, &banner("user-1"));
        assert_eq!(call(&answer, "burl", "1.5").status, 200);
        let bid = answer.bids()[0]["id"].as_str().unwrap().to_owned();
        billing(&bid).get("user").is_some().then_some(bid)
    });
    assert_eq!(
        (&billing(&sold)["charged_nanos"], &billing(&sold)["verdict"]),
        (&json!(1_500_000), &json!("billed"))
    );
    erase(&stack, "user-1");
    wait_until("the key to be hidden", SOON, || billing(&sold).get("user").is_none());
}

/// How often each event that the ledger told of is in the log, by kind and bid.
fn told_of(log: &Path) -> BTreeMap<(String, String), usize> {
    let mut events = BTreeMap::new();
    for event in cat(log, &[]).0.into_iter().filter(|event| event["kind"] != "bid") {
        let text = |member: &str| event[member].as_str().unwrap().to_owned();
        *events.entry((text("kind"), text("bid"))).or_default() += 1;
    }
    events
}

#[test]
fn what_the_ledger_acknowledged_is_in_the_event_log_once_through_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("events");
    let mut stack = Stack::all_with(&format!("[events]\ndir = \"{}\"\nbid_sample = 0.0\n", log.display()));
    Shop::open(&stack, "shop.example").line_item(in_the_usa(), 2.0);
    let mut acknowledged = 0;
    for round in 0..4 {
        let answer = wait_for_bid(&stack, &banner("user-1"));
        for number in 0..10 {
            let answer = if number == 0 { answer.clone() } else { wait_for_bid(&stack, &banner("user-1")) };
            assert_eq!(call(&answer, "burl", "1.5").status, 200);
            assert_eq!(call(&answer, "nurl", "1.5").status, 200);
            acknowledged += 2;
        }
        if round < 3 {
            stack.kill_and_restart();
        }
    }
    wait_until("all notices in the log", SOON, || told_of(&log).len() >= acknowledged);
    let told = told_of(&log);
    assert_eq!(told.len(), acknowledged);
    assert!(told.values().all(|times| *times == 1), "{told:?}");
}
