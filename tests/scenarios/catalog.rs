//! What advertisers configure reaches the bidders, survives restarts, and stays theirs.

use serde_json::json;
use tagbid_catalog::{Entity, Header, List, ListKind};
use tagbid_clients::{AdvertiserClient, AdvertiserError};
use tagbid_exchange::check::check_response;
use tagbid_targeting::{Dimension, Expr, Leaf, TagKind};
use tagbid_testkit::{wait_for, wait_until};
use tagbid_types::ListId;
use tagbid_wire::pb::bidding::bidding_service_client::BiddingServiceClient;
use tagbid_wire::pb::campaigns as pb;
use tagbid_wire::pb::campaigns::campaigns_service_client::CampaignsServiceClient;
use tonic::Code;
use tonic_types::StatusExt;

use crate::advertiser::{Shop, block_on, create_as, define_tag, in_the_usa, tagged, with_token};
use crate::bidding::{wait_for_bid, wait_for_no_bid};
use crate::exchange::{banner, bid};
use crate::stack::{ADVERTISER_1, ADVERTISER_2, OPERATOR, SOON, START, Stack};

async fn client(stack: &Stack) -> CampaignsServiceClient<tonic::transport::Channel> {
    CampaignsServiceClient::connect(format!("http://{}", stack.campaigns)).await.unwrap()
}

#[test]
fn a_paused_line_item_stops_bidding() {
    let stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    let id = shop.line_item_as(ADVERTISER_1, in_the_usa(), 2.0);
    wait_for_bid(&stack, &banner("user-1"));
    block_on(async {
        let mut client = client(&stack).await;
        let get = pb::GetLineItemRequest { id: id.0 };
        let mut item = client.get_line_item(with_token(ADVERTISER_1, get)).await.unwrap().into_inner();
        let etag = item.metadata.as_ref().unwrap().etag.clone();
        item.status = pb::Status::Paused.into();
        let mask = prost_types::FieldMask { paths: vec!["status".into()] };
        let update = pb::UpdateLineItemRequest {
            line_item: Some(item),
            update_mask: Some(mask),
            etag,
            ..pb::UpdateLineItemRequest::default()
        };
        client.update_line_item(with_token(ADVERTISER_1, update.clone())).await.unwrap();
        let again = client.update_line_item(with_token(ADVERTISER_1, update)).await.unwrap_err();
        assert_eq!(again.code(), Code::Aborted, "the etag is used up: {again:?}");
    });
    wait_for_no_bid(&stack, &banner("user-1"));
}

#[test]
fn nobody_sees_or_touches_what_is_not_theirs() {
    let stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    let id = shop.line_item_as(ADVERTISER_1, in_the_usa(), 2.0);
    block_on(async {
        let mut client = client(&stack).await;
        let get = pb::GetLineItemRequest { id: id.0 };
        let theirs = client.get_line_item(with_token(ADVERTISER_2, get)).await.unwrap_err();
        assert_eq!(theirs.code(), Code::NotFound);
        let wrong = client.get_line_item(with_token("no-such-token-anywhere", get)).await.unwrap_err();
        assert_eq!(wrong.code(), Code::Unauthenticated);
        let explain = pb::ExplainRequest {
            line_item_id: id.0,
            exchange: "demo".into(),
            openrtb_json: banner("user-1").to_string().into(),
        };
        let theirs = client.explain(with_token(ADVERTISER_2, explain)).await.unwrap_err();
        assert_eq!(theirs.code(), Code::NotFound);
    });
}

#[test]
fn an_advertiser_is_told_why_a_line_item_does_not_bid() {
    let stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    let id = shop.line_item_as(ADVERTISER_1, in_the_usa(), 2.0);
    wait_for_bid(&stack, &banner("user-1"));
    let explain = |request: serde_json::Value| {
        block_on(async {
            let ask = pb::ExplainRequest {
                line_item_id: id.0,
                exchange: "demo".into(),
                openrtb_json: request.to_string().into(),
            };
            client(&stack).await.explain(with_token(ADVERTISER_1, ask)).await.unwrap().into_inner()
        })
    };
    let fits = explain(banner("user-1"));
    assert!(fits.impressions[0].would_bid, "{fits:?}");
    assert_eq!(fits.impressions[0].price_cpm_micros, Some(2_000_000));
    let mut request = banner("user-1");
    request["device"]["geo"]["country"] = "DEU".into();
    request["badv"] = serde_json::json!(["shop.example"]);
    request["imp"][0]["bidfloor"] = 5.0.into();
    let fails = explain(request);
    let codes: Vec<_> = fails.impressions[0].reasons.iter().map(|reason| reason.code.as_str()).collect();
    assert!(codes.contains(&"no_match") && codes.contains(&"blocked_advertiser"), "{fails:?}");
    let words =
        fails.impressions[0].reasons.iter().map(|reason| reason.text.as_str()).collect::<Vec<_>>().join("\n");
    assert!(words.contains("deu") && words.contains("usa"), "{words}");
}

#[test]
fn every_failing_clause_is_told_in_the_words_of_the_api_and_the_names_of_the_catalog() {
    let stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    let (_, tag) = define_tag(&stack, "Keen runners");
    let blocked = List {
        id: ListId(0),
        header: Header::default(),
        advertiser: shop.advertiser,
        name: "Never again".into(),
        kind: ListKind::Domain,
        values: vec!["example.com".into()],
    };
    let Entity::List(blocked) = create_as(ADVERTISER_1, stack.campaigns, Entity::List(blocked.into())) else {
        panic!("kind")
    };
    let is = |dimension, value: &str| Expr::Leaf(Leaf::In { dimension, values: vec![value.into()] });
    let not = |expr| Expr::Not(Box::new(expr));
    let targeting = Expr::All(vec![
        is(Dimension::Country, "USA"),
        not(Expr::Leaf(Leaf::OnList { dimension: Dimension::Domain, list: blocked.id })),
        Expr::Any(vec![
            Expr::All(vec![is(Dimension::City, "Austin"), is(Dimension::Format, "banner")]),
            not(Expr::All(vec![is(Dimension::Os, "Windows"), tagged(tag, TagKind::Any)])),
        ]),
    ]);
    let id = shop.line_item_as(ADVERTISER_1, targeting, 2.0);
    let mut request = banner("user-1");
    request["user"] = json!({});
    let ask = pb::ExplainRequest {
        line_item_id: id.0,
        exchange: "demo".into(),
        openrtb_json: request.to_string().into(),
    };
    let told = wait_for("the line item to arrive", SOON, || {
        let ask = with_token(ADVERTISER_1, ask.clone());
        let told = block_on(async { client(&stack).await.explain(ask).await }).ok()?.into_inner();
        told.impressions.into_iter().next()
    });
    let texts: Vec<_> =
        told.reasons.iter().filter(|r| r.code == "no_match").map(|r| r.text.as_str()).collect();
    let any = "targeting.all_of.parts[2].any_of";
    assert_eq!(
        texts,
        [
            format!(
                "targeting.all_of.parts[1].negated.leaf.on_list: wanted domain is not on list {} (Never again), which \
                 does not hold: the request has domain example.com, news.example.com",
                blocked.id
            ),
            format!(
                "{any}.parts[0].all_of.parts[0].leaf.value_in: wanted city is one of Austin, which does not hold: the \
                 request has no city"
            ),
            format!(
                "{any}.parts[1].negated.all_of.parts[0].leaf.value_in: wanted os is none of Windows, which does not \
                 hold: the request has os windows"
            ),
            format!(
                "{any}.parts[1].negated.all_of.parts[1].leaf.tag: wanted user carries none of Keen runners ({tag}), \
                 weight at least 1, which cannot be known: not all of the user's tags could be looked up"
            ),
        ]
    );
    assert!(!told.would_bid);
}

#[test]
fn an_advertiser_is_told_that_a_line_item_is_archived_or_not_known_yet() {
    let stack = Stack::separate();
    let shop = Shop::open(&stack, "shop.example");
    let id = shop.line_item_as(ADVERTISER_1, in_the_usa(), 2.0);
    wait_for_bid(&stack, &banner("user-1"));
    let ask = |stack: &Stack, id: u64| {
        let ask = pb::ExplainRequest {
            line_item_id: id,
            exchange: "demo".into(),
            openrtb_json: banner("user-1").to_string().into(),
        };
        block_on(async { bidder(stack).await.explain(with_token(OPERATOR, ask)).await })
    };
    block_on(async {
        let mut client = client(&stack).await;
        let get = pb::GetLineItemRequest { id: id.0 };
        let item = client.get_line_item(with_token(OPERATOR, get)).await.unwrap().into_inner();
        let etag = item.metadata.unwrap().etag;
        let archive = pb::ArchiveLineItemRequest { id: id.0, etag, ..Default::default() };
        client.archive_line_item(with_token(OPERATOR, archive)).await.unwrap();
    });
    let why = wait_for("the archiving to arrive", SOON, || {
        ask(&stack, id.0).unwrap().into_inner().request_reasons.first().cloned()
    });
    assert_eq!((why.code.as_str(), why.text.as_str()), ("not_live", "the line item is archived"));

    let unknown = ask(&stack, id.0 + 1).unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    assert!(unknown.message().contains("catalog is at revision"), "{unknown:?}");
}

pub(crate) async fn bidder(stack: &Stack) -> BiddingServiceClient<tonic::transport::Channel> {
    BiddingServiceClient::connect(format!("http://{}", stack.bidding)).await.unwrap()
}

#[test]
fn a_bidder_starts_from_its_copy_and_stops_when_that_is_too_old() {
    let mut stack = Stack::separate();
    let shop = Shop::open(&stack, "shop.example");
    shop.line_item(in_the_usa(), 2.0);
    let request = banner("user-1");
    wait_for_bid(&stack, &request);
    stack.wait_copy_saved();
    stack.role("campaigns").kill();
    stack.bidder.terminate();
    stack.bidder.wait_exit(START);
    stack.restart_with(Some("bidder.catalog_max_age_s=8"));
    let answer = wait_for_bid(&stack, &request);
    assert!(check_response(&request, &answer.json()).is_empty());
    wait_until("the copy to be too old", SOON, || {
        let answer = bid(stack.http, &request);
        answer.header("x-tagbid-no-bid") == Some("stale_catalog")
    });
}

#[test]
fn bad_input_names_every_field_at_once() {
    let stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    let refused = block_on(async {
        let client =
            AdvertiserClient::connect(&format!("http://{}", stack.campaigns), OPERATOR).await.unwrap();
        let mut item = shop.draft(in_the_usa(), 2.0);
        item.name = String::new();
        item.bid.min = tagbid_types::Cpm(5_000_000);
        item.creatives = vec![tagbid_types::CreativeId(999)];
        client.create(&tagbid_catalog::Entity::LineItem(item.into()), "").await.unwrap_err()
    });
    let AdvertiserError::Refused { status, .. } = refused else { panic!("{refused}") };
    let details = status.get_error_details();
    let violations = &details.bad_request().unwrap().field_violations;
    for field in ["line_item.name", "line_item.bid", "line_item.creative_ids[0]"] {
        let named = violations.iter().any(|violation| violation.field.starts_with(field));
        assert!(named, "{field} is not named: {violations:?}");
    }
}
