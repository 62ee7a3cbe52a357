//! Which share of recent impressions an expression matches, from a sample that the bid path leaves behind.
//!
//! Time is cut into periods. Of each a uniform sample is kept: requests get random numbers, and the impressions of those
//! whose number begins with enough zero bits are in it ([`AdaptiveSample`]). By requests, because it is decided before the
//! user is looked up: in all datasets then, not only in those that line items name. The period under way and the one before it answer questions,
//! so the sample reaches back one to two periods.

mod count;
mod kept;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

use async_trait::async_trait;
use tagbid_ports::{ReachUnavailable, RequestReach, RequestSample};
use tagbid_runtime::background;
use tagbid_runtime::sample::AdaptiveSample;
use tagbid_targeting::{Attributes, Expr};
use tagbid_types::Timestamp;
use tokio::sync::Semaphore;

use crate::shared::Shared;
use kept::Kept;

/// How long one sample is added to.
const PERIOD: Duration = Duration::from_secs(15 * 60);

/// Most impressions of a period's sample, and half of them at the least where there are more: shares are then told within
/// three points in 19 of 20 cases.
const MOST_IMPRESSIONS: usize = 2_048;

/// Most bytes of a period's sample, 4 KiB for each impression.
const MOST_BYTES: usize = 8 << 20;

/// One impression in four is copied at the least, until the sample is full for the first time; then fewer and fewer.
const FIRST_LEVEL: u32 = 2;

/// How long a question waits for the questions before it.
const PATIENCE: Duration = Duration::from_secs(2);

/// One period's sample.
#[derive(Clone, Debug)]
struct Period {
    began: Timestamp,
    impressions: AdaptiveSample<Arc<Kept>>,
}

impl Period {
    fn new(began: Timestamp, level: u32) -> Self {
        Self { began, impressions: AdaptiveSample::new(MOST_IMPRESSIONS, MOST_BYTES, level.max(FIRST_LEVEL)) }
    }
}

/// Recent impressions without anybody's ids. Shared by all workers; none of them ever waits for it.
#[derive(Debug)]
pub(crate) struct Impressions {
    /// Zero bits that a key must begin with to be worth a look at the lock.
    level: AtomicU32,
    periods: Mutex<Periods>,
}

#[derive(Debug)]
struct Periods {
    current: Period,
    last: Option<Period>,
}

impl Periods {
    /// Ends the period if it is over. One that ended long ago says nothing of recent traffic.
    fn turn(&mut self, now: Timestamp) {
        let age = now.since(self.current.began);
        if age < PERIOD {
            return;
        }
        // One lower than where it ended, so that it follows traffic that shrinks.
        let next = Period::new(now, self.current.impressions.level().saturating_sub(1));
        let ended = std::mem::replace(&mut self.current, next);
        self.last = (age < PERIOD * 2).then_some(ended);
    }
}

impl Impressions {
    pub(crate) fn new(now: Timestamp) -> Self {
        let current = Period::new(now, FIRST_LEVEL);
        Self { level: AtomicU32::new(FIRST_LEVEL), periods: Mutex::new(Periods { current, last: None }) }
    }

    /// Whether impressions of a request with this random number are worth a look at the lock.
    pub(crate) fn wants(&self, random: u64) -> bool {
        random.leading_zeros() >= self.level.load(Ordering::Relaxed)
    }

    /// Copies the impression, which has this number in its request, if the request's random number is among the sampled,
    /// unless another worker is at it.
    pub(crate) fn observe(
        &self,
        random: u64,
        number: u64,
        now: impl FnOnce() -> Timestamp,
        attributes: &Attributes<'_>,
    ) {
        if !self.wants(random) {
            return;
        }
        let mut periods = match self.periods.try_lock() {
            Ok(periods) => periods,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        periods.turn(now());
        let impressions = &mut periods.current.impressions;
        let key = u128::from(random) << 64 | u128::from(number);
        if impressions.wants(key) {
            let kept = Kept::of(attributes);
            impressions.offer(key, kept.bytes(), Arc::new(kept));
        }
        self.level.store(impressions.level(), Ordering::Relaxed);
    }

    /// What there is now, the earlier first.
    fn recent(&self, now: Timestamp) -> Vec<Period> {
        let mut periods = self.lock();
        periods.turn(now);
        self.level.store(periods.current.impressions.level(), Ordering::Relaxed);
        // Shared handles are copied, no impressions.
        periods.last.iter().chain([&periods.current]).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Periods> {
        self.periods.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bidder, asked about its traffic.
#[derive(Clone)]
pub(crate) struct Reach {
    shared: Arc<Shared>,
    /// One evaluation at a time: it takes a core while it runs.
    turn: Arc<Semaphore>,
}

impl Reach {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, turn: Arc::new(Semaphore::new(1)) }
    }
}

#[async_trait]
impl RequestSample for Reach {
    async fn estimate_requests(&self, targeting: &Expr) -> Result<RequestReach, ReachUnavailable> {
        let no = |why: &str| ReachUnavailable(why.to_owned());
        let book = self.shared.books.last().ok_or_else(|| no("the bidder has no catalog yet"))?;
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.turn).acquire_owned()).await;
        let busy = || no("other estimates are being made; try again in a moment");
        let turn = turn.ok().and_then(Result::ok).ok_or_else(busy)?;
        let periods = self.shared.impressions.recent(self.shared.clock.now());
        let since = periods.first().map(|period| period.began).unwrap_or_default();
        let (targeting, clock) = (targeting.clone(), Arc::clone(&self.shared.clock));
        let counted = background("reach of requests", move || {
            // Kept until the work is done, also when nobody waits for it any more.
            let _turn = turn;
            count::count(&targeting, &periods, &book.catalog, &*clock)
        });
        let strata = counted.await.map_err(|_| no("the estimate failed"))?.map_err(ReachUnavailable)?;
        Ok(RequestReach { strata, since })
    }
}

#[cfg(test)]
mod tests;
