//! Bids that may still be shown: what this bidder has under way for a user.
//!
//! Shared by the workers of a process: a user's requests come over any connection, and each worker for itself would let
//! a cap be passed as many times as there are workers. A bid stays until its hold life is over, since nobody tells the bidder
//! which of its bids were lost; one that was billed meanwhile is known by its id among the user's last counted events,
//! and does not count twice.
//!
//! Memory is a table of small buckets, each behind a lock of its own that is held while some of its entries are looked
//! at: two requests meet in one of thousands of buckets only when they are of the same user or of users who share it. What
//! the path pays is one uncontended lock a request with caps and one a bid, neither of which waits for anything.

use std::sync::{Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;
use tagbid_runtime::metrics::Counter;
use tagbid_tagset::UserKey;
use tagbid_types::Monotonic;

use super::Counts;

/// Entries to a bucket.
const BUCKET: usize = 32;

/// A bid that may still be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flight {
    /// What the impression will be counted under: the bid's id.
    pub(crate) event: u128,
    /// What it will count for.
    pub(crate) counts: Counts,
    /// When its hold life is over.
    pub(crate) ends: Monotonic,
}

/// Bids with their users.
type Bucket = Vec<(UserKey, Flight)>;

/// The bids of all workers, of users who are known.
#[derive(Debug)]
pub(crate) struct Flights {
    buckets: Box<[Mutex<Bucket>]>,
    /// Bids that were forgotten before their time, because their bucket was full.
    pub(crate) forgotten: Counter,
}

impl Flights {
    /// A table for so many bids. It takes memory as bids come.
    pub(crate) fn new(most: usize) -> Self {
        let buckets = most.div_ceil(BUCKET).max(1);
        Self { buckets: (0..buckets).map(|_| Mutex::default()).collect(), forgotten: Counter::default() }
    }

    /// Bids under way for this user.
    pub(crate) fn of(&self, user: UserKey, now: Monotonic, mut each: impl FnMut(Flight)) {
        let Some(bucket) = self.bucket(user) else { return };
        for (who, flight) in bucket.iter() {
            if *who == user && flight.ends > now {
                each(*flight);
            }
        }
    }

    /// Sends bids to a user, all of them or none: whoever sends asks `fits` whether they do beside what is under way at that
    /// moment, for another worker may have sent something since it was last looked at. In a full bucket a bid takes the
    /// place of the one that would be over first.
    pub(crate) fn send(
        &self,
        user: UserKey,
        bids: impl Iterator<Item = Flight>,
        now: Monotonic,
        fits: impl FnOnce(&[Flight]) -> bool,
    ) -> bool {
        let Some(mut bucket) = self.bucket(user) else { return true };
        bucket.retain(|(_, one)| one.ends > now);
        let own = bucket.iter().filter(|(who, _)| *who == user).map(|(_, flight)| *flight);
        if !fits(&own.collect::<SmallVec<[Flight; 8]>>()) {
            return false;
        }
        for bid in bids {
            if bucket.len() < BUCKET {
                bucket.push((user, bid));
            } else if let Some(first) = bucket.iter_mut().min_by_key(|(_, one)| one.ends) {
                *first = (user, bid);
                self.forgotten.inc();
            }
        }
        true
    }

    /// User keys are MACs: any of their bits spread users evenly.
    fn bucket(&self, user: UserKey) -> Option<MutexGuard<'_, Bucket>> {
        let [a, b, c, d, e, f, g, h, ..] = user.0;
        let number = u64::from_le_bytes([a, b, c, d, e, f, g, h]) % self.buckets.len() as u64;
        let bucket = self.buckets.get(usize::try_from(number).unwrap_or(0))?;
        Some(bucket.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use tagbid_tagset::frequency::Counted;
    use tagbid_types::{AdvertiserId, CampaignId, LineItemId};

    use super::*;

    const COUNTS: Counts = Counts([
        Counted::LineItem(LineItemId(1)),
        Counted::Campaign(CampaignId(2)),
        Counted::Advertiser(AdvertiserId(3)),
    ]);

    fn flight(event: u128, ends: u64) -> Flight {
        Flight { event, counts: COUNTS, ends: Monotonic(ends) }
    }

    fn sent(flights: &Flights, user: UserKey, flight: Flight, now: u64) {
        assert!(flights.send(user, [flight].into_iter(), Monotonic(now), |_| true));
    }

    fn events(flights: &Flights, user: UserKey, now: u64) -> Vec<u128> {
        let mut found = Vec::new();
        flights.of(user, Monotonic(now), |flight| found.push(flight.event));
        found
    }

    #[test]
    fn bids_are_under_way_for_their_own_user_until_their_time_is_over() {
        let flights = Flights::new(1);
        let (one, other) = (UserKey([1; 16]), UserKey([2; 16]));
        sent(&flights, one, flight(1, 100), 0);
        sent(&flights, other, flight(2, 100), 0);
        sent(&flights, one, flight(3, 50), 0);
        assert_eq!(events(&flights, one, 0), [1, 3]);
        assert_eq!(events(&flights, one, 50), [1]);
        assert_eq!(events(&flights, one, 100), [0; 0]);
        assert_eq!(events(&flights, other, 99), [2]);
    }

    #[test]
    fn a_full_bucket_forgets_what_would_be_over_first_and_says_so() {
        let flights = Flights::new(BUCKET);
        let user = UserKey([1; 16]);
        for event in 0..=BUCKET as u64 {
            sent(&flights, user, flight(event.into(), 1_000 + event), 0);
        }
        let kept = events(&flights, user, 0);
        assert_eq!((kept.len(), kept.contains(&0), flights.forgotten.get()), (BUCKET, false, 1));
        sent(&flights, user, flight(99, 9_000), 8_000);
        assert_eq!(events(&flights, user, 8_000), [99], "those that are over leave their places");
        assert_eq!(flights.forgotten.get(), 1);
    }

    #[test]
    fn bids_that_do_not_fit_beside_what_is_under_way_are_not_sent() {
        let flights = Flights::new(1);
        let (user, other) = (UserKey([1; 16]), UserKey([2; 16]));
        sent(&flights, user, flight(1, 100), 0);
        sent(&flights, other, flight(2, 100), 0);
        let two = || [flight(3, 100), flight(4, 100)].into_iter();
        let alone = |own: &[Flight]| own.iter().map(|one| one.event).collect::<Vec<_>>() == [1];
        assert!(!flights.send(user, two(), Monotonic(0), |own| !alone(own)));
        assert_eq!(events(&flights, user, 0), [1]);
        assert!(flights.send(user, two(), Monotonic(0), alone));
        assert_eq!(events(&flights, user, 0), [1, 3, 4]);
    }
}
