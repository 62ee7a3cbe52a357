//! What happens while a pass is under way.

use std::pin::pin;
use std::sync::mpsc;

use tagbid_tagset::UserKey;
use tagbid_tagset::offline::{self, OfflineTag};
use tagbid_testkit::FakeClock;
use tagbid_types::{DatasetId, Revision, TagId, Timestamp};
use tokio::runtime::Builder;

use super::*;
use crate::store::{Durability, Mark, MemoryStore, Pointer, Version};

const AS_OF: Timestamp = Timestamp::from_secs(1_700_000_000);

fn user(n: u8) -> UserKey {
    UserKey([n; 16])
}

/// A store with the users 1 to 9.
async fn store() -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::open(None, Durability::default()).unwrap());
    let version = Version { dataset: DatasetId(7), number: 1 };
    store.mark(version, Mark::Open).await.unwrap();
    let tag = OfflineTag { id: TagId(1), weight: 9, ttl_s: 60 };
    let blob: bytes::Bytes = offline::encode(AS_OF, &[tag]).unwrap().into();
    store.load(version, (1..=9).map(|n| (user(n), blob.clone())).collect()).await.unwrap();
    store.mark(version, Mark::Seal).await.unwrap();
    store.point(vec![Pointer { version, as_of: AS_OF, open: false }]);
    store
}

/// Who is in the sample after a pass in the middle of which something happened; none: there is no sample.
fn sampled(meanwhile: impl FnOnce(&Sampler)) -> Option<Vec<UserKey>> {
    // The memory store is walked through on a thread for what blocks: whoever holds the only one holds the pass.
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let sampler = Sampler::new(store().await, Arc::new(FakeClock::default()), Readiness::new(), None);
        let (hold, held) = mpsc::sync_channel::<()>(0);
        let holding = tokio::task::spawn_blocking(move || held.recv());
        let mut pass = pin!(sampler.pass());
        assert!(futures_util::poll!(&mut pass).is_pending());
        meanwhile(&sampler);
        drop(hold);
        holding.await.unwrap().unwrap_err();
        pass.await.unwrap();
        let taken = sampler.last()?;
        Some(taken.users.iter().map(|(key, _)| UserKey(key.to_be_bytes())).collect())
    })
}

fn suppression(user: UserKey) -> SuppressionChange {
    SuppressionChange::of(Revision(1), user, true)
}

#[test]
fn who_is_suppressed_during_a_pass_is_not_in_its_sample() {
    let all: Vec<_> = (1..=9).map(user).collect();
    assert_eq!(sampled(|_| ()), Some(all.clone()));
    // The store has them still: it hears of it later than the pass has read them.
    let changed = sampled(|sampler| sampler.forget(&[suppression(user(4)), suppression(user(200))]));
    assert_eq!(changed, Some(all.into_iter().filter(|one| *one != user(4)).collect()));
}

#[test]
fn a_pass_that_missed_who_was_suppressed_is_for_nothing() {
    let many =
        |count: u128| (0..count).map(|n| suppression(UserKey((n << 64).to_be_bytes()))).collect::<Vec<_>>();
    let most = MOST_FORGOTTEN as u128;
    assert!(sampled(|sampler| sampler.forget(&many(most))).is_some());
    assert_eq!(sampled(|sampler| sampler.forget(&many(most + 1))), None, "more than are remembered");
    let twice = |sampler: &Sampler| {
        sampler.forget(&many(most));
        sampler.forget(&[suppression(user(4))]);
    };
    assert_eq!(sampled(twice), None, "more than are remembered, in parts");
    assert_eq!(sampled(Sampler::forget_all), None, "nobody knows who");
}
