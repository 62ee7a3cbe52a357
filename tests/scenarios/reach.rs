//! How many users and which share of requests an expression reaches, over the samples of running roles.

use serde_json::Value;
use tagbid_catalog::{Entity, TagDefinition};
use tagbid_targeting::{Dimension, Expr, Leaf, TagKind};
use tagbid_testkit::{wait_for, wait_until};
use tagbid_types::{AdvertiserId, TagId};
use tagbid_wire::campaigns::expr_to;
use tagbid_wire::pb::campaigns as pb;
use tagbid_wire::pb::campaigns::campaigns_service_client::CampaignsServiceClient;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::advertiser::{
    Shop, block_on, create_as, define_tag, in_the_usa, merge_realtime, put_offline_to, suppress, tagged,
    with_token,
};
use crate::exchange::{banner, bid};
use crate::stack::{ADVERTISER_1, ADVERTISER_2, OPERATOR, SOON, Stack};

fn estimate(
    stack: &Stack,
    token: &str,
    advertiser_id: u64,
    targeting: &Expr,
) -> Result<pb::EstimateReachResponse, Status> {
    let request = pb::EstimateReachRequest { advertiser_id, targeting: Some(expr_to(targeting)) };
    block_on(async {
        let url = format!("http://{}", stack.campaigns);
        let mut client = CampaignsServiceClient::connect(url).await.unwrap();
        client.estimate_reach(with_token(token, request)).await.map(tonic::Response::into_inner)
    })
}

fn not(expr: Expr) -> Expr {
    Expr::Not(Box::new(expr))
}

/// What the sample says of users once it has this many.
fn users_of(stack: &Stack, advertiser: AdvertiserId, expr: &Expr, all: u64) -> pb::UserReach {
    wait_for("a sample of all users", SOON, || {
        let users = estimate(stack, OPERATOR, advertiser.0, expr).ok()?.users?;
        (users.sampled_users * users.users_per_sampled * 20 >= all * 19).then_some(users)
    })
}

fn request_from(user: &str, country: &str) -> Value {
    let mut request = banner(user);
    request["device"]["geo"]["country"] = country.into();
    request
}

#[test]
fn reach_is_told_across_processes_within_its_error() {
    let mut stack = Stack::separate();
    let shop = Shop::open(&stack, "shop.example");
    shop.line_item(in_the_usa(), 2.0);
    let (dataset, runners) = define_tag(&stack, "runners");
    let (_, walkers) = define_tag(&stack, "walkers");
    // More users than the sample holds; the keys, and so the sample, are the same in every run.
    for (tag, users) in [(runners, 0..8_000), (walkers, 8_000..20_000)] {
        let users: Vec<_> = users.map(|n| format!("user-{n}")).collect();
        users.chunks(1_000).for_each(|part| put_offline_to(&stack, dataset, part, tag));
    }
    let runs = tagged(runners, TagKind::Any);
    let users = users_of(&stack, shop.advertiser, &Expr::All(vec![runs.clone(), in_the_usa()]), 20_000);
    assert_eq!(users.users_per_sampled, 2, "16,384 of 20,000 users would not fit");
    assert!((users.low..=users.high).contains(&8_000), "{users:?}");
    assert!(users.users.is_some_and(|users| (7_500..=8_500).contains(&users)), "{users:?}");
    let others = users_of(&stack, shop.advertiser, &not(runs.clone()), 20_000);
    assert!((others.low..=others.high).contains(&12_000), "{others:?}");

    // A third of the requests is a runner's, and a quarter of those comes from Germany.
    wait_until("a bid", SOON, || bid(stack.http, &banner("user-1")).status == 200);
    for n in 0..1_200 {
        let user = if n % 3 == 0 { "user-1" } else { "user-9000" };
        bid(stack.http, &request_from(user, if n % 12 < 9 { "USA" } else { "DEU" }));
    }
    let share = |expr: &Expr| {
        let reach = estimate(&stack, OPERATOR, shop.advertiser.0, expr).unwrap();
        let requests = reach.requests.unwrap_or_else(|| panic!("{}", reach.requests_unavailable));
        assert!((150..=450).contains(&requests.sampled_impressions), "one in four: {requests:?}");
        f64::from(requests.share_micros.unwrap_or_else(|| panic!("{requests:?}"))) / 1e6
    };
    // Some 300 are sampled at random: five standard deviations are 14 points.
    assert!((share(&runs) - 1.0 / 3.0).abs() < 0.14);
    assert!((share(&Expr::All(vec![runs.clone(), in_the_usa()])) - 0.25).abs() < 0.14);
    assert!((share(&not(in_the_usa())) - 0.25).abs() < 0.14);

    stack.role("tags").kill();
    let half = wait_for("half an answer", SOON, || {
        estimate(&stack, OPERATOR, shop.advertiser.0, &runs).ok().filter(|reach| reach.users.is_none())
    });
    assert!(half.requests.is_some());
    assert!(half.users_unavailable.contains("tags role"), "{half:?}");
}

#[test]
fn an_advertiser_asks_with_its_own_tags_and_learns_nothing_of_few_people() {
    let stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    let rival = Shop::open(&stack, "rival.example");
    let tag = private_tag(&stack, shop.advertiser);
    merge_realtime(&stack, "person-1", tag);
    let own = tagged(tag, TagKind::Any);
    let users = wait_for("the sample", SOON, || {
        let users = estimate(&stack, ADVERTISER_1, 0, &own).ok()?.users?;
        (users.sampled_users == 1).then_some(users)
    });
    assert_eq!((users.users, users.fewer_than_1000, users.low, users.high), (None, true, 0, 1_000));
    suppress(&stack, "person-1", true);
    wait_until("the suppressed to be gone", SOON, || {
        estimate(&stack, ADVERTISER_1, 0, &own).is_ok_and(|reach| reach.users.unwrap().sampled_users == 0)
    });

    let theirs = estimate(&stack, ADVERTISER_2, 0, &own).unwrap_err();
    assert_eq!(fields(&theirs), ["targeting.leaf.tag.any_of_tag_ids[0]"]);
    let in_their_name = estimate(&stack, ADVERTISER_2, shop.advertiser.0, &own).unwrap_err();
    assert!(fields(&in_their_name).contains(&"advertiser_id".to_owned()), "{in_their_name:?}");
    assert_eq!(rival.advertiser, AdvertiserId(2));

    let nowhere = Expr::Leaf(Leaf::In { dimension: Dimension::Country, values: vec!["Atlantis".into()] });
    let bad = estimate(&stack, ADVERTISER_1, 0, &Expr::All(vec![own, nowhere])).unwrap_err();
    assert_eq!(bad.code(), Code::InvalidArgument);
    assert_eq!(fields(&bad), ["targeting.all_of.parts[1].leaf.value_in.values[0]"]);
}

fn private_tag(stack: &Stack, owner: AdvertiserId) -> TagId {
    let tag =
        TagDefinition { advertiser: Some(owner), name: "seen our page".into(), ..TagDefinition::default() };
    match create_as(OPERATOR, stack.campaigns, Entity::Tag(tag.into())) {
        Entity::Tag(tag) => tag.id,
        other => panic!("{other:?}"),
    }
}

fn fields(status: &Status) -> Vec<String> {
    let violations = status.get_details_bad_request().map(|details| details.field_violations);
    violations.unwrap_or_default().into_iter().map(|violation| violation.field).collect()
}
