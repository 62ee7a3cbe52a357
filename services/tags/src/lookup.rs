//! The question of the bid path, answered from the store before its deadline.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tagbid_ports::{LookupRequest, OfflineBlob, SourceStatus, TagAnswer, TagLookup, TagLookupSource};
use tagbid_tagset::frequency::Frequency;
use tagbid_tagset::offline::Offline;
use tagbid_tagset::{BlobError, UserKey, realtime};
use tagbid_types::{Clock, Monotonic, Timestamp};

use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::store::{Store, StoreError, Stored};

/// A user under the current key and, while keys rotate, the previous one.
pub(crate) type Keys = (UserKey, Option<UserKey>);

/// Lookups straight from the store, without a socket. Shared by all workers: the store's own connections do not
/// belong to one of them.
#[derive(Clone)]
pub(crate) struct DirectLookup {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) readiness: Readiness,
    pub(crate) metrics: Metrics,
}

impl DirectLookup {
    /// For another worker or stream, which counts for itself.
    pub(crate) fn another(&self) -> Self {
        Self { metrics: self.metrics.another(), ..self.clone() }
    }

    /// What is known of these users, in their order, by the deadline; of each by what their part of the store says.
    pub(crate) async fn many(&self, users: &[Keys], frequency: bool, deadline: Monotonic) -> Vec<TagAnswer> {
        let shard = self.metrics.shard();
        let (_in_flight, began) = (shard.frame(users.len()), self.clock.monotonic());
        let answers = match self.time_left(deadline) {
            Ok(left) => {
                let stored = self.read(users, frequency, left).await.into_iter();
                stored.map(|one| self.answer(one, frequency)).collect()
            }
            Err(status) => vec![TagAnswer::unknown(status); users.len()],
        };
        shard.answered(&answers);
        shard.total().record(began, self.clock.monotonic());
        answers
    }

    /// How long the store may take, unless nobody can say who must not be known.
    fn time_left(&self, deadline: Monotonic) -> Result<Duration, SourceStatus> {
        if !self.readiness.ready() {
            return Err(SourceStatus::Uncertain);
        }
        let left = deadline.since(self.clock.monotonic());
        if left.is_zero() { Err(SourceStatus::Late) } else { Ok(left) }
    }

    fn answer(&self, stored: Result<Stored, StoreError>, frequency: bool) -> TagAnswer {
        stored.map(|one| known(one, frequency)).unwrap_or_else(|error| {
            tracing::debug!(%error, "lookup failed");
            self.metrics.shard().failed(&error);
            TagAnswer::unknown(match error {
                StoreError::Forgot => {
                    self.readiness.doubt();
                    SourceStatus::Uncertain
                }
                StoreError::Late => SourceStatus::Late,
                _ => SourceStatus::Failed,
            })
        })
    }

    async fn read(&self, users: &[Keys], frequency: bool, left: Duration) -> Vec<Result<Stored, StoreError>> {
        let current = users.iter().map(|(key, _)| *key);
        let previous = users.iter().filter_map(|(_, previous)| *previous);
        let keys: Vec<_> = current.chain(previous).collect();
        let asked = self.clock.monotonic();
        let mut stored = self.store.read(&keys, frequency, left).await;
        self.metrics.shard().store().record(asked, self.clock.monotonic());
        let mut older = stored.split_off(users.len().min(stored.len())).into_iter();
        let now = self.clock.now();
        for (one, (_, previous)) in stored.iter_mut().zip(users) {
            if previous.is_some() {
                let older = older.next().unwrap_or(Err(StoreError::Down));
                match (one.as_mut(), older) {
                    (Ok(one), Ok(older)) => combine(one, older, now),
                    // Half of a user is not known, least of all whether they are suppressed.
                    (Ok(_), Err(error)) => *one = Err(error),
                    (Err(_), _) => {}
                }
            }
        }
        stored
    }
}

impl TagLookup for DirectLookup {
    fn lookup(&self, request: LookupRequest) -> BoxFuture<'_, TagAnswer> {
        Box::pin(async move {
            let users = [(request.user, request.previous)];
            let answers = self.many(&users, request.frequency, request.deadline).await;
            let failed = || TagAnswer::unknown(SourceStatus::Failed);
            answers.into_iter().next().unwrap_or_else(failed)
        })
    }
}

impl TagLookupSource for DirectLookup {
    fn open(&self) -> Arc<dyn TagLookup> {
        Arc::new(self.another())
    }
}

fn known(stored: Stored, frequency: bool) -> TagAnswer {
    TagAnswer {
        suppressed: stored.suppressed,
        offline_status: if stored.lost.is_empty() { SourceStatus::Known } else { SourceStatus::Failed },
        offline: stored.offline,
        lost: stored.lost,
        realtime_status: SourceStatus::Known,
        realtime: stored.realtime,
        frequency_status: if frequency { SourceStatus::Known } else { SourceStatus::Late },
        frequency: stored.frequency,
    }
}

/// Adds what is kept under the previous key: per dataset the blob of the later as-of time, real-time tags and
/// counts together. Suppressed under either is suppressed.
fn combine(stored: &mut Stored, older: Stored, now: Timestamp) {
    if stored.suppressed || older.suppressed {
        *stored = Stored { suppressed: true, ..Stored::default() };
        return;
    }
    for blob in older.offline {
        match stored.offline.iter_mut().find(|one| one.dataset == blob.dataset) {
            Some(ours) if as_of(&blob) > as_of(ours) => *ours = blob,
            Some(_) => {}
            None => stored.offline.push(blob),
        }
    }
    stored.offline.sort_by_key(|one| one.dataset);
    stored.lost.extend(older.lost);
    stored.lost.sort_unstable();
    stored.lost.dedup();
    stored.realtime = both(stored.realtime.take(), older.realtime, |one, other| {
        realtime::merge(one, other, now).map(|merged| merged.blob)
    });
    stored.frequency = both(stored.frequency.take(), older.frequency, |one, other| {
        let mut counts = Frequency::decode(one)?;
        counts.absorb(&Frequency::decode(other)?);
        counts.encode(now)
    });
}

fn as_of(blob: &OfflineBlob) -> Option<Timestamp> {
    Offline::parse(&blob.blob).ok().map(|read| read.as_of())
}

/// Whichever there is; merged when both are. A blob that cannot be merged is passed on as it is: the reader finds
/// it unreadable, as it would without rotation.
fn both(
    current: Option<Bytes>,
    previous: Option<Bytes>,
    merge: impl FnOnce(&[u8], &[u8]) -> Result<Vec<u8>, BlobError>,
) -> Option<Bytes> {
    match (current, previous) {
        (Some(current), Some(previous)) => Some(merge(&current, &previous).map_or(current, Bytes::from)),
        (current, previous) => current.or(previous),
    }
}
