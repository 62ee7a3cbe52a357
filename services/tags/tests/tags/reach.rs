//! How many users an expression reaches, from the role's sample.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tagbid_ports::{ReachUnavailable, Stratum, UserReach};
use tagbid_runtime::auth::Secret;
use tagbid_tags::{Options, StoreKind};
use tagbid_tagset::offline::{self, OfflineTag};
use tagbid_tagset::realtime::{self, RealtimeTag};
use tagbid_tagset::{MacKeys, UserKey};
use tagbid_targeting::{Dimension, Expr, Leaf, TagKind, TagTest};
use tagbid_testkit::{RedisServer, wait_for_async, wait_until_async};
use tagbid_types::{TagId, Timestamp};
use tagbid_wire::campaigns::users_question;
use tagbid_wire::pb::campaigns::user_sample_service_client::UserSampleServiceClient;
use tonic::{Code, Request};

use crate::conformance::{DATASET, NOW};
use crate::fixture::{ACME, PATIENCE, ROLE, Role, mac_key};

fn key(n: u128) -> UserKey {
    UserKey(n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835).to_be_bytes())
}

fn tagged(tag: u32, kind: TagKind, min_weight: u8) -> Expr {
    Expr::Leaf(Leaf::Tag(TagTest { any_of: vec![TagId(tag)], kind, min_weight, max_age_s: None }))
}

fn not(expr: Expr) -> Expr {
    Expr::Not(Box::new(expr))
}

/// An offline tag that lasts an hour.
fn for_an_hour(tag: u32) -> Bytes {
    offline::encode(NOW, &[OfflineTag { id: TagId(tag), weight: 200, ttl_s: 3_600 }]).unwrap().into()
}

/// A real-time tag that halves in ten minutes.
fn fading(tag: u32) -> Bytes {
    let tag = RealtimeTag { id: TagId(tag), weight: 200, event: NOW, half_life_s: 600, ttl_s: 86_400 };
    realtime::encode(&[tag]).unwrap().into()
}

async fn estimate(role: &Role, expr: &Expr) -> Result<UserReach, ReachUnavailable> {
    role.service.user_sample().estimate_users(expr).await
}

/// What the sample says once it knows of this many users.
async fn counted(role: &Role, users: u64, expr: &Expr) -> Stratum {
    wait_for_async("a sample of all users", PATIENCE, async || {
        // Older than what its pass took, so that the question makes it anew.
        role.clock.advance(Duration::from_secs(2));
        let reach = estimate(role, expr).await.ok()?;
        (reach.stratum.sampled * reach.stratum.scale >= users).then_some(reach.stratum)
    })
    .await
}

#[tokio::test]
async fn tests_of_tags_decide_and_all_others_count_as_possible() {
    let role = Role::start(Options::default()).await;
    let writer = role.service.writer();
    // Of 30 users 20 carry tag 1, and 5 of these carry tag 2 too.
    writer.put_offline(DATASET, (0..20).map(|n| (key(n), for_an_hour(1))).collect()).await.unwrap();
    writer.merge_realtime((15..30).map(|n| (key(n), fading(2))).collect()).await.unwrap();
    let country = || Expr::Leaf(Leaf::In { dimension: Dimension::Country, values: vec!["deu".into()] });
    let one = || tagged(1, TagKind::Any, 0);
    let two = || tagged(2, TagKind::Realtime, 0);
    let cases = [
        (Expr::All(vec![]), 30),
        (one(), 20),
        (not(one()), 10),
        (tagged(2, TagKind::Offline, 0), 0),
        (Expr::All(vec![one(), two()]), 5),
        (Expr::Any(vec![one(), two()]), 30),
        (country(), 30),
        (not(country()), 30),
        (Expr::All(vec![one(), not(country())]), 20),
        (not(Expr::Any(vec![one(), country()])), 10),
        (Expr::All(vec![one(), Expr::Any(vec![two(), country()])]), 20),
    ];
    for (expr, matching) in cases {
        let stratum = counted(&role, 30, &expr).await;
        assert_eq!(stratum, Stratum { sampled: 30, matching, scale: 1 }, "{expr:?}");
    }
}

#[tokio::test]
async fn decay_and_expiry_count_at_the_moment_of_the_question() {
    let role = Role::start(Options::default()).await;
    let writer = role.service.writer();
    writer.put_offline(DATASET, vec![(key(1), for_an_hour(1))]).await.unwrap();
    writer.merge_realtime(vec![(key(2), fading(2))]).await.unwrap();
    let heavy = tagged(2, TagKind::Any, 150);
    assert_eq!(counted(&role, 2, &heavy).await.matching, 1);
    // Nobody writes and no pass is made: the wall clock alone moves on.
    let at = |minutes: i64| role.clock.set_wall(Timestamp(NOW.0 + minutes * 60_000_000));
    at(30);
    let faded = estimate(&role, &heavy).await.unwrap().stratum;
    assert_eq!((faded.sampled, faded.matching), (2, 0));
    at(61);
    let expired = estimate(&role, &Expr::All(vec![])).await.unwrap().stratum;
    assert_eq!((expired.sampled, expired.matching), (1, 1), "who carries nothing any more is nobody");
}

#[tokio::test]
async fn the_suppressed_leave_the_sample_at_once() {
    let role = Role::start(Options::default()).await;
    role.service
        .writer()
        .put_offline(DATASET, (0..9).map(|n| (key(n), for_an_hour(1))).collect())
        .await
        .unwrap();
    let one = tagged(1, TagKind::Any, 0);
    assert_eq!(counted(&role, 9, &one).await.matching, 9);
    role.suppress(key(3)).await;
    wait_until_async("the user to be gone", PATIENCE, async || {
        // The clock stands still: the sample is the same.
        estimate(&role, &one).await.unwrap().stratum.sampled == 8
    })
    .await;
}

#[tokio::test]
async fn a_store_larger_than_the_sample_is_estimated_from_one_user_in_some() {
    let role = Role::start(Options::default()).await;
    let writer = role.service.writer();
    let (users, with_two) = (60_000_u128, 15_000_u128);
    for part in (0..users).collect::<Vec<_>>().chunks(1_000) {
        let tag = |n: u128| if n < with_two { for_an_hour(2) } else { for_an_hour(1) };
        writer.put_offline(DATASET, part.iter().map(|n| (key(*n), tag(*n))).collect()).await.unwrap();
    }
    let stratum = counted(&role, 50_000, &tagged(2, TagKind::Any, 0)).await;
    assert_eq!(stratum.scale, 4, "16,384 fit");
    assert!(stratum.sampled <= 16_384);
    let off = |found: u64, of: u128| (found * stratum.scale) as f64 / of as f64 - 1.0;
    assert!(off(stratum.sampled, users).abs() < 0.05, "{stratum:?}");
    assert!(off(stratum.matching, with_two).abs() < 0.05, "{stratum:?}");
}

#[tokio::test]
async fn redis_is_sampled_and_a_loss_of_it_is_told() {
    let server = RedisServer::start().unwrap();
    let redis_url = Secret::new(server.database().unwrap().url());
    let role = Role::start(Options { store: StoreKind::Redis, redis_url, ..Options::default() }).await;
    let writer = role.service.writer();
    writer.put_offline(DATASET, (0..500).map(|n| (key(n), for_an_hour(1))).collect()).await.unwrap();
    writer.merge_realtime((400..700).map(|n| (key(n), fading(2))).collect()).await.unwrap();
    let both = Expr::All(vec![tagged(1, TagKind::Any, 0), tagged(2, TagKind::Any, 0)]);
    let stratum = counted(&role, 700, &both).await;
    assert_eq!(stratum, Stratum { sampled: 700, matching: 100, scale: 1 });

    server.freeze();
    role.clock.advance(Duration::from_secs(3_000));
    let stale = estimate(&role, &both).await.unwrap();
    assert_eq!(stale.stratum, stratum, "the last sample will do");
    assert!(stale.age >= Duration::from_secs(3_000), "{:?}", stale.age);
}

#[tokio::test]
async fn nobody_estimates_before_the_suppression_list_is_known() {
    let silent: Arc<dyn tagbid_ports::SuppressionFeed> = Arc::new(Silent);
    let keys = MacKeys::only(mac_key(1));
    let role = Role::start_with(Options::default(), Some(silent), keys).await;
    let refused = estimate(&role, &Expr::All(vec![])).await.unwrap_err();
    assert!(refused.0.contains("suppression list"), "{refused}");
}

/// Says nothing.
struct Silent;

impl tagbid_ports::SuppressionFeed for Silent {
    fn subscribe(
        &self,
        _: tagbid_types::Revision,
    ) -> futures_util::stream::BoxStream<
        'static,
        Result<tagbid_ports::SuppressionEvent, tagbid_ports::FeedError>,
    > {
        Box::pin(futures_util::stream::pending())
    }
}

#[tokio::test]
async fn roles_may_ask_and_advertisers_may_not() {
    let role = Role::start(Options::default()).await;
    role.service.writer().put_offline(DATASET, vec![(key(1), for_an_hour(1))]).await.unwrap();
    counted(&role, 1, &Expr::All(vec![])).await;
    let address = role.serve().await;
    let mut client = UserSampleServiceClient::connect(address).await.unwrap();
    let mut ask = async |token: &str, question| {
        let mut request = Request::new(question);
        request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        client.estimate_users(request).await
    };
    let question = users_question(&tagged(1, TagKind::Any, 0));
    let answer = ask(ROLE, question.clone()).await.unwrap().into_inner();
    let stratum = answer.stratum.unwrap();
    assert_eq!((stratum.sampled, stratum.matching, stratum.scale), (1, 1, 1));
    assert_eq!(ask(ACME, question).await.unwrap_err().code(), Code::PermissionDenied);
}
