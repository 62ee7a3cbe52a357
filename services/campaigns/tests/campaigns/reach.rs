//! How many users and requests an expression reaches: whose it may be, and what is told of it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tagbid_ports::{ReachUnavailable, RequestReach, RequestSample, Stratum, UserReach, UserSample};
use tagbid_targeting::Expr;
use tagbid_types::Timestamp;
use tagbid_wire::campaigns::{expr_from, expr_to};
use tagbid_wire::pb::campaigns as pb;
use tonic::{Code, Status};

use crate::harness::{Api, Caller, Database, Stack, fields, flight, two_tenants};
use crate::kinds::Kind;

/// Samples that say what a test wants, and remember what they were asked.
#[derive(Default)]
struct Samples {
    asked: Mutex<Vec<Expr>>,
    down: bool,
}

impl Samples {
    fn note<T>(&self, targeting: &Expr, answer: T) -> Result<T, ReachUnavailable> {
        self.asked.lock().unwrap().push(targeting.clone());
        if self.down { Err(ReachUnavailable("it rains".into())) } else { Ok(answer) }
    }
}

#[tonic::async_trait]
impl UserSample for Samples {
    async fn estimate_users(&self, targeting: &Expr) -> Result<UserReach, ReachUnavailable> {
        let stratum = Stratum { sampled: 10_000, matching: 1_234, scale: 64 };
        self.note(targeting, UserReach { stratum, age: Duration::from_secs(90) })
    }
}

#[tonic::async_trait]
impl RequestSample for Samples {
    async fn estimate_requests(&self, targeting: &Expr) -> Result<RequestReach, ReachUnavailable> {
        let strata = vec![Stratum { sampled: 2_000, matching: 500, scale: 8 }];
        self.note(targeting, RequestReach { strata, since: Timestamp::from_secs(1_750_000_000) })
    }
}

fn leaf(test: pb::leaf::Test) -> pb::Expression {
    pb::Expression { node: Some(pb::expression::Node::Leaf(pb::Leaf { test: Some(test) })) }
}

fn tagged(tag: u32) -> pb::Expression {
    leaf(pb::leaf::Test::Tag(pb::TagTest { any_of_tag_ids: vec![tag], ..Default::default() }))
}

fn all(parts: Vec<pb::Expression>) -> pb::Expression {
    pb::Expression { node: Some(pb::expression::Node::AllOf(pb::Expressions { parts })) }
}

fn about(advertiser_id: u64, targeting: pb::Expression) -> pb::EstimateReachRequest {
    pb::EstimateReachRequest { advertiser_id, targeting: Some(targeting) }
}

/// A tag of an advertiser, or one that all share.
async fn tag(stack: &Stack, owner: u64) -> u32 {
    let tag =
        pb::TagDefinition { name: format!("tag of {owner}"), advertiser_id: owner, ..Default::default() };
    tag.create(&mut stack.api(Caller::Operator).await, "").await.unwrap().id
}

async fn list(stack: &Stack, owner: u64) -> u64 {
    let list = pb::List {
        name: format!("list of {owner}"),
        advertiser_id: owner,
        kind: pb::ListKind::Domain.into(),
        values: vec!["news.example".into()],
        ..Default::default()
    };
    list.create(&mut stack.api(Caller::Operator).await, "").await.unwrap().id
}

async fn refused(api: &mut Api, request: pb::EstimateReachRequest) -> Status {
    api.estimate_reach(request).await.unwrap_err()
}

#[tokio::test]
async fn figures_come_with_their_error_and_say_what_they_rest_on() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let (own, shared) = (tag(&stack, 1).await, tag(&stack, 0).await);
    let samples = Arc::new(Samples::default());
    stack.service.set_user_sample(samples.clone());
    stack.service.set_request_sample(samples.clone());
    let targeting = all(vec![tagged(own), tagged(shared)]);
    for (who, advertiser) in [(Caller::Tenant(1), 0), (Caller::Tenant(1), 1), (Caller::Operator, 1)] {
        let mut api = stack.api(who).await;
        let reach = api.estimate_reach(about(advertiser, targeting.clone())).await.unwrap().into_inner();
        let users = reach.users.unwrap();
        assert_eq!((users.users, users.fewer_than_1000), (Some(79_000), false), "1,234 x 64");
        assert_eq!((users.low, users.high), (74_000, 84_000));
        assert_eq!((users.sampled_users, users.users_per_sampled), (10_000, 64));
        assert_eq!(users.sample_age.unwrap().seconds, 90);
        let requests = reach.requests.unwrap();
        assert_eq!((requests.share_micros, requests.too_few), (Some(250_000), false));
        assert_eq!((requests.low_micros, requests.high_micros), (230_000, 270_000));
        assert_eq!((requests.sampled_impressions, requests.impressions), (2_000, 16_000));
        assert_eq!(requests.since.unwrap().seconds, 1_750_000_000);
    }
    let mut report = tagbid_catalog::Report::on("");
    let expected = expr_from(Some(&targeting), &mut report);
    assert_eq!(*samples.asked.lock().unwrap(), vec![expected; 6]);
    stack.stop().await;
}

#[tokio::test]
async fn an_expression_is_refused_as_a_line_items_is_and_nobody_is_asked() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let samples = Arc::new(Samples::default());
    stack.service.set_user_sample(samples.clone());
    stack.service.set_request_sample(samples.clone());
    let (campaign, creative, _) = flight(&stack).await;
    let (theirs, their_list) = (tag(&stack, 2).await, list(&stack, 2).await);
    let on_list = |list_id| {
        let dimension = pb::Dimension::Domain.into();
        leaf(pb::leaf::Test::OnList(pb::OnList { dimension, list_id }))
    };
    let value = |dimension: pb::Dimension, value: &str| {
        let values = vec![value.to_owned()];
        leaf(pb::leaf::Test::ValueIn(pb::ValueIn { dimension: dimension.into(), values }))
    };
    let bad = [
        tagged(theirs),
        tagged(9_999),
        on_list(their_list),
        value(pb::Dimension::Country, "Atlantis"),
        value(pb::Dimension::Unspecified, "x"),
        pb::Expression { node: Some(pb::expression::Node::AnyOf(pb::Expressions::default())) },
        all(vec![
            tagged(theirs),
            pb::Expression::default(),
            on_list(their_list),
            pb::Expression { node: Some(pb::expression::Node::Negated(Box::new(tagged(theirs)))) },
        ]),
    ];
    let mut acme = stack.api(Caller::Tenant(1)).await;
    for targeting in bad {
        let item = pb::LineItem {
            targeting: Some(targeting.clone()),
            ..crate::harness::line_item(campaign.id, creative.id)
        };
        let as_line_item = item.create(&mut acme, "").await.unwrap_err();
        let expected: Vec<_> =
            fields(&as_line_item).iter().map(|field| field.replacen("line_item.", "", 1)).collect();
        let status = refused(&mut acme, about(0, targeting.clone())).await;
        assert_eq!((status.code(), fields(&status)), (Code::InvalidArgument, expected), "{targeting:?}");
        assert!(!fields(&status).is_empty());
    }
    let fine = expr_to(&Expr::default());
    let other = refused(&mut acme, about(2, fine.clone())).await;
    assert_eq!(fields(&other), ["advertiser_id"]);
    let mut operator = stack.api(Caller::Operator).await;
    for missing in [0, 77] {
        assert_eq!(fields(&refused(&mut operator, about(missing, fine.clone())).await), ["advertiser_id"]);
    }
    let role = refused(&mut stack.api(Caller::Role).await, about(1, fine)).await;
    assert_eq!(role.code(), Code::PermissionDenied);
    assert_eq!(*samples.asked.lock().unwrap(), []);
    stack.stop().await;
}

#[tokio::test]
async fn one_half_is_given_without_the_other_and_says_why() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let everything = || about(0, expr_to(&Expr::default()));
    let nobody = refused(&mut acme, everything()).await;
    assert_eq!(nobody.code(), Code::Unavailable);
    assert!(nobody.message().contains("no tags role") && nobody.message().contains("no bidder"), "{nobody}");

    stack.service.set_user_sample(Arc::new(Samples::default()));
    let users_alone = acme.estimate_reach(everything()).await.unwrap().into_inner();
    assert!(users_alone.users.is_some() && users_alone.requests.is_none());
    assert!(users_alone.requests_unavailable.contains("no bidder"), "{users_alone:?}");

    stack.service.set_request_sample(Arc::new(Samples { down: true, ..Samples::default() }));
    let still = acme.estimate_reach(everything()).await.unwrap().into_inner();
    assert_eq!((still.users_unavailable.as_str(), still.requests_unavailable.as_str()), ("", "it rains"));
    stack.stop().await;
}
