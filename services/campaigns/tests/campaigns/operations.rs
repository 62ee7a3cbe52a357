//! What operators see: metrics, and databases that cannot be used.

use prometheus_client::registry::Registry;
use tagbid_campaigns::StartError;
use tagbid_catalog::Place;
use tagbid_testkit::{free_port, wait_until_async};
use tagbid_wire::pb::campaigns as pb;

use crate::harness::{Caller, Database, PATIENCE, Stack, campaign, flight, try_start, two_tenants};
use crate::kinds::Kind;

fn exposition(stack: &Stack) -> String {
    let mut registry = Registry::default();
    registry.register_collector(stack.service.collector());
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    text
}

#[tokio::test]
async fn metrics_count_what_happened() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    flight(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    for _ in 0..2 {
        campaign("Again").create(&mut acme, "once").await.unwrap();
    }
    campaign("").create(&mut acme, "").await.unwrap_err();
    let users = [1, 2]
        .map(|byte| pb::SuppressionUser { user: Some(pb::suppression_user::User::UserKey(vec![byte; 16])) });
    let mut suppression = stack.suppression(Caller::Operator).await;
    suppression.suppress(pb::SuppressRequest { users: users.into() }).await.unwrap();
    let feed = stack.service.catalog_feed();
    let mut reader = feed.subscribe(Place::default());
    let _snapshot = futures_util::StreamExt::next(&mut reader).await;

    let lines = [
        "tagbid_campaigns_calls_total{method=\"CreateCampaign\",code=\"ok\"} 3",
        "tagbid_campaigns_calls_total{method=\"CreateCampaign\",code=\"invalid_argument\"} 1",
        "tagbid_campaigns_replays_total 1",
        "tagbid_campaigns_database_errors_total 0",
        "tagbid_catalog_revision 6",
        "tagbid_catalog_watchers 1",
        "tagbid_catalog_snapshots_sent_total 1",
        "tagbid_suppressed_users 2",
        "tagbid_campaigns_database_seconds_count{what=\"write\"} 7",
    ];
    wait_until_async("the metrics", PATIENCE, async || {
        let text = exposition(&stack);
        lines.iter().all(|line| text.lines().any(|found| found == *line))
    })
    .await;
    drop(reader);
    assert!(exposition(&stack).contains("tagbid_catalog_watchers 0\n"));
    stack.stop().await;
}

#[tokio::test]
async fn a_database_that_cannot_be_reached_is_named_without_its_password() {
    let url = format!("postgres://tagbid:s3cret@127.0.0.1:{}/adverts", free_port());
    let error = try_start(&url).await.err().unwrap();
    assert!(matches!(error, StartError::Store(_)), "{error:?}");
    let text = error.to_string();
    for part in ["PostgreSQL database \"adverts\" on 127.0.0.1:", "refused", "campaigns.database"] {
        assert!(text.contains(part), "{part:?} is missing in {text:?}");
    }
    assert!(!text.contains("s3cret"), "{text}");
}

#[tokio::test]
async fn a_path_that_cannot_be_written_is_a_wrong_setting() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "no directory").unwrap();
    // Root may write everywhere, but not below a file.
    let url = format!("sqlite:{}/catalog.db", file.display());
    for (url, told) in [(url.as_str(), file.to_str().unwrap()), ("mysql://x", "sqlite:PATH")] {
        let error = try_start(url).await.err().unwrap();
        assert!(matches!(error, StartError::Setting { key: "database", .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("campaigns.database: ") && text.contains(told), "{text}");
        assert!(text.contains("use "), "no remedy in {text:?}");
    }
}
