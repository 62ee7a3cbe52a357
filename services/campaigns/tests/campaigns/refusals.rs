//! What is refused, with the field and a remedy.

use bytes::Bytes;
use prost::encoding::encode_varint;
use tagbid_targeting::{Dimension, Expr, Leaf};
use tagbid_wire::campaigns::expr_to;
use tagbid_wire::pb::campaigns as pb;
use tagbid_wire::raw::RawCodec;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::harness::{
    Api, Caller, Database, Stack, advertiser, campaign, creative, fields, flight, line_item, two_tenants,
};
use crate::kinds::Kind;

/// Whether a refusal names exactly this field and says what to do.
#[track_caller]
fn names(refused: Result<impl std::fmt::Debug, Status>, field: &str) {
    let status = refused.unwrap_err();
    assert_eq!((status.code(), fields(&status)), (Code::InvalidArgument, vec![field.into()]), "{status:?}");
    let details = status.get_details_bad_request().unwrap();
    let said = &details.field_violations[0].description;
    assert!(said.contains("; "), "no remedy in {said:?}");
}

fn priced(base: i64, currency: &str) -> pb::BidRules {
    pb::BidRules { base_cpm_micros: base, currency: currency.into(), ..Default::default() }
}

fn deal(exchange: &str, currency: &str) -> pb::Deal {
    pb::Deal {
        name: "Deal".into(),
        exchange: exchange.into(),
        code: "d-1".into(),
        auction: pb::DealAuction::FirstPrice.into(),
        price_cpm_micros: 1_000_000,
        currency: currency.into(),
        ..Default::default()
    }
}

#[tokio::test]
async fn money_is_in_a_currency_that_is_one_and_has_a_rate() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let (campaign, creative, _) = flight(&stack).await;
    let mut operator = stack.api(Caller::Operator).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    for code in ["XXX", "XTS", "XAU", "DEM", "CHF"] {
        let of = pb::Advertiser { currency: code.into(), ..advertiser("New") };
        names(of.create(&mut operator, "").await, "advertiser.currency");
        let item = pb::LineItem { bid: Some(priced(1, code)), ..line_item(campaign.id, creative.id) };
        names(item.create(&mut acme, "").await, "line_item.bid.currency");
        names(deal("demo", code).create(&mut acme, "").await, "deal.currency");
    }
    let item = pb::LineItem { bid: Some(priced(1, "eur")), ..line_item(campaign.id, creative.id) };
    assert_eq!(item.create(&mut acme, "").await.unwrap().bid.unwrap().currency, "EUR");
    stack.stop().await;
}

#[tokio::test]
async fn deals_and_reviews_name_exchanges_that_are_configured() {
    let known = ["demo".parse().unwrap()].into();
    let address = "127.0.0.1:0".parse().unwrap();
    let stack = Stack::start_knowing(&Database::sqlite(), address, known).await;
    two_tenants(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    names(deal("demmo", "USD").create(&mut acme, "").await, "deal.exchange");
    deal("demo", "USD").create(&mut acme, "").await.unwrap();
    let reviewed = |exchange: &str| pb::Creative {
        advertiser_id: 1,
        approvals: [(exchange.to_owned(), pb::Approval::Approved.into())].into(),
        ..creative("Reviewed")
    };
    let mut operator = stack.api(Caller::Operator).await;
    names(reviewed("demmo").create(&mut operator, "").await, "creative.approvals[\"demmo\"]");
    reviewed("demo").create(&mut operator, "").await.unwrap();
    let (campaign, creative, _) = flight(&stack).await;
    let sold_on = |exchange: &str| {
        let leaf = Leaf::In { dimension: Dimension::Exchange, values: vec![exchange.into()] };
        pb::LineItem { targeting: Some(expr_to(&Expr::Leaf(leaf))), ..line_item(campaign.id, creative.id) }
    };
    let field = "line_item.targeting.leaf.value_in.values[0]";
    names(sold_on("demmo").create(&mut acme, "").await, field);
    sold_on("Demo").create(&mut acme, "").await.unwrap();
    stack.stop().await;
}

#[tokio::test]
async fn codes_come_from_the_lists_of_the_trade() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let with = |change: &dyn Fn(&mut pb::Creative)| {
        let mut made = creative("Coded");
        change(&mut made);
        made
    };
    let cases: [(&str, pb::Creative); 9] = [
        ("creative.apis[0]", with(&|c| c.apis = vec![99])),
        ("creative.apis[1]", with(&|c| c.apis = vec![7, 1000])),
        ("creative.attributes[0]", with(&|c| c.attributes = vec![19])),
        ("creative.categories[0]", with(&|c| c.categories = vec!["IAB99-99".into()])),
        ("creative.categories[1]", with(&|c| c.categories = vec!["IAB1".into(), "IAB24-1".into()])),
        ("creative.language", with(&|c| c.language = "xx".into())),
        ("creative.native.assets[0].image.type", with(&|c| c.markup = Some(native_image(9)))),
        ("creative.native.assets[0].data.type", with(&|c| c.markup = Some(native_data(77)))),
        ("creative.banner.banner_type", with(&|c| c.markup = Some(banner(5)))),
    ];
    for (field, wrong) in cases {
        names(wrong.create(&mut acme, "").await, field);
    }
    stack.stop().await;
}

fn native(asset: pb::native_asset::Asset) -> pb::creative::Markup {
    let assets = vec![pb::NativeAsset { asset: Some(asset) }];
    pb::creative::Markup::Native(pb::NativeMarkup { title: "Shoes".into(), assets })
}

fn native_image(kind: u32) -> pb::creative::Markup {
    let url = "https://cdn.acme.example/a.png".into();
    native(pb::native_asset::Asset::Image(pb::NativeImage { r#type: kind, url, width: 80, height: 80 }))
}

fn native_data(kind: u32) -> pb::creative::Markup {
    native(pb::native_asset::Asset::Data(pb::NativeData { r#type: kind, value: "Red".into() }))
}

fn banner(kind: u32) -> pb::creative::Markup {
    let html = "<p>Shoes</p>".into();
    pb::creative::Markup::Banner(pb::BannerMarkup { width: 300, height: 250, html, banner_type: kind })
}

#[tokio::test]
async fn amounts_prices_and_times_that_contradict_each_other_are_refused() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let (flight, creative, _) = flight(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let budget = |daily, lifetime| pb::Budget { daily_nanos: Some(daily), lifetime_nanos: Some(lifetime) };
    let spending = |budget| pb::Campaign { budget: Some(budget), ..campaign("Spending") };
    names(spending(budget(11, 10)).create(&mut acme, "").await, "campaign.budget.daily_nanos");
    let owing = pb::Budget { lifetime_nanos: Some(-1), ..Default::default() };
    names(spending(owing).create(&mut acme, "").await, "campaign.budget.lifetime_nanos");
    spending(budget(10, 10)).create(&mut acme, "").await.unwrap();
    let capacity = |daily, lifetime| pb::Capacity {
        daily_impressions: Some(daily),
        lifetime_impressions: Some(lifetime),
    };
    let showing = |capacity| pb::Campaign { capacity: Some(capacity), ..campaign("Showing") };
    names(showing(capacity(11, 10)).create(&mut acme, "").await, "campaign.capacity.daily_impressions");
    names(
        showing(capacity(1, u64::MAX)).create(&mut acme, "").await,
        "campaign.capacity.lifetime_impressions",
    );
    showing(capacity(10, 10)).create(&mut acme, "").await.unwrap();
    let from = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    let schedule = pb::Schedule { start_time: from(20), end_time: from(10), ..Default::default() };
    let backwards = pb::Campaign { schedule: Some(schedule), ..campaign("Backwards") };
    names(backwards.create(&mut acme, "").await, "campaign.schedule.end_time");

    let bidding = |bid| pb::LineItem { bid: Some(bid), ..line_item(flight.id, creative.id) };
    let bounds = |min, max| pb::BidRules { min_cpm_micros: min, max_cpm_micros: max, ..priced(100, "USD") };
    for (rules, field) in [
        (bounds(Some(300), Some(200)), "min_cpm_micros"),
        (bounds(Some(101), None), "min_cpm_micros"),
        (bounds(Some(150), Some(200)), "min_cpm_micros"),
        (bounds(None, Some(99)), "max_cpm_micros"),
        (bounds(None, Some(i64::MAX)), "max_cpm_micros"),
        (priced(0, "USD"), "base_cpm_micros"),
        (priced(i64::MAX, "USD"), "base_cpm_micros"),
        (priced(i64::MIN, "USD"), "base_cpm_micros"),
    ] {
        let refused = bidding(rules).create(&mut acme, "").await;
        let status = refused.unwrap_err();
        assert!(fields(&status).contains(&format!("line_item.bid.{field}")), "{field}: {status:?}");
    }
    stack.stop().await;
}

/// A maximum that is left out follows the base, and an update can leave it out again.
#[tokio::test]
async fn a_maximum_that_is_left_out_is_no_frozen_copy_of_the_base() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let (_, _, mut item) = flight(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    assert_eq!(item.bid.as_ref().unwrap().max_cpm_micros, None);
    let mut change = async |item: &mut pb::LineItem, bid: pb::BidRules, paths: &[&str]| {
        item.bid = Some(bid);
        *item = item.clone().update(&mut acme, paths, "").await.unwrap();
        item.bid.clone().unwrap()
    };
    let raised = change(&mut item, priced(5_000_000, "USD"), &["bid.base_cpm_micros"]).await;
    assert_eq!((raised.base_cpm_micros, raised.max_cpm_micros), (5_000_000, None));
    let capped = pb::BidRules { max_cpm_micros: Some(6_000_000), ..raised };
    let capped = change(&mut item, capped, &["bid.max_cpm_micros"]).await;
    assert_eq!(capped.max_cpm_micros, Some(6_000_000));
    let cleared = pb::BidRules { max_cpm_micros: None, ..capped };
    assert_eq!(change(&mut item, cleared, &["bid.max_cpm_micros"]).await.max_cpm_micros, None);
    stack.stop().await;
}

/// An update that changes nothing was carried out all the same: repeated later it must not undo what came between.
#[tokio::test]
async fn a_request_that_changed_nothing_is_remembered_too() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let (spring, _, _) = flight(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let first = rename(&mut acme, &spring, "Spring", "same").await;
    assert_eq!(first, spring);
    let renamed = rename(&mut acme, &spring, "Summer", "other").await;
    assert_eq!(renamed.name, "Summer");
    assert_eq!(rename(&mut acme, &spring, "Spring", "same").await, first, "the answer of the first time");
    assert_eq!(pb::Campaign::get(&mut acme, spring.id).await.unwrap(), renamed, "and nothing was undone");
    stack.stop().await;
}

async fn rename(api: &mut Api, campaign: &pb::Campaign, name: &str, request_id: &str) -> pb::Campaign {
    let request = pb::UpdateCampaignRequest {
        campaign: Some(pb::Campaign { id: campaign.id, name: name.into(), ..Default::default() }),
        request_id: request_id.into(),
        ..Default::default()
    };
    api.update_campaign(request).await.unwrap().into_inner()
}

/// The bytes of field `tag`, a message, with this content. Written by hand: encoders recurse.
fn wrapped(tag: u8, content: Vec<u8>) -> Vec<u8> {
    let mut message = vec![tag << 3 | 2];
    encode_varint(content.len() as u64, &mut message);
    message.extend(content);
    message
}

#[tokio::test]
async fn what_nests_too_deep_or_is_no_message_is_the_callers_fault() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let mut deep = Vec::new();
    for _ in 0..5_000 {
        deep = wrapped(3, deep);
    }
    // CreateLineItemRequest.line_item.targeting.
    let deep = wrapped(1, wrapped(7, deep));
    for (bytes, told) in [(deep, "more than 100 deep"), (vec![0xff; 12], "is not a message")] {
        let mut client = tonic::client::Grpc::new(stack.channel(Caller::Tenant(1)).await);
        client.ready().await.unwrap();
        let path = "/tagbid.campaigns.v1.CampaignsService/CreateLineItem".parse().unwrap();
        let refused = client.unary(Request::new(Bytes::from(bytes)), path, RawCodec::default()).await;
        let status = refused.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(status.message().contains(told) && status.message().len() < 500, "{status:?}");
    }
    stack.stop().await;
}

/// Statuses travel as headers: what a caller sent must not make them longer than clients take.
#[tokio::test]
async fn refusals_fit_into_headers_whatever_was_sent() {
    let stack = Stack::start(&Database::postgres()).await;
    two_tenants(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let long = "x".repeat(1 << 20);
    let mut many = creative("Many");
    many.categories = vec![long.clone(); 3];
    many.categories.extend(vec!["\u{1F98A}".repeat(40); 500]);
    let list =
        pb::List { name: long.clone(), kind: 3, values: vec!["x\0y".into(); 500], ..Default::default() };
    let explain = pb::ExplainRequest { exchange: long, line_item_id: 1, ..Default::default() };
    let refused = [
        many.create(&mut acme, "").await.unwrap_err(),
        list.create(&mut acme, "").await.unwrap_err(),
        acme.explain(explain).await.unwrap_err(),
    ];
    for status in refused {
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert!(status.details().len() < 6_000, "{} bytes", status.details().len());
    }
    for request_id in ["\0", "a\nb", " "] {
        names(campaign("Spring").create(&mut acme, request_id).await, "request_id");
    }
    names(campaign("Spring\u{202E}gnp.exe").create(&mut acme, "").await, "campaign.name");
    stack.stop().await;
}

#[tokio::test]
async fn contact_rules_are_refused_by_field_and_changed_by_their_owner() {
    let stack = Stack::start(&Database::sqlite()).await;
    let [own, _] = two_tenants(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let tiered = |tier| pb::Campaign { tier, ..campaign("First") };
    names(tiered(10).create(&mut acme, "").await, "campaign.tier");
    names(tiered(300).create(&mut acme, "").await, "campaign.tier");
    assert_eq!(tiered(9).create(&mut acme, "").await.unwrap().tier, 9);
    let never = |tags: Vec<u32>| pb::Advertiser { never_contact_tag_ids: tags, ..own.clone() };
    let paths = ["never_contact_tag_ids"];
    names(never(vec![77]).update(&mut acme, &paths, "").await, "advertiser.never_contact_tag_ids[0]");
    let customers = pb::TagDefinition { name: "Customers".into(), ..Default::default() };
    let tag = customers.create(&mut acme, "").await.unwrap().id;
    let kept = never(vec![tag, tag]).update(&mut acme, &paths, "").await.unwrap();
    assert_eq!(kept.never_contact_tag_ids, [tag], "each once");
    stack.stop().await;
}
