//! One pass over the store: who is in the sample, then what they carry. Takes its time.

use std::time::Duration;

use bytes::Bytes;
use tagbid_runtime::sample::AdaptiveSample;
use tagbid_tagset::UserKey;
use tokio::time::Instant;

use super::{Kept, KeySample};
use crate::store::{Store, StoreError, Stored};

/// A pass rests so many times as long as it kept the store busy: it takes a tenth of a node's time at most, less when
/// the store is slow because others use it.
const REST: u32 = 9;

/// Shorter rests are saved up: timers do not go below a millisecond.
const SHORTEST_REST: Duration = Duration::from_millis(5);

/// Users of one read, as of one frame of lookups.
const FRAME: usize = 64;

/// A store that takes longer is not asked further. Reads have no limit of their own.
const PATIENCE: Duration = Duration::from_secs(5);

/// The keys of the sample.
pub(super) async fn walk(store: &dyn Store, mut keys: KeySample) -> Result<KeySample, StoreError> {
    let (mut pace, mut from) = (Pace::default(), 0);
    loop {
        let next;
        (keys, next) = pace.step(store.walk(from, keys)).await?;
        match next {
            Some(next) => from = next,
            None => return Ok(keys),
        }
        pace.rest().await;
    }
}

/// What the users of the sample carry. Those who carry nothing any more are left out.
pub(super) async fn read(
    store: &dyn Store,
    keys: &KeySample,
    most_bytes: usize,
) -> Result<AdaptiveSample<Kept>, StoreError> {
    let users: Vec<_> = keys.iter().map(|(key, ())| UserKey(key.to_be_bytes())).collect();
    let mut sample = AdaptiveSample::new(usize::MAX, most_bytes, keys.level());
    let mut pace = Pace::default();
    for frame in users.chunks(FRAME) {
        let stored = pace.step(async { Ok(store.read(frame, false, PATIENCE).await) }).await?;
        for (user, stored) in frame.iter().zip(stored) {
            let stored = stored?;
            // Suppressed users have nothing else.
            if !stored.offline.is_empty() || stored.realtime.is_some() {
                sample.offer(u128::from_be_bytes(user.0), bytes_of(&stored), stored.into());
            }
        }
        pace.rest().await;
    }
    Ok(sample)
}

fn bytes_of(stored: &Stored) -> usize {
    let offline = stored.offline.iter().map(|one| size_of_val(one) + one.blob.len());
    size_of::<(UserKey, Kept)>() + offline.sum::<usize>() + stored.realtime.as_ref().map_or(0, Bytes::len)
}

/// Keeps a pass slow.
#[derive(Default)]
struct Pace {
    owed: Duration,
}

impl Pace {
    async fn step<T>(&mut self, step: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let began = Instant::now();
        let done = tokio::time::timeout(PATIENCE, step).await;
        self.owed += began.elapsed() * REST;
        done.unwrap_or_else(|_| Err(StoreError::Failed(format!("no answer in {PATIENCE:?}"))))
    }

    async fn rest(&mut self) {
        if self.owed >= SHORTEST_REST {
            tokio::time::sleep(std::mem::take(&mut self.owed)).await;
        }
    }
}
