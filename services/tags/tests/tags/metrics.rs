//! What operators see.

use std::time::Duration;

use prometheus_client::registry::Registry;
use tagbid_runtime::auth::Secret;
use tagbid_tags::{Options, StoreKind};
use tagbid_testkit::{RedisServer, wait_until_async};

use crate::conformance::{DATASET, NOW, event, offline_blob, user};
use crate::fixture::{PATIENCE, Role, blob};

pub(crate) fn metrics(role: &Role) -> String {
    let mut registry = Registry::default();
    registry.register_collector(role.service.collector());
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text
}

#[track_caller]
pub(crate) fn shows(text: &str, lines: &[&str]) {
    for line in lines {
        assert!(text.lines().any(|one| one == *line), "{line} is missing in:\n{text}");
    }
}

#[tokio::test]
async fn what_happened_is_counted() {
    let role = Role::start(Options::default()).await;
    role.clock.set_wall(NOW.after(Duration::from_secs(60)));
    let writer = role.service.writer();
    writer.put_offline(DATASET, vec![(user(1), offline_blob(1))]).await.unwrap();
    writer.merge_realtime(vec![(user(1), event(1, 1, 1)), (user(2), event(1, 1, 1))]).await.unwrap();
    for n in 1..9 {
        let put =
            writer.put_offline(tagbid_types::DatasetId(100 + n), vec![(user(1), offline_blob(1))]).await;
        assert_eq!(put.is_ok(), n < 8);
    }
    role.lookup(user(1)).await;
    role.lookup_within(user(1), Duration::ZERO).await;
    shows(
        &metrics(&role),
        &[
            "tagbid_tags_lookups_total{status=\"known\"} 1",
            "tagbid_tags_lookups_total{status=\"late\"} 1",
            "tagbid_tags_lookups_total{status=\"uncertain\"} 0",
            "tagbid_tags_frames_in_flight 0",
            "tagbid_tags_frame_users_bucket{le=\"1.0\"} 2",
        ],
    );
    role.suppress(user(3)).await;
    let text = metrics(&role);
    shows(
        &text,
        &[
            "tagbid_tags_lookups_total{status=\"suppressed\"} 1",
            "tagbid_tags_writes_total{kind=\"offline\",result=\"ok\"} 8",
            "tagbid_tags_writes_total{kind=\"offline\",result=\"refused\"} 1",
            "tagbid_tags_writes_total{kind=\"realtime\",result=\"ok\"} 1",
            "tagbid_tags_writes_total{kind=\"suppression\",result=\"ok\"} 1",
            "tagbid_tags_suppression_revision{state=\"applied\"} 1.0",
            "tagbid_tags_suppression_revision{state=\"told\"} 1.0",
            "tagbid_tags_suppression_lag_seconds 0",
            "tagbid_tags_suppression_certain 1",
            "tagbid_tags_dataset_version{dataset=\"7\"} 1.0",
            "tagbid_tags_dataset_age_seconds{dataset=\"7\"} 60.0",
            "tagbid_tags_memory_users 3",
        ],
    );
    assert!(text.contains("tagbid_tags_stage_seconds_bucket{le=\"0.01\",stage=\"store\"}"), "{text}");
}

#[tokio::test]
async fn bytes_follow_what_is_written_and_erased() {
    let role = Role::start(Options::default()).await;
    let bytes = || {
        let text = metrics(&role);
        let line = text.lines().find_map(|line| line.strip_prefix("tagbid_tags_memory_bytes "));
        line.unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(bytes(), 0);
    let writer = role.service.writer();
    writer.put_offline(DATASET, vec![(user(1), offline_blob(1))]).await.unwrap();
    let one = bytes();
    writer.put_offline(DATASET, vec![(user(1), offline_blob(2))]).await.unwrap();
    assert_eq!(bytes(), one, "replaced");
    writer.merge_realtime(vec![(user(1), event(1, 1, 1))]).await.unwrap();
    assert!(bytes() > one);
    writer.merge_realtime(vec![(user(1), blob(b"?"))]).await.unwrap_err();
    role.suppress(user(1)).await;
    assert!(bytes() < one, "only the mark is left");
}

#[tokio::test]
async fn a_lost_redis_and_its_return_are_counted() {
    let mut server = RedisServer::start().unwrap();
    let redis_url = Secret::new(server.database().unwrap().url());
    let role = Role::start(Options { store: StoreKind::Redis, redis_url, ..Options::default() }).await;
    role.service.writer().put_offline(DATASET, vec![(user(1), offline_blob(1))]).await.unwrap();
    shows(&metrics(&role), &["tagbid_tags_redis_reconnects_total 0"]);
    server.kill();
    server.restart().unwrap();
    wait_until_async("the new connection", PATIENCE, async || {
        role.lookup(user(1)).await;
        let text = metrics(&role);
        text.contains("tagbid_tags_redis_reconnects_total 1")
            && text.contains("tagbid_tags_suppression_certain 1")
    })
    .await;
}
