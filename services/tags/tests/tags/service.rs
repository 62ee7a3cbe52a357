//! The role in process: deadlines, statuses, key rotation, drain.

use std::time::Duration;

use tagbid_ports::{LookupRequest, SourceStatus, TagAnswer, WriteError};
use tagbid_runtime::auth::Secret;
use tagbid_tags::{Options, StoreKind};
use tagbid_tagset::MacKeys;
use tagbid_tagset::offline::OfflineTag;
use tagbid_testkit::{RedisServer, wait_until_async};
use tagbid_types::{Clock, TagId};

use crate::conformance::{DATASET, NOW, event, offline_blob, user};
use crate::fixture::{PATIENCE, Role, blob, blobs, key_of, mac_key, statuses};

const KNOWN: [SourceStatus; 3] = [SourceStatus::Known; 3];
const LATE: [SourceStatus; 3] = [SourceStatus::Late; 3];
const FAILED: [SourceStatus; 3] = [SourceStatus::Failed; 3];

#[tokio::test]
async fn a_user_nobody_knows_is_known_to_have_no_tags() {
    let role = Role::start(Options::default()).await;
    let answer = role.lookup(user(1)).await;
    assert_eq!(statuses(&answer), KNOWN);
    assert_eq!((answer.offline, answer.realtime, answer.frequency), (vec![], None, None));
}

#[tokio::test]
async fn what_is_asked_after_the_deadline_is_late() {
    let role = Role::start(Options::default()).await;
    assert_eq!(role.lookup_within(user(1), Duration::ZERO).await, TagAnswer::unknown(SourceStatus::Late));
}

#[tokio::test]
async fn a_blob_that_no_bidder_could_read_is_not_stored() {
    let role = Role::start(Options::default()).await;
    let writer = role.service.writer();
    let users = vec![(user(1), offline_blob(1)), (user(2), blob(b"?"))];
    let refused = writer.put_offline(DATASET, users).await;
    assert!(matches!(refused, Err(WriteError::Refused { user: who, .. }) if who == user(2)), "{refused:?}");
    let refused = writer.merge_realtime(vec![(user(1), offline_blob(1))]).await;
    assert!(matches!(refused, Err(WriteError::Refused { .. })), "an offline blob is no real-time blob");
    let stored = blobs(&role.lookup(user(1)).await);
    assert!(stored.is_empty(), "the good user of the same write was not stored either");
}

fn redis(server: &RedisServer) -> Options {
    Options {
        store: StoreKind::Redis,
        redis_url: Secret::new(server.database().unwrap().url()),
        ..Options::default()
    }
}

#[tokio::test]
async fn a_store_that_hangs_is_late_and_a_store_that_died_has_failed() {
    let server = RedisServer::start().unwrap();
    let role = Role::start(redis(&server)).await;
    wait_until_async("an answer", PATIENCE, async || statuses(&role.lookup(user(1)).await) == KNOWN).await;

    server.freeze();
    let answer = role.lookup_within(user(1), Duration::from_millis(20)).await;
    assert_eq!(statuses(&answer), LATE);

    server.kill();
    wait_until_async("the loss to be noticed", PATIENCE, async || {
        statuses(&role.lookup(user(1)).await) == FAILED
    })
    .await;
}

#[tokio::test]
async fn while_keys_rotate_both_are_read() {
    let keys = MacKeys { previous: Some(mac_key(1)), ..MacKeys::only(mac_key(2)) };
    let role = Role::start_with(Options::default(), None, keys).await;
    let (new, old) = (key_of("abc123", &mac_key(2)), key_of("abc123", &mac_key(1)));
    let writer = role.service.writer();
    writer.put_offline(DATASET, vec![(old, offline_blob(1))]).await.unwrap();
    writer.merge_realtime(vec![(old, event(1, 60, 10)), (new, event(2, 1, 20))]).await.unwrap();

    let lookup = async || {
        let deadline = role.clock.monotonic().after(PATIENCE);
        let request = LookupRequest { previous: Some(old), deadline, ..role.request(new) };
        role.service.lookup_source().open().lookup(request).await
    };
    let answer = lookup().await;
    assert_eq!(blobs(&answer), [offline_blob(1)]);
    let realtime = tagbid_tags::store::Stored { realtime: answer.realtime, ..Default::default() };
    assert_eq!(crate::conformance::tags_of(&realtime), [(1, 10), (2, 20)]);

    // Of the tags under both keys those of the later moment count, whichever key they are under.
    for (key, tag, later_s) in [(new, 2, 60), (old, 3, 120)] {
        let as_of = NOW.after(Duration::from_secs(later_s));
        let tags = [OfflineTag { id: TagId(tag), weight: 1, ttl_s: 86_400 }];
        let blob: bytes::Bytes = tagbid_tagset::offline::encode(as_of, &tags).unwrap().into();
        writer.put_offline(DATASET, vec![(key, blob.clone())]).await.unwrap();
        assert_eq!(blobs(&lookup().await), [blob]);
    }

    role.suppress(old).await;
    assert!(lookup().await.suppressed, "suppressed under either key is suppressed");
}

#[tokio::test]
async fn a_drain_saves_the_memory_store() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { memory_file: Some(dir.path().join("tags")), ..Options::default() };
    let role = Role::start(options.clone()).await;
    role.service.writer().put_offline(DATASET, vec![(user(1), offline_blob(1))]).await.unwrap();
    role.tasks.drain().start();
    assert!(role.tasks.finish(PATIENCE).await);
    let late = role.service.writer().put_offline(DATASET, vec![(user(2), offline_blob(1))]).await;
    assert!(late.is_err(), "what could not be saved any more is not acknowledged");

    let keys = MacKeys::only(mac_key(1));
    let again = Role::start_over(options, None, keys, role.book.clone()).await;
    again.until_ready().await;
    assert_eq!(blobs(&again.lookup(user(1)).await), [offline_blob(1)]);
}
