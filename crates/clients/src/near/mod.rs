//! A near-cache in front of any tag lookup: one for each worker, so nobody waits for its lock.
//!
//! | what | how long |
//! | --- | --- |
//! | a whole answer, "no tags" and "suppressed" included | [`FRESH`] from when the question was asked, so that whoever is suppressed or erased is unknown everywhere after that |
//! | its offline tags, while nobody answers | [`NearOptions::stale`]; the answer then says [`SourceStatus::Stale`], and whether the user is suppressed is unknown, as are counts and real-time tags |
//! | an answer that is none | not at all |
//!
//! One question about a user is under way at a time: whoever else asks waits for its answer, each until their own
//! deadline. What is kept names the version that it is of, and is given out as that version and no other. Bytes are bounded; what
//! was not asked for in a while goes first.

mod flights;
mod metrics;
mod shelf;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use prometheus_client::collector::Collector;
use tagbid_ports::{LookupRequest, SourceStatus, TagAnswer, TagLookup, TagLookupSource};
use tagbid_tagset::UserKey;
use tagbid_types::{Clock, Monotonic};
use tokio::sync::oneshot;

use self::flights::{Boarded, Flights};
use self::metrics::{NearStats, Opened};
use self::shelf::Shelf;

/// How old an answer gets, and with it how long a suppression or an erasure goes unnoticed.
pub const FRESH: Duration = Duration::from_millis(250);

/// Bounds of a worker's cache.
#[derive(Clone, Copy, Debug)]
pub struct NearOptions {
    /// Bytes of answers that are kept, keys and overhead included; 0: none.
    pub bytes: u64,
    /// How old offline tags get that are used while nobody answers; zero: they are not.
    pub stale: Duration,
}

/// Who a question is about. Answers are kept by all that it depends on, so that a user without and with a previous key, or
/// with other ids that may be suppressed, are several.
type Who = (UserKey, Option<UserKey>, Box<[UserKey]>);

fn who(request: &LookupRequest) -> Who {
    (request.user, request.previous, request.others.as_slice().into())
}

/// Opens a lookup with a cache for each worker.
pub struct NearSource {
    inner: Arc<dyn TagLookupSource>,
    options: NearOptions,
    clock: Arc<dyn Clock>,
    opened: Opened,
}

impl NearSource {
    /// Before that source.
    pub fn new(inner: Arc<dyn TagLookupSource>, options: NearOptions, clock: Arc<dyn Clock>) -> Self {
        Self { inner, options, clock, opened: Opened::default() }
    }

    /// Hits, misses, bytes, over all workers.
    pub fn collector(&self) -> Box<dyn Collector> {
        Box::new(self.opened.clone())
    }
}

impl TagLookupSource for NearSource {
    fn open(&self) -> Arc<dyn TagLookup> {
        let state =
            State { shelf: Shelf::new(self.options.bytes, self.options.stale), flights: Flights::default() };
        let near = Arc::new(Near {
            inner: self.inner.open(),
            clock: Arc::clone(&self.clock),
            stats: NearStats::default(),
            state: Mutex::new(state),
        });
        self.opened.add(&near);
        near
    }
}

/// One worker's.
struct Near {
    inner: Arc<dyn TagLookup>,
    clock: Arc<dyn Clock>,
    stats: NearStats,
    /// Never held across an await, and contended by nobody: all of a worker runs on one thread.
    state: Mutex<State>,
}

struct State {
    shelf: Shelf,
    flights: Flights<oneshot::Sender<TagAnswer>>,
}

impl TagLookup for Near {
    fn lookup(&self, request: LookupRequest) -> BoxFuture<'_, TagAnswer> {
        Box::pin(self.ask(request))
    }
}

impl Near {
    async fn ask(&self, request: LookupRequest) -> TagAnswer {
        let now = self.clock.monotonic();
        let found = self.state().shelf.fresh(&request, now);
        if let Some(answer) = found {
            self.stats.hits.inc();
            return answer;
        }
        let answer = self.ask_once(&request, now).await;
        if is_answered(&answer) { answer } else { self.stale_or(answer, &request) }
    }

    /// Asks, or waits for who asks already.
    async fn ask_once(&self, request: &LookupRequest, now: Monotonic) -> TagAnswer {
        let (reply, waiting) = oneshot::channel();
        let boarded = self.state().flights.board(request, reply);
        match boarded {
            Boarded::Leads => self.lead(request).await,
            Boarded::Alone => self.ask_inner(request).await,
            Boarded::Joined => {
                self.stats.joined.inc();
                match tokio::time::timeout(request.deadline.since(now), waiting).await {
                    Ok(Ok(answer)) if !is_late(&answer) => only_asked(answer, request),
                    Err(_) => TagAnswer::unknown(SourceStatus::Late),
                    // Whoever asked had less time, or left: that says nothing to us.
                    Ok(_) => self.ask_inner(request).await,
                }
            }
        }
    }

    /// Asks for all who wait.
    async fn lead(&self, request: &LookupRequest) -> TagAnswer {
        // Whoever waits is told also when the asker leaves: their replies are dropped.
        let flight = Flight { near: self, who: who(request) };
        let answer = self.ask_inner(request).await;
        for waiter in flight.land() {
            // Whoever has left does not listen any more.
            drop(waiter.send(answer.clone()));
        }
        answer
    }

    async fn ask_inner(&self, request: &LookupRequest) -> TagAnswer {
        self.stats.misses.inc();
        let asked = self.clock.monotonic();
        let answer = self.inner.lookup(*request).await;
        if is_answered(&answer) {
            self.state().shelf.keep(request, asked, &answer);
        }
        answer
    }

    /// What was known a moment ago, where nobody answers. Not where the store says that nothing it has may be used.
    fn stale_or(&self, answer: TagAnswer, request: &LookupRequest) -> TagAnswer {
        if !matches!(answer.offline_status, SourceStatus::Late | SourceStatus::Failed) {
            return answer;
        }
        let now = self.clock.monotonic();
        match self.state().shelf.stale(request, now) {
            Some(offline) => {
                self.stats.stale.inc();
                TagAnswer { offline_status: SourceStatus::Stale, offline, ..answer }
            }
            None => answer,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question under way.
struct Flight<'n> {
    near: &'n Near,
    who: Who,
}

impl Flight<'_> {
    /// Who waits for its answer. Newcomers ask anew.
    fn land(&self) -> Vec<oneshot::Sender<TagAnswer>> {
        self.near.state().flights.land(&self.who)
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        drop(self.land());
    }
}

/// Whether the store has answered, of every part that was asked for.
fn is_answered(answer: &TagAnswer) -> bool {
    answer.realtime_status == SourceStatus::Known && answer.offline_status == SourceStatus::Known
}

/// Whether whoever asked had too little time, for a part at least.
fn is_late(answer: &TagAnswer) -> bool {
    [answer.offline_status, answer.realtime_status].contains(&SourceStatus::Late)
}

/// An answer to somebody who asked for more.
fn only_asked(mut answer: TagAnswer, request: &LookupRequest) -> TagAnswer {
    answer.offline.retain(|one| request.datasets.contains(one.dataset));
    if !request.frequency {
        (answer.frequency_status, answer.frequency) = (SourceStatus::Late, None);
    }
    answer
}
