//! The question of the bid path, answered from the store before its deadline.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tagbid_ports::{
    DatasetTags, Datasets, LookupRequest, SourceStatus, TagAnswer, TagLookup, TagLookupSource, UserKeys,
};
use tagbid_runtime::trace::{self, Begun, Kind, Span, WallTime, tracer};
use tagbid_types::{Clock, Monotonic};

use crate::metrics::Metrics;
use crate::options::Options;
use crate::pace::Pace;
use crate::people;
use crate::readiness::Readiness;
use crate::store::{Pointer, Store, StoreError, Stored, Version};

/// What is asked of all users of a call, beside whether they are suppressed and their real-time tags.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) frequency: bool,
    pub(crate) datasets: Datasets,
}

impl Wanted {
    pub(crate) const EVERYTHING: Self = Self { frequency: true, datasets: Datasets::ALL };
}

/// How many users a node looks up at once, over all callers.
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    now: Arc<AtomicUsize>,
    most: usize,
}

impl Crowd {
    pub(crate) fn new(options: &Options) -> Self {
        Self { now: Arc::default(), most: options.lookup_concurrency }
    }

    /// Lets them in, until the guard goes; none when that were too many.
    fn enter(&self, users: usize) -> Option<Inside<'_>> {
        let inside = Inside { crowd: self, users };
        let before = self.now.fetch_add(users, Ordering::Relaxed);
        (before + users <= self.most).then_some(inside)
    }
}

/// Users who are being looked up.
struct Inside<'a> {
    crowd: &'a Crowd,
    users: usize,
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.crowd.now.fetch_sub(self.users, Ordering::Relaxed);
    }
}

/// Lookups straight from the store, without a socket. Shared by all workers: the store's own connections do not
/// belong to one of them.
#[derive(Clone)]
pub(crate) struct DirectLookup {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) readiness: Readiness,
    pub(crate) metrics: Metrics,
    pub(crate) crowd: Crowd,
    pub(crate) pace: Pace,
}

impl DirectLookup {
    /// For another worker or stream, which counts for itself.
    pub(crate) fn another(&self) -> Self {
        Self { metrics: self.metrics.another(), ..self.clone() }
    }

    /// What is known of these users, in their order, by the deadline; of each by what their part of the store says.
    pub(crate) async fn many(
        &self,
        users: &[UserKeys],
        wanted: Wanted,
        deadline: Monotonic,
    ) -> Vec<TagAnswer> {
        let shard = self.metrics.shard();
        let (_in_flight, began) = (shard.frame(users.len()), self.clock.monotonic());
        let Some(_inside) = self.crowd.enter(users.len()) else {
            shard.turned_away(users.len());
            return vec![TagAnswer::unknown(SourceStatus::Late); users.len()];
        };
        let answers = match self.time_left(deadline) {
            Ok(left) => self.ask(users, wanted, left).await,
            Err(status) => vec![TagAnswer::unknown(status); users.len()],
        };
        shard.answered(&answers);
        shard.total().record(began, self.clock.monotonic());
        answers
    }

    /// The same as a part of each of these spans.
    pub(crate) async fn many_traced(
        &self,
        users: &[UserKeys],
        wanted: Wanted,
        deadline: Monotonic,
        spans: &[Begun],
    ) -> Vec<TagAnswer> {
        if spans.is_empty() {
            return self.many(users, wanted, deadline).await;
        }
        let wall = WallTime::at(&*self.clock);
        let began = self.clock.monotonic();
        let answers = self.many(users, wanted, deadline).await;
        let ended = self.clock.monotonic();
        let unknown = answers.iter().filter(|answer| !answer.offline_status.is_usable()).count();
        for span in spans {
            let kind = if span.remote { Kind::Server } else { Kind::Inside };
            let name = "tags lookup".into();
            let span = Span::new(*span, name, kind, wall.of(began), wall.of(ended));
            let fields = vec![("tagbid.users", users.len().into()), ("tagbid.unknown", unknown.into())];
            tracer().record(vec![Span { fields, ..span }]);
        }
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

    /// Pins the versions that are active now, and answers from these, whatever is activated meanwhile.
    async fn ask(&self, users: &[UserKeys], wanted: Wanted, left: Duration) -> Vec<TagAnswer> {
        let Some(active) = self.store.active() else {
            return users.iter().map(|_| self.unknown(&StoreError::Down)).collect();
        };
        let pinned = active.iter().filter(|pointer| wanted.datasets.contains(pointer.version.dataset));
        let pinned: Vec<Pointer> = pinned.copied().collect();
        let versions: Vec<Version> = pinned.iter().map(|pointer| pointer.version).collect();
        let stored = self.read(&versions, users, wanted.frequency, left).await.into_iter();
        let answer = |one: Result<Stored, StoreError>| match one {
            Ok(stored) => known(stored, &pinned, wanted.frequency),
            Err(error) => self.unknown(&error),
        };
        stored.map(answer).collect()
    }

    fn unknown(&self, error: &StoreError) -> TagAnswer {
        tracing::debug!(%error, "lookup failed");
        self.metrics.shard().failed(error);
        TagAnswer::unknown(match error {
            StoreError::Forgot => {
                self.readiness.doubt();
                SourceStatus::Uncertain
            }
            StoreError::Late => SourceStatus::Late,
            _ => SourceStatus::Failed,
        })
    }

    async fn read(
        &self,
        versions: &[Version],
        users: &[UserKeys],
        frequency: bool,
        left: Duration,
    ) -> Vec<Result<Stored, StoreError>> {
        let asked = self.clock.monotonic();
        let question = people::Question { versions, frequency, now: self.clock.now() };
        let stored = people::read(&*self.store, users, question, left).await;
        let answered = self.clock.monotonic();
        self.metrics.shard().store().record(asked, answered);
        self.pace.saw(answered.since(asked));
        stored
    }
}

impl TagLookup for DirectLookup {
    fn lookup(&self, request: LookupRequest) -> BoxFuture<'_, TagAnswer> {
        Box::pin(async move {
            let users = [request.keys()];
            let wanted = Wanted { frequency: request.frequency, datasets: request.datasets };
            let span = trace::current().and_then(|asks| tracer().child(asks, 1, || tracer().draw()));
            let answers = self.many_traced(&users, wanted, request.deadline, span.as_slice()).await;
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

fn known(stored: Stored, pinned: &[Pointer], frequency: bool) -> TagAnswer {
    let mut blobs = stored.offline.into_iter().peekable();
    // Both ascend by dataset.
    let of_dataset = |pointer: &Pointer| {
        let Version { dataset, number } = pointer.version;
        let blob = blobs.next_if(|one| one.dataset == dataset).map(|one| one.blob);
        let lost = stored.lost.contains(&dataset);
        DatasetTags {
            dataset,
            version: number,
            as_of: (!pointer.open).then_some(pointer.as_of),
            status: if lost { SourceStatus::Failed } else { SourceStatus::Known },
            blob: blob.filter(|_| !lost),
        }
    };
    let pinned = if stored.suppressed { &[] } else { pinned };
    TagAnswer {
        suppressed: stored.suppressed,
        offline_status: SourceStatus::Known,
        offline: pinned.iter().map(of_dataset).collect(),
        realtime_status: SourceStatus::Known,
        realtime: stored.realtime,
        frequency_status: if frequency { SourceStatus::Known } else { SourceStatus::Late },
        frequency: stored.frequency,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_let_in_at_once_and_others_when_they_have_left() {
        let crowd = Crowd::new(&Options { lookup_concurrency: 64, ..Options::default() });
        let inside = (crowd.enter(60), crowd.enter(4));
        assert!(inside.0.is_some() && inside.1.is_some(), "exactly as many");
        assert!(crowd.enter(1).is_none());
        drop(inside.1);
        assert!(crowd.enter(5).is_none(), "who was turned away takes nobody's place");
        assert!(crowd.enter(4).is_some());
    }
}
