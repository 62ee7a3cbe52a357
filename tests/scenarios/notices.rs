//! Notices come back, are kept once, and become spend.

use std::net::SocketAddr;

use tagbid_testkit::wait_for;
use tagbid_types::Nanos;

use crate::advertiser::{Shop, block_on, in_the_usa};
use crate::bidding::wait_for_bid;
use crate::exchange::{Answer, banner, bid, send, try_send};
use crate::stack::{OPERATOR, SOON, Stack};

/// Calls a notice URL of a bid at a clearing price.
pub(crate) fn call(answer: &Answer, member: &str, price: &str) -> Answer {
    fetch(answer.bids()[0][member].as_str().unwrap(), price)
}

/// Calls a notice URL as it stood in a bid, at a clearing price.
pub(crate) fn fetch(url: &str, price: &str) -> Answer {
    try_fetch(url, price).unwrap_or_else(|problem| panic!("no answer: {problem}"))
}

/// The same of a ledger that may be away.
pub(crate) fn try_fetch(url: &str, price: &str) -> std::io::Result<Answer> {
    let url = url.replace("${AUCTION_PRICE}", price);
    let url = url.replace("${AUCTION_CURRENCY}", "USD");
    let rest = url.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let to: SocketAddr = host.parse().unwrap();
    try_send(to, "GET", &format!("/{path}"), &[], b"")
}

/// What the ledger says was spent in all.
pub(crate) fn spent(stack: &Stack) -> Nanos {
    block_on(async {
        let url = format!("http://{}", stack.ledger);
        let client = tagbid_clients::AdvertiserClient::connect(&url, OPERATOR).await.unwrap();
        let spent = client.spent().await.unwrap();
        Nanos(spent.iter().map(|one| one.amount.0).sum())
    })
}

#[test]
fn a_billing_notice_is_spend_once_however_often_it_comes() {
    let stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    shop.line_item(in_the_usa(), 2.0);
    let answer = wait_for_bid(&stack, &banner("user-1"));
    for _ in 0..3 {
        assert_eq!(call(&answer, "nurl", "1.5").status, 200);
        assert_eq!(call(&answer, "burl", "1.5").status, 200);
    }
    // 1.50 for a thousand impressions is 1,500,000 nanos for one.
    let total = wait_for("the spend", SOON, || Some(spent(&stack)).filter(|total| total.0 > 0));
    assert_eq!(total, Nanos(1_500_000));
}

#[test]
fn a_price_above_the_bid_is_charged_as_the_bid() {
    let stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    shop.line_item(in_the_usa(), 2.0);
    let answer = wait_for_bid(&stack, &banner("user-1"));
    assert_eq!(call(&answer, "burl", "99").status, 200);
    assert_eq!(spent(&stack), Nanos(2_000_000));
}

#[test]
fn test_traffic_and_forged_tokens_cost_nothing() {
    let stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    shop.line_item(in_the_usa(), 2.0);
    wait_for_bid(&stack, &banner("user-1"));
    let mut test = banner("user-1");
    test["test"] = serde_json::json!(1);
    let answer = bid(stack.http, &test);
    assert_eq!(call(&answer, "burl", "1.5").status, 200);
    let forged = send(stack.notices, "GET", "/notice/bill/AAAA?price=1", &[], b"");
    assert!((400..500).contains(&forged.status), "{forged:?}");
    assert_eq!(spent(&stack), Nanos(0));
}

#[test]
fn a_click_leads_to_the_landing_page_and_nowhere_else() {
    let stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    shop.line_item(in_the_usa(), 2.0);
    let answer = wait_for_bid(&stack, &banner("user-1"));
    let markup = answer.bids()[0]["adm"].as_str().unwrap().to_owned();
    let link = markup.split('"').find(|part| part.contains("/notice/click/")).unwrap().to_owned();
    let path = link.strip_prefix(&format!("http://{}", stack.notices)).unwrap();
    let clicked = wait_for("the redirect", SOON, || {
        Some(send(stack.notices, "GET", path, &[], b"")).filter(|answer| answer.status == 302)
    });
    assert!(clicked.header("location").unwrap().starts_with("https://shop.example/landing"), "{clicked:?}");
}
