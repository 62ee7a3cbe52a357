//! The users who are looked up.

use std::time::Duration;

use bytes::Bytes;
use tagbid_ports::{Datasets, LookupRequest, OtherKeys};
use tagbid_runtime::{Drain, SystemClock, Tasks};
use tagbid_tagset::offline::{self, OfflineTag};
use tagbid_tagset::realtime::{self, RealtimeTag};
use tagbid_tagset::{IdKind, UserId, UserKey};
use tagbid_types::{Clock, DatasetId, TagId, Timestamp};

use crate::{node, role};

pub(crate) const COUNT: u32 = 100_000;
pub(crate) const DATASET: u32 = 1;
/// Of a user in the dataset, and from events.
pub(crate) const TAGS: u32 = 60;
const REALTIME_TAGS: u32 = 10;
/// Ids of tags are up to here.
const VOCABULARY: u32 = 1_000_000;

pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

fn key(user: u32) -> UserKey {
    let id = format!("user-{user}");
    role::mac_key().user_key(&UserId { kind: IdKind::Ifa, source: "", id: &id }.standard().unwrap())
}

/// With a second to go.
pub(crate) fn request(user: u32, datasets: Datasets) -> LookupRequest {
    let deadline = SystemClock.monotonic().after(Duration::from_secs(1));
    LookupRequest {
        user: KEYS.with(|keys| keys[user as usize]),
        previous: None,
        others: OtherKeys::NONE,
        frequency: false,
        datasets,
        deadline,
    }
}

thread_local! {
    /// Keys are made where the request is read, and no part of a lookup.
    static KEYS: Vec<UserKey> = (0..COUNT).map(key).collect();
}

/// Tags of a user, spread over a vocabulary of a million.
fn tags(user: u32, count: u32) -> impl Iterator<Item = u32> {
    let step = VOCABULARY / count;
    (0..count).map(move |n| n * step + (user.wrapping_mul(2_654_435_761).rotate_left(n) % step) + 1)
}

/// A user's blob, as it is stored.
pub(crate) fn offline(user: u32) -> Bytes {
    let tag = |id| OfflineTag { id: TagId(id), weight: (id % 256) as u8, ttl_s: 30 * 86_400 };
    offline::encode(now(), &tags(user, TAGS).map(tag).collect::<Vec<_>>()).unwrap().into()
}

fn realtime(user: u32) -> Bytes {
    let tag = |id| RealtimeTag {
        id: TagId(id),
        weight: (id % 256) as u8,
        event: now(),
        half_life_s: 3_600,
        ttl_s: 86_400,
    };
    realtime::encode(&tags(user, REALTIME_TAGS).map(tag).collect::<Vec<_>>()).unwrap().into()
}

/// Writes all users.
pub(crate) async fn write(redis: &str) {
    let tasks = Tasks::new(Drain::default());
    let writer = node::service(redis, &tasks).await.writer();
    for first in (0..COUNT).step_by(1_000) {
        let users = || first..first + 1_000;
        let blobs = users().map(|user| (key(user), offline(user))).collect();
        writer.put_offline(DatasetId(DATASET), blobs).await.unwrap();
        writer.merge_realtime(users().map(|user| (key(user), realtime(user))).collect()).await.unwrap();
    }
    tasks.drain().start();
}
