//! What the ledger sees when it tells of impressions.

use std::time::Duration;

use tagbid_clients::{Endpoint, GrpcImpressionCounter};
use tagbid_ports::{CountError, CountOutcome, Impression, ImpressionCounter};
use tagbid_runtime::auth::Secret;
use tagbid_tags::Options;
use tagbid_tagset::frequency::{Counted, Counts, Horizon};
use tagbid_testkit::free_port;
use tagbid_types::{AdvertiserId, CampaignId, Clock, LineItemId, Timestamp};

use crate::conformance::user;
use crate::fixture::{ACME, ROLE, Role};
use crate::metrics::{metrics, shows};

const LINE_ITEM: Counted = Counted::LineItem(LineItemId(5));

fn impression(role: &Role, n: u8, event: u128) -> Impression {
    let counted = vec![LINE_ITEM, Counted::Campaign(CampaignId(6)), Counted::Advertiser(AdvertiserId(7))];
    Impression { user: user(n), event, at: role.clock.now(), counted, capped: vec![] }
}

fn counter(nodes: &[&str], token: &str) -> GrpcImpressionCounter {
    let node = |url: &&str| Endpoint::new(url, &Secret::new(token)).unwrap();
    GrpcImpressionCounter::new(nodes.iter().map(node).collect())
}

async fn count_of(role: &Role, n: u8, counted: Counted, window_s: Option<u64>) -> u32 {
    let Some(blob) = role.lookup(user(n)).await.frequency else { return 0 };
    let window = window_s.map(Duration::from_secs);
    Counts::parse(&blob).unwrap().count(counted, window, role.clock.now()).unwrap()
}

#[tokio::test]
async fn impressions_count_once_in_rolling_windows_and_come_with_the_lookup() {
    use CountOutcome::{Counted as Yes, Repeated, Suppressed};
    let role = Role::start(Options::default()).await;
    let ledger = counter(&[&role.serve().await], ROLE);
    role.suppress(user(3)).await;
    let batch = vec![
        impression(&role, 1, 1),
        impression(&role, 1, 2),
        impression(&role, 2, 1),
        impression(&role, 1, 1),
        impression(&role, 3, 1),
    ];
    assert_eq!(ledger.count(batch.clone()).await, Ok(vec![Yes, Yes, Yes, Repeated, Suppressed]));
    let again = vec![Repeated, Repeated, Repeated, Repeated, Suppressed];
    assert_eq!(ledger.count(batch).await, Ok(again));

    role.clock.advance(Duration::from_secs(7_200));
    assert_eq!(ledger.count(vec![impression(&role, 1, 3)]).await, Ok(vec![Yes]));
    let entities = [LINE_ITEM, Counted::Campaign(CampaignId(6)), Counted::Advertiser(AdvertiserId(7))];
    for entity in entities {
        for (window, expected) in
            [(Some(60), 1), (Some(3_600), 1), (Some(86_400), 3), (Some(7 * 86_400), 3), (None, 3)]
        {
            assert_eq!(count_of(&role, 1, entity, window).await, expected, "{entity:?} in {window:?}");
        }
    }
    assert_eq!(count_of(&role, 3, LINE_ITEM, None).await, 0);
    let lines = [
        "tagbid_tags_impressions_total{result=\"counted\"} 4",
        "tagbid_tags_impressions_total{result=\"repeated\"} 5",
        "tagbid_tags_impressions_total{result=\"suppressed\"} 2",
        "tagbid_tags_writes_total{kind=\"frequency\",result=\"ok\"} 3",
    ];
    shows(&metrics(&role), &lines);
}

#[tokio::test]
async fn what_caps_look_at_is_forgotten_last_and_that_is_told() {
    use CountOutcome::Counted as Yes;
    let role = Role::start(Options::default()).await;
    let ledger = counter(&[&role.serve().await], ROLE);
    let item = |id: u64| Counted::LineItem(LineItemId(id));
    let of = |id: u64, capped: bool| Impression {
        counted: vec![item(id)],
        capped: if capped { vec![(item(id), Horizon::Ever)] } else { vec![] },
        ..impression(&role, 1, id.into())
    };
    let tell = async |impressions: Vec<Impression>| {
        for some in impressions.chunks(32) {
            assert_eq!(ledger.count(some.to_vec()).await, Ok(vec![Yes; some.len()]));
        }
    };
    tell(vec![of(1, true)]).await;
    role.clock.advance(Duration::from_secs(3_600));
    tell((1_000..1_200).map(|id| of(id, false)).collect()).await;
    assert_eq!(
        (count_of(&role, 1, item(1), None).await, count_of(&role, 1, item(1_199), None).await),
        (1, 0)
    );
    shows(&metrics(&role), &["tagbid_tags_crowded_total{kind=\"frequency\"} 0"]);
    tell((2_000..2_700).map(|id| of(id, true)).collect()).await;
    assert_eq!(count_of(&role, 1, item(1), None).await, 0);
    let shown = metrics(&role);
    assert!(!shown.contains("tagbid_tags_crowded_total{kind=\"frequency\"} 0"), "{shown}");
}

#[tokio::test]
async fn what_can_never_be_counted_is_refused_and_what_is_too_much_at_once_comes_later() {
    let role = Role::start(Options::default()).await;
    let ledger = counter(&[&role.serve().await], ROLE);
    let now = role.clock.now();
    let good = || impression(&role, 1, 1);
    let bad = vec![
        Impression { at: now.after(Duration::from_secs(301)), ..good() },
        Impression { at: Timestamp(now.0 - 91 * 86_400_000_000), ..good() },
        Impression { counted: vec![], ..good() },
        Impression { counted: vec![LINE_ITEM, LINE_ITEM], ..good() },
        Impression { counted: (0..9).map(|id| Counted::LineItem(LineItemId(id))).collect(), ..good() },
    ];
    let outcomes = ledger.count(bad).await.unwrap();
    assert!(outcomes.iter().all(|one| matches!(one, CountOutcome::Refused(_))), "{outcomes:?}");
    assert_eq!(count_of(&role, 1, LINE_ITEM, None).await, 0);

    // Forty of one user: told until all are counted, and each call twice, as if its answer had been lost.
    let mut left: Vec<_> = (0..40).map(|event| impression(&role, 1, event)).collect();
    let mut calls = 0;
    while !left.is_empty() {
        ledger.count(left.clone()).await.unwrap();
        let outcomes = ledger.count(left.clone()).await.unwrap();
        let later = left.into_iter().zip(outcomes);
        left = later.filter(|(_, one)| matches!(one, CountOutcome::Later(_))).map(|(one, _)| one).collect();
        calls += 1;
    }
    assert_eq!((calls, count_of(&role, 1, LINE_ITEM, None).await), (2, 40));

    let many = (0..1_001).map(|event| impression(&role, 2, event)).collect();
    assert!(matches!(ledger.count(many).await, Err(CountError::Refused(_))));
    assert_eq!(ledger.count(vec![]).await, Ok(vec![]));
}

#[tokio::test]
async fn the_next_node_is_told_where_one_is_away_and_only_roles_may_count() {
    let role = Role::start(Options::default()).await;
    let address = role.serve().await;
    let dead = format!("http://127.0.0.1:{}", free_port());
    let ledger = counter(&[&dead, &address], ROLE);
    for event in 1..3 {
        assert_eq!(ledger.count(vec![impression(&role, 1, event)]).await, Ok(vec![CountOutcome::Counted]));
    }
    let nobody = counter(&[&dead], ROLE).count(vec![impression(&role, 1, 3)]).await;
    assert!(matches!(nobody, Err(CountError::Unavailable(_))), "{nobody:?}");
    let advertiser = counter(&[&address], ACME).count(vec![impression(&role, 1, 3)]).await;
    assert!(matches!(advertiser, Err(CountError::Refused(_))), "{advertiser:?}");
    assert_eq!(count_of(&role, 1, LINE_ITEM, None).await, 2);
}
