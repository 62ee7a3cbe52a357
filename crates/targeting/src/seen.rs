//! Which items a search has already found.

use bumpalo::Bump;
use hashbrown::{DefaultHashBuilder, HashSet};

use crate::Slot;

/// Items that a search came by. An item is met again under each lower bound that it has, and under each of its
/// conjunctions; the conjunctions of one bound are neighbours.
pub(crate) struct Seen<'a> {
    last: Option<Slot>,
    /// None where items have one bound each: then neighbours are all there is to look at.
    all: Option<HashSet<Slot, DefaultHashBuilder, &'a Bump>>,
}

impl<'a> Seen<'a> {
    /// None yet; `raised`: items may have several bounds.
    pub(crate) fn new(raised: bool, arena: &'a Bump) -> Self {
        // Allocates when the first is put in.
        Self { last: None, all: raised.then(|| HashSet::new_in(arena)) }
    }

    /// Whether the search finds the item here: for the first time, and live. An item that is dead when its turn has come
    /// does not surface under a lower bound later, so that what it is found at is what it could pay.
    #[inline]
    pub(crate) fn finds(&mut self, slot: Slot, live: bool, holds: impl FnOnce() -> bool) -> bool {
        if self.last == Some(slot) || !(live || self.all.is_some()) {
            return false;
        }
        if self.all.as_ref().is_some_and(|all| all.contains(&slot)) || !holds() {
            return false;
        }
        self.last = Some(slot);
        if let Some(all) = &mut self.all {
            all.insert(slot);
        }
        live
    }
}
