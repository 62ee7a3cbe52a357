//! A request that matches gets a valid bid; each thing that should stand in the way does.

use bytes::Bytes;
use serde_json::{Value, json};
use tagbid_exchange::check::check_response;
use tagbid_targeting::{Dimension, Expr, Leaf, TagKind};
use tagbid_testkit::wait_for;
use tagbid_wire::pb::bidding::bidding_service_client::BiddingServiceClient;
use tagbid_wire::pb::campaigns::catalog_stream_client::CatalogStreamClient;
use tonic::Code;

use crate::advertiser::{
    Shop, block_on, define_tag, in_the_usa, merge_realtime, put_offline, suppress, tagged, with_token,
};
use crate::exchange::{Answer, banner, bid, no_bid_reason, post, send};
use crate::stack::{ADVERTISER_1, OPERATOR, SOON, Stack};

/// Sends the request until it gets a bid: changes travel for a moment.
pub(crate) fn wait_for_bid(stack: &Stack, request: &Value) -> Answer {
    wait_for("a bid", SOON, || Some(bid(stack.http, request)).filter(|answer| answer.status == 200))
}

/// Sends the request until it gets none any more.
pub(crate) fn wait_for_no_bid(stack: &Stack, request: &Value) -> Answer {
    wait_for("no bid", SOON, || Some(bid(stack.http, request)).filter(|answer| answer.status == 204))
}

/// A deployment with one contextual line item at a CPM of 2 dollars.
fn given_a_contextual_line_item() -> (Stack, Shop) {
    let stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    shop.line_item(in_the_usa(), 2.0);
    wait_for_bid(&stack, &banner("user-1"));
    (stack, shop)
}

fn assert_valid(request: &Value, answer: &Answer) {
    let violations = check_response(request, &answer.json());
    assert!(violations.is_empty(), "{violations:?}\n{}", answer.json());
}

#[test]
fn a_matching_request_gets_a_valid_bid() {
    let (stack, shop) = given_a_contextual_line_item();
    let request = banner("user-1");
    let answer = bid(stack.http, &request);
    assert_valid(&request, &answer);
    let bids = answer.bids();
    assert_eq!(bids.len(), 1);
    assert_eq!(bids[0]["price"], 2.0);
    assert_eq!(bids[0]["crid"], shop.creative.to_string());
    assert_eq!(bids[0]["adomain"], json!(["shop.example"]));
    assert_eq!(answer.header("x-openrtb-version"), Some("2.6"));
    let markup = bids[0]["adm"].as_str().unwrap();
    assert!(markup.contains("/notice/click/") && markup.contains("/notice/imp/"), "{markup}");
}

#[test]
fn what_should_stand_in_the_way_does() {
    let (stack, _shop) = given_a_contextual_line_item();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut request = banner("user-1");
        change(&mut request);
        request
    };
    let cases: [(&str, Value); 9] = [
        ("below_floor", with(&|r| r["imp"][0]["bidfloor"] = json!(2.5))),
        ("blocked_advertiser", with(&|r| r["badv"] = json!(["shop.example"]))),
        ("blocked_category", with(&|r| r["bcat"] = json!(["IAB22"]))),
        ("no_creative", with(&|r| r["imp"][0]["banner"] = json!({ "w": 728, "h": 90 }))),
        ("no_match", with(&|r| r["device"]["geo"]["country"] = json!("DEU"))),
        ("no_time", with(&|r| r["tmax"] = json!(1))),
        ("crawler", with(&|r| r["device"]["ua"] = json!("Googlebot/2.1"))),
        ("currency", with(&|r| r["cur"] = json!(["JPY"]))),
        ("seat_not_allowed", with(&|r| r["wseat"] = json!(["somebody-else"]))),
    ];
    for (reason, request) in cases {
        let answer = bid(stack.http, &request);
        assert_eq!(no_bid_reason(&answer), reason, "{request}");
        assert!(answer.body.is_empty() && answer.header("content-encoding").is_none());
    }
}

#[test]
fn a_floor_in_another_currency_is_converted() {
    let (stack, _shop) = given_a_contextual_line_item();
    let at_floor = |floor: f64| {
        let mut request = banner("user-1");
        request["imp"][0]["bidfloor"] = json!(floor);
        request["imp"][0]["bidfloorcur"] = json!("EUR");
        bid(stack.http, &request)
    };
    // A euro is 1.10 dollars here, so 2 dollars meet a floor of 1.81 euros and miss one of 1.82.
    assert_eq!(at_floor(1.81).status, 200);
    assert_eq!(no_bid_reason(&at_floor(1.82)), "below_floor");
}

#[test]
fn a_user_is_reached_by_tags_and_only_with_permission() {
    let stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    let (dataset, tag) = define_tag(&stack, "runners");
    shop.line_item(Expr::All(vec![in_the_usa(), tagged(tag, TagKind::Offline)]), 2.0);
    put_offline(&stack, dataset, "runner-1", tag);
    let request = banner("runner-1");
    assert_valid(&request, &wait_for_bid(&stack, &request));

    let mut without_consent = request.clone();
    without_consent["regs"]["gdpr"] = json!(1);
    assert_eq!(no_bid_reason(&bid(stack.http, &without_consent)), "no_match");
    let mut limited = request.clone();
    limited["device"]["lmt"] = json!(1);
    assert_eq!(no_bid_reason(&bid(stack.http, &limited)), "no_match");
    assert_eq!(no_bid_reason(&bid(stack.http, &banner("somebody-else"))), "no_match");

    suppress(&stack, "runner-1", true);
    wait_for_no_bid(&stack, &request);
    suppress(&stack, "runner-1", false);
    // Lifting brings nothing back: what was known is gone.
    assert_eq!(no_bid_reason(&bid(stack.http, &request)), "no_match");
}

#[test]
fn real_time_tags_reach_the_bid_path_at_once() {
    let stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    let (_, tag) = define_tag(&stack, "searched for shoes");
    shop.line_item(Expr::All(vec![in_the_usa(), tagged(tag, TagKind::Realtime)]), 2.0);
    merge_realtime(&stack, "searcher-1", tag);
    wait_for_bid(&stack, &banner("searcher-1"));
}

#[test]
fn an_excluded_user_is_not_reached_when_nothing_is_known() {
    let stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    let (dataset, tag) = define_tag(&stack, "customers");
    let not_customers = Expr::Not(Box::new(tagged(tag, TagKind::Any)));
    shop.line_item(Expr::All(vec![in_the_usa(), not_customers]), 2.0);
    put_offline(&stack, dataset, "customer-1", tag);
    wait_for_bid(&stack, &banner("stranger-1"));
    assert_eq!(no_bid_reason(&bid(stack.http, &banner("customer-1"))), "no_match");
    // Without permission to look, the customer cannot be told from the stranger: nobody is reached.
    for user in ["customer-1", "stranger-1"] {
        let mut unknown = banner(user);
        unknown["regs"]["gdpr"] = json!(1);
        assert_eq!(no_bid_reason(&bid(stack.http, &unknown)), "no_match", "{user}");
    }
}

#[test]
fn the_better_line_item_wins_and_each_impression_gets_its_own() {
    let (stack, shop) = given_a_contextual_line_item();
    shop.line_item(in_the_usa(), 3.5);
    let mut request = banner("user-1");
    let second = json!({ "id": "2", "secure": 1, "banner": { "w": 300, "h": 250 } });
    let misfit = json!({ "id": "3", "banner": { "w": 728, "h": 90 } });
    request["imp"].as_array_mut().unwrap().extend([second, misfit]);
    let answer = wait_for("the better bid", SOON, || {
        Some(bid(stack.http, &request)).filter(|answer| answer.bids().iter().all(|bid| bid["price"] == 3.5))
    });
    assert_valid(&request, &answer);
    let imps: Vec<_> = answer.bids().iter().map(|bid| bid["impid"].clone()).collect();
    assert_eq!(imps, ["1", "2"]);
}

#[test]
fn an_exchange_is_told_of_no_bids_as_it_likes() {
    let (stack, _shop) = given_a_contextual_line_item();
    let mut request = banner("user-1");
    request["badv"] = json!(["shop.example"]);
    let told = post(stack.http, "nbr", request.to_string().as_bytes());
    assert_eq!(told.status, 200);
    assert_eq!((told.json()["id"].clone(), told.json()["nbr"].clone()), (json!("auction-1"), json!(505)));
}

#[test]
fn bodies_and_answers_are_compressed_as_agreed() {
    let (stack, _shop) = given_a_contextual_line_item();
    let request = banner("user-1");
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, request.to_string().as_bytes()).unwrap();
    let headers = [
        ("content-encoding", "gzip"),
        ("accept-encoding", "gzip"),
        ("x-openrtb-version", "2.5"),
        ("content-type", "application/json"),
    ];
    let answer = send(stack.http, "POST", "/openrtb2/demo", &headers, &encoder.finish().unwrap());
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    assert_eq!(answer.header("x-openrtb-version"), Some("2.5"));
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(answer.body.as_slice()), &mut unpacked)
        .unwrap();
    let violations = check_response(&request, &serde_json::from_slice(&unpacked).unwrap());
    assert!(violations.is_empty(), "{violations:?}");
}

#[test]
fn only_the_exchange_itself_may_call_its_bid_url() {
    let stack = Stack::all_with(
        "[bidder.exchanges.guarded]\nkey = \"a-long-secret-path\"\nnetworks = [\"127.0.0.0/8\"]\nmax_rate = 1\n",
    );
    let body = banner("user-1").to_string();
    let call = |path: &str| send(stack.http, "POST", path, &[("x-tagbid-debug", "1")], body.as_bytes());
    assert_eq!(call("/openrtb2/guarded").status, 403);
    assert_eq!(call("/openrtb2/guarded/wrong").status, 403);
    assert_eq!(no_bid_reason(&call("/openrtb2/guarded/a-long-secret-path")), "no_match");
    let shed = wait_for("the rate limit", SOON, || {
        let answer = call("/openrtb2/guarded/a-long-secret-path");
        (answer.header("x-tagbid-no-bid") == Some("overload")).then_some(answer)
    });
    assert_eq!(shed.status, 204);
}

/// id "a"; imp { id "1", banner { w 300, h 250 } }; test 1.
const PROTOBUF: &[u8] = b"\x0a\x01a\x12\x0b\x0a\x011\x12\x06\x08\xac\x02\x10\xfa\x01\x78\x01";

#[test]
fn over_grpc_an_exchange_calls_with_its_own_token_from_its_own_network() {
    let stack = Stack::all_with(
        "[bidder.exchanges.near]\nnetworks = [\"127.0.0.0/8\"]\n\
         [bidder.exchanges.far]\nnetworks = [\"192.0.2.0/24\"]\n\
         [[auth.tokens]]\nname = \"near\"\ntoken = \"near-token-for-tests\"\nscope = \"exchange:near\"\n\
         [[auth.tokens]]\nname = \"far\"\ntoken = \"far-token-for-tests\"\nscope = \"exchange:far\"\n",
    );
    let bid = |token: &str| {
        block_on(async {
            let address = format!("http://{}", stack.bidding);
            let mut client = BiddingServiceClient::connect(address).await.unwrap();
            client.bid(with_token(token, Bytes::from_static(PROTOBUF))).await
        })
    };
    assert!(bid("near-token-for-tests").is_ok());
    for stranger in ["far-token-for-tests", OPERATOR, ADVERTISER_1] {
        assert_eq!(bid(stranger).unwrap_err().code(), Code::PermissionDenied, "{stranger}");
    }
    block_on(async {
        let mut client = CatalogStreamClient::connect(format!("http://{}", stack.campaigns)).await.unwrap();
        let watch = client.watch(with_token("near-token-for-tests", Default::default())).await;
        assert_eq!(watch.unwrap_err().code(), Code::PermissionDenied, "the token opens nothing else");
    });
}

#[test]
fn a_line_item_for_a_deal_bids_under_that_deal_and_not_beside_it() {
    let stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    let wants = |code: &str| Expr::Leaf(Leaf::In { dimension: Dimension::Deal, values: vec![code.into()] });
    shop.line_item(wants("agreed"), 9.0);
    shop.line_item(wants("never-agreed"), 9.0);
    shop.deal("demo", "agreed", 5.0);
    let offered = |code: &str, change: &dyn Fn(&mut Value)| {
        let mut request = banner("user-1");
        request["imp"][0]["pmp"] = json!({ "deals": [{ "id": code, "bidfloor": 4.0, "at": 1 }] });
        change(&mut request["imp"][0]["pmp"]["deals"][0]);
        request
    };
    let answer = wait_for_bid(&stack, &offered("agreed", &|_| {}));
    assert_valid(&offered("agreed", &|_| {}), &answer);
    assert_eq!(answer.bids()[0]["dealid"], "agreed");
    assert_eq!(answer.bids()[0]["price"], 9.0);
    // The agreed price is fixed at 5: the request may ask 5 and not 6, and saying nothing means 5.
    let fixed =
        |floor: f64| offered("agreed", &|deal| *deal = json!({ "id": "agreed", "bidfloor": floor, "at": 3 }));
    assert_eq!(bid(stack.http, &fixed(5.0)).bids()[0]["price"], 5.0);
    assert_eq!(no_bid_reason(&bid(stack.http, &fixed(6.0))), "below_floor");
    let silent = offered("agreed", &|deal| *deal = json!({ "id": "agreed" }));
    assert_eq!(bid(stack.http, &silent).bids()[0]["price"], 5.0);
    // Beside the deal there is nothing: not for other seats, not at a higher floor, not without an agreement.
    let other_seat = offered("agreed", &|deal| deal["wseat"] = json!(["nobody"]));
    assert_eq!(no_bid_reason(&bid(stack.http, &other_seat)), "seat_not_allowed");
    let too_high = offered("agreed", &|deal| deal["bidfloor"] = json!(20.0));
    assert_eq!(no_bid_reason(&bid(stack.http, &too_high)), "below_floor");
    assert_eq!(no_bid_reason(&bid(stack.http, &offered("never-agreed", &|_| {}))), "deal_required");
}
