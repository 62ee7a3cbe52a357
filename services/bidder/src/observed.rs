//! What the traffic is like, learnt from all of the first requests and then from a few: the index is filed by it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};

use tagbid_targeting::{Attributes, Traffic};

/// Requests from which an index is worth being filed: until then all are looked at, since a bidder that knows nothing of
/// its traffic searches several times as long.
pub(crate) const ENOUGH: u64 = 2_000;
/// From then on one request in so many is looked at.
const EVERY: u64 = 64;

/// Counts of what requests offer to targeting. No ids of users are in it: dimensions and tags alone.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    requests: AtomicU64,
    traffic: Mutex<Traffic>,
}

impl Observed {
    /// Looks at an impression if it is its turn, unless another worker is doing so: nobody waits here. A value that was never seen
    /// before is copied to the heap.
    pub(crate) fn observe(&self, random: u64, attributes: &Attributes<'_>) {
        if self.requests() >= ENOUGH && !random.is_multiple_of(EVERY) {
            return;
        }
        let mut traffic = match self.traffic.try_lock() {
            Ok(traffic) => traffic,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        traffic.observe(attributes);
        self.requests.store(traffic.requests(), Ordering::Relaxed);
    }

    /// Requests looked at.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// What was seen so far.
    pub(crate) fn traffic(&self) -> Traffic {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_the_first_requests_are_looked_at_and_then_a_few() {
        let (observed, attributes) = (Observed::default(), Attributes::default());
        (0..ENOUGH).for_each(|_| observed.observe(1, &attributes));
        assert_eq!(observed.requests(), ENOUGH);
        (0..EVERY * 10).for_each(|random| observed.observe(random, &attributes));
        assert_eq!(observed.requests(), ENOUGH + 10);
    }
}
