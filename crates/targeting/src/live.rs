//! Which line items may bid now.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Slot;

/// A bit per slot, tested inside the search: paused, off schedule, out of budget and paced line items never
/// surface. Clones share the bits; setting one is seen by running searches. Slots start out not live.
#[derive(Clone, Debug)]
pub struct LiveSet(Arc<[AtomicU64]>);

impl LiveSet {
    /// For slots below `slots`; none is live.
    pub fn new(slots: u32) -> Self {
        Self((0..slots.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    /// For slots below `slots`; each of them is live.
    pub fn all(slots: u32) -> Self {
        let set = Self::new(slots);
        for slot in 0..slots {
            set.set(Slot(slot), true);
        }
        set
    }

    /// The same slots live in a set of its own with room for `slots`: a change of one is not seen in the other.
    pub fn detached(&self, slots: u32) -> Self {
        let word = |at: u32| self.0.get(at as usize).map_or(0, |word| word.load(Ordering::Relaxed));
        Self((0..slots.div_ceil(64)).map(|at| AtomicU64::new(word(at))).collect())
    }

    /// Makes the slot live or not. Whether there is room for it: a slot beyond the set is never live.
    pub fn set(&self, slot: Slot, live: bool) -> bool {
        let Some(word) = self.word(slot) else {
            return false;
        };
        let bit = 1 << (slot.0 % 64);
        // Relaxed: a bit guards no other memory, and a search may well see a change one request later.
        if live {
            word.fetch_or(bit, Ordering::Relaxed);
        } else {
            word.fetch_and(!bit, Ordering::Relaxed);
        }
        true
    }

    /// Whether the slot is live.
    pub fn contains(&self, slot: Slot) -> bool {
        self.word(slot).is_some_and(|word| word.load(Ordering::Relaxed) >> (slot.0 % 64) & 1 == 1)
    }

    fn word(&self, slot: Slot) -> Option<&AtomicU64> {
        self.0.get(slot.0 as usize / 64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_their_bits_and_strangers_are_not_live() {
        let set = LiveSet::new(65);
        let seen_elsewhere = set.clone();
        assert!(set.set(Slot(64), true));
        assert!(seen_elsewhere.contains(Slot(64)));
        assert!(!seen_elsewhere.contains(Slot(63)));
        assert!(set.set(Slot(64), false));
        assert!(!seen_elsewhere.contains(Slot(64)));
        assert!(!set.set(Slot(1_000), true));
        assert!(!set.contains(Slot(1_000)));
    }

    #[test]
    fn a_detached_set_starts_the_same_and_goes_its_own_way() {
        let set = LiveSet::all(65);
        let own = set.detached(200);
        assert!(own.contains(Slot(64)) && !own.contains(Slot(100)));
        assert!(own.set(Slot(100), true) && own.set(Slot(1), false));
        assert!(set.contains(Slot(1)) && !set.contains(Slot(100)));
    }
}
