//! A sample of the store's users, for estimates of reach.
//!
//! User keys are uniform MACs, so the users whose key begins with so many zero bits are a uniform sample
//! ([`AdaptiveSample`]). A pass walks through the keys of the store and then reads the users of the sample ([`pass`]);
//! it is made at intervals, and anew when somebody asks and it costs little. The sample holds blobs as they are stored,
//! in this process's memory and nowhere else; expiry and decay are applied when it is asked ([`count`]). Whoever is
//! suppressed leaves it at once.

mod count;
mod pass;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tagbid_ports::{OfflineBlob, ReachUnavailable, SuppressionChange, UserReach, UserSample};
use tagbid_runtime::sample::AdaptiveSample;
use tagbid_runtime::{Drain, background};
use tagbid_targeting::Expr;
use tagbid_types::{Clock, Monotonic};
use tokio::sync::{Notify, Semaphore, watch};

use crate::readiness::Readiness;
use crate::store::{Store, StoreError, Stored};

/// Most users of the sample, and half of them at the least where there are more: an estimate of a tenth of all users is
/// then within 7 % in 19 of 20 cases.
const MOST_USERS: usize = 16_384;

/// Most bytes of their blobs. A user at all caps has 72 KiB; a usual one well under one.
const MOST_BYTES: usize = 64 << 20;

/// A sample is made anew for a question when it is older than so many times what its pass took, and than this.
const WORTH: u32 = 10;
const FRESH: Duration = Duration::from_secs(1);

/// How long a question waits for that, and then for the questions before it.
const PATIENCE: Duration = Duration::from_secs(2);

/// After a pass that failed.
const RETRY: Duration = Duration::from_secs(5);

/// Suppressions during one pass that are remembered; with more the pass is for nothing.
const MOST_FORGOTTEN: usize = 65_536;

/// The keys of a sample, while the store is walked through.
pub type KeySample = AdaptiveSample<()>;

/// What a sample has of a user.
#[derive(Clone, Debug)]
struct Kept {
    offline: Vec<OfflineBlob>,
    realtime: Option<bytes::Bytes>,
}

/// The result of a pass.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    users: AdaptiveSample<Kept>,
    began: Monotonic,
    took: Duration,
}

/// What metrics say of the sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SampleStats {
    pub(crate) users: usize,
    pub(crate) level: u32,
    pub(crate) bytes: usize,
    pub(crate) age: Duration,
    pub(crate) took: Duration,
}

/// Makes the sample and answers from it. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sampler(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    readiness: Readiness,
    /// None: passes are made only when somebody asks.
    every: Option<Duration>,
    taken: watch::Sender<Option<Arc<Taken>>>,
    forgotten: Mutex<Forgotten>,
    wanted: Notify,
    /// One evaluation at a time: it takes a core while it runs.
    turn: Arc<Semaphore>,
}

/// Users suppressed while a pass is under way: it may have read them before.
#[derive(Debug, Default)]
struct Forgotten {
    users: HashSet<u128>,
    /// Too many, or nobody knows which.
    all: bool,
}

impl Sampler {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        readiness: Readiness,
        every: Option<Duration>,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            clock,
            readiness,
            every,
            taken: watch::Sender::new(None),
            forgotten: Mutex::default(),
            wanted: Notify::new(),
            turn: Arc::new(Semaphore::new(1)),
        }))
    }

    /// Makes a pass at intervals and when one is wanted, until the drain.
    pub(crate) async fn run(self, drain: Drain) {
        tokio::select! {
            () = self.pass_for_ever() => {}
            () = drain.wait() => {}
        }
    }

    async fn pass_for_ever(&self) {
        let mut ready = self.0.readiness.subscribe();
        if self.0.every.is_none() {
            self.until_wanted(None).await;
        }
        loop {
            if ready.wait_for(|ready| *ready).await.is_err() {
                return;
            }
            let rest = match self.pass().await {
                Ok(()) => self.0.every,
                Err(error) => {
                    tracing::debug!(%error, "no sample of the users");
                    if error == StoreError::Forgot {
                        self.0.readiness.doubt();
                    }
                    Some(RETRY)
                }
            };
            self.until_wanted(rest).await;
        }
    }

    async fn until_wanted(&self, rest: Option<Duration>) {
        let rested = async {
            match rest {
                Some(rest) => tokio::time::sleep(rest).await,
                None => std::future::pending().await,
            }
        };
        let wanted = async {
            // A wish from during the pass may have been granted by it.
            loop {
                self.0.wanted.notified().await;
                if self.is_stale() {
                    return;
                }
            }
        };
        tokio::select! {
            () = rested => {}
            () = wanted => {}
        }
    }

    async fn pass(&self) -> Result<(), StoreError> {
        *self.forgotten() = Forgotten::default();
        let began = self.0.clock.monotonic();
        // One lower than last time, so that it follows a store that shrinks.
        let level = self.last().map_or(0, |last| last.users.level().saturating_sub(1));
        let keys = pass::walk(&*self.0.store, KeySample::new(MOST_USERS, MOST_BYTES, level)).await?;
        let mut users = pass::read(&*self.0.store, &keys, MOST_BYTES).await?;
        let took = self.0.clock.monotonic().since(began);
        let forgotten = self.forgotten();
        if !forgotten.all {
            for key in &forgotten.users {
                users.remove(*key);
            }
            self.0.taken.send_replace(Some(Arc::new(Taken { users, began, took })));
        }
        Ok(())
    }

    /// These users asked not to be known, or did: nothing that was read of them stays.
    pub(crate) fn forget(&self, changes: &[SuppressionChange]) {
        let mut forgotten = self.forgotten();
        let keys = || changes.iter().map(|change| u128::from_be_bytes(change.user.0));
        if forgotten.users.len() + changes.len() > MOST_FORGOTTEN {
            *forgotten = Forgotten { users: HashSet::new(), all: true };
            self.0.wanted.notify_one();
        } else if !forgotten.all {
            forgotten.users.extend(keys());
        }
        self.0.taken.send_if_modified(|taken| {
            if let Some(taken) = taken
                && keys().any(|key| taken.users.contains(key))
            {
                let taken = Arc::make_mut(taken);
                for key in keys() {
                    taken.users.remove(key);
                }
            }
            // Nobody waits for this.
            false
        });
    }

    /// Nobody knows who asked: there is no sample until the next pass.
    pub(crate) fn forget_all(&self) {
        *self.forgotten() = Forgotten { users: HashSet::new(), all: true };
        self.0.taken.send_replace(None);
        self.0.wanted.notify_one();
    }

    fn forgotten(&self) -> MutexGuard<'_, Forgotten> {
        self.0.forgotten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn last(&self) -> Option<Arc<Taken>> {
        self.0.taken.borrow().clone()
    }

    fn age(&self, taken: &Taken) -> Duration {
        self.0.clock.monotonic().since(taken.began)
    }

    fn is_stale(&self) -> bool {
        self.last().is_none_or(|taken| self.age(&taken) > FRESH.max(taken.took * WORTH))
    }

    /// The last sample, made anew if that is worth it and done in time.
    async fn fresh(&self) -> Option<Arc<Taken>> {
        let mut passes = self.0.taken.subscribe();
        if self.is_stale() {
            self.0.wanted.notify_one();
            // Late: the last one will do.
            let _late = tokio::time::timeout(PATIENCE, passes.changed()).await;
        }
        self.last()
    }

    /// For metrics; none while there is no sample.
    pub(crate) fn stats(&self) -> Option<SampleStats> {
        let taken = self.last()?;
        Some(SampleStats {
            users: taken.users.len(),
            level: taken.users.level(),
            bytes: taken.users.bytes(),
            age: self.age(&taken),
            took: taken.took,
        })
    }
}

#[async_trait]
impl UserSample for Sampler {
    async fn estimate_users(&self, targeting: &Expr) -> Result<UserReach, ReachUnavailable> {
        let no = |why: &str| ReachUnavailable(why.to_owned());
        if !self.0.readiness.ready() {
            return Err(no(
                "the suppression list is being replayed into the tag store; try again in a moment",
            ));
        }
        let taken = self.fresh().await;
        let taken = taken.ok_or_else(|| no("the sample of users is still being made; try again later"))?;
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.0.turn).acquire_owned()).await;
        let busy = || no("other estimates are being made; try again in a moment");
        let turn = turn.ok().and_then(Result::ok).ok_or_else(busy)?;
        let (targeting, clock, age) = (targeting.clone(), Arc::clone(&self.0.clock), self.age(&taken));
        let counted = background("reach of users", move || {
            // Kept until the work is done, also when nobody waits for it any more.
            let _turn = turn;
            count::count(&targeting, &taken.users, &*clock)
        });
        let stratum = counted.await.map_err(|_| no("the estimate failed"))?.map_err(no)?;
        Ok(UserReach { stratum, age })
    }
}

impl From<Stored> for Kept {
    fn from(stored: Stored) -> Self {
        Self { offline: stored.offline, realtime: stored.realtime }
    }
}
