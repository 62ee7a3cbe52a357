//! Bad input of every kind gets a clear answer and hurts nobody else.

use std::io::Write;

use serde_json::json;

use crate::exchange::{banner, bid, no_bid_reason, post, send};
use crate::stack::Stack;

#[test]
fn every_broken_request_is_told_what_is_wrong_with_it() {
    let stack = Stack::all();
    let two_channels = json!({ "id": "r", "imp": [{ "id": "1", "banner": {} }], "site": {}, "app": {} });
    let twice = json!({ "id": "r", "imp": [{ "id": "1", "banner": {} }, { "id": "1", "banner": {} }] });
    let cases: [(&[u8], &str); 8] = [
        (b"", "body"),
        (b"{", "body"),
        (b"null", "body"),
        (b"\xff\xfe\x00", "body"),
        (br#"{"imp":[{"id":"1","banner":{}}]}"#, "id"),
        (br#"{"id":"r"}"#, "imp"),
        (two_channels.to_string().leak().as_bytes(), "site"),
        (twice.to_string().leak().as_bytes(), "imp"),
    ];
    for (body, member) in cases {
        let answer = post(stack.http, "demo", body);
        assert_eq!(answer.status, 400, "{:?}", String::from_utf8_lossy(body));
        let reason = answer.json()["reason"].as_str().unwrap().to_owned();
        assert!(reason.contains(member), "{reason:?} does not name {member}");
    }
    // Without being asked, the server spends no bytes on explaining.
    let quiet = send(stack.http, "POST", "/openrtb2/demo", &[], b"{");
    assert_eq!((quiet.status, quiet.body.len()), (400, 0));
    let configured = send(stack.http, "POST", "/openrtb2/nbr", &[], b"{");
    assert_eq!(configured.json()["nbr"], 2);
}

#[test]
fn a_block_list_that_cannot_be_read_gets_a_no_bid_of_its_own() {
    let stack = Stack::all();
    let unreadable = json!([{ "domain": "ford.com" }, "bmw.com"]);
    let mut request = banner("u");
    request["badv"] = unreadable.clone();
    assert_eq!(no_bid_reason(&bid(stack.http, &request)), "unreadable_block_list");
    request["badv"] = json!([null, "", 7, "bmw.com"]);
    assert_eq!(no_bid_reason(&bid(stack.http, &request)), "no_match");
    request["imp"][0]["banner"]["battr"] = unreadable;
    assert_eq!(no_bid_reason(&bid(stack.http, &request)), "unreadable_block_list");
}

#[test]
fn depth_size_and_bombs_cost_the_sender_only() {
    let stack = Stack::all();
    let nested = format!("{}{}", r#"{"id":"r","x":"#, "[".repeat(200_000));
    let deep = post(stack.http, "demo", nested.as_bytes());
    assert_eq!(deep.status, 400);
    let large = post(stack.http, "demo", &vec![b' '; 300 * 1024]);
    assert_eq!(large.status, 413);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(&vec![b' '; 32 << 20]).unwrap();
    let bomb = encoder.finish().unwrap();
    let headers = [("content-encoding", "gzip"), ("x-tagbid-debug", "1")];
    let bombed = send(stack.http, "POST", "/openrtb2/demo", &headers, &bomb);
    assert_eq!(bombed.status, 400);
    assert!(bombed.json()["reason"].as_str().unwrap().contains("unfolds"));
    assert_eq!(bid(stack.http, &banner("u")).status, 204, "the next exchange is served");
}

#[test]
fn what_is_no_bid_request_is_sent_away() {
    let stack = Stack::all();
    assert_eq!(send(stack.http, "GET", "/openrtb2/demo", &[], b"").status, 405);
    assert_eq!(send(stack.http, "POST", "/", &[], b"{}").status, 404);
    assert_eq!(send(stack.http, "POST", "/openrtb2/", &[], b"{}").status, 404);
    let unknown = post(stack.http, "nobody", banner("u").to_string().as_bytes());
    assert_eq!(unknown.status, 400);
    assert!(unknown.json()["reason"].as_str().unwrap().contains("bidder.exchanges.nobody"));
    let brotli = send(stack.http, "POST", "/openrtb2/demo", &[("content-encoding", "br")], b"x");
    assert_eq!(brotli.status, 415);
}
