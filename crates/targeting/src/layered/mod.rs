//! An index that takes changes: a large immutable base, and what has changed since in a few small levels.
//!
//! A level speaks for the slots of its changes, removals included: what older levels or the base say of them is not
//! current and does not surface. A bit per slot tells what the base may no longer answer. A value never changes:
//! [`Layered::with`] makes another one, which shares all that is the same, and the owner swaps it in. Searches that
//! run on the old value finish on it.
//!
//! # Who does what
//! * The **writer** compiles little: a change alone is compiled with at most 16 others, or 256 when those are full. A
//!   level that has grown so large is *settled*, and the writer begins another. So no change waits for many, however
//!   many there were before it. Batch when changes come fast: a batch costs what one change does.
//! * **Beside it** ([`Layered::merge`]) somebody with time makes one level of the settled ones, so that searches have
//!   few to look at, and now and then a base of everything ([`Layered::rebase`]). Both take their result into the
//!   engine as it is by then: the levels that came meanwhile stay above. Nothing is repeated, whatever came.
//! * A change knows its **epoch**, how many bases had been begun when it came. A new base lets go of the levels that are
//!   all of earlier epochs. At most one is of both, then the oldest; what the base has is dropped from it by a merge.
//!
//! # Cost
//! Reference workload ([`workload`](crate::workload)), 100,000 items, two cores of an AMD EPYC under other load. A change
//! costs the writer 80 to 130 µs at 1,000 a second in batches of 20 ms; merging beside it another 100 to 130, and the new
//! bases 500. A search resolves the request's values anew in each level, some 1 µs, and then looks at signatures: not at
//! more of a level's records, at first, than of the base's. The best ten, mean and 99th percentile over requests of the
//! least of 40 passes: the base alone 6.2 and 11.6 µs; with a level of 300 7.6 and 13.0, of 3,000 9.2 and 15.8, of both
//! 11.0 and 18.2; with levels of 8,000, 2,000 and 300 14.3 and 22.
//!
//! A level has its own dictionary, so a shared list is numbered anew whenever a level is compiled of which an item names
//! it: one of 100,000 values costs the writer 17 to 40 ms for every batch, until the item's level is settled.
//!
//! Measured and rejected: small levels that file their items as the base does (of 300: 8.3 and 13.8 µs); large ones that
//! do not (of 8,000: 18.3 µs at the 99th percentile where it is 17.5); levels that are merged on the writer (441 µs a
//! change, and 75 to 148 ms until the last of many was searchable); repeating on a new base what changed while it was
//! built, which the writer did too.

mod level;
mod search;
mod upkeep;

use std::sync::Arc;

use bumpalo::Bump;

use self::level::{Change, Level, merge};
pub use self::upkeep::{Merge, Merged, Rebase, Rebased};
use crate::index::Index;
use crate::probe::{Texts, View};
use crate::{
    Attributes, Candidate, Dimension, Engine, Item, Lists, LiveSet, Probe, Refused, Slot, Truth, Wanted,
};

/// Changes that the first level holds: it is compiled again with every one that comes alone.
const FIRST_LEVEL: usize = 16;
/// Changes that the second holds, which is compiled again when the first is full.
const SECOND_LEVEL: usize = 256;
/// Beyond so many levels the second holds twice as much for each more.
const MOST_LEVELS: usize = 5;

/// An [`Index`] and its changes since. Cloning shares everything.
#[derive(Clone, Debug)]
pub struct Layered {
    base: Arc<Index>,
    /// The slots that some level speaks for, and so the base no longer.
    changed: Marked,
    /// The newest first: no change of a level is older than any of the level after it.
    levels: Vec<Arc<Level>>,
    /// How many bases were begun.
    epoch: u32,
    /// Changes of earlier epochs are in the base.
    base_epoch: u32,
    /// How many changes the first two levels hold.
    rooms: [usize; 2],
}

/// Slots, a bit each. Cloning shares them.
#[derive(Clone, Debug, Default)]
struct Marked(Arc<Vec<u64>>);

impl Marked {
    /// All that the levels speak for.
    fn of(levels: &[Arc<Level>]) -> Self {
        let mut marked = Self::default();
        levels.iter().for_each(|level| marked.mark(level.slots.iter().copied()));
        marked
    }

    fn mark(&mut self, slots: impl Iterator<Item = Slot>) {
        let bits = Arc::make_mut(&mut self.0);
        for slot in slots {
            let at = slot.0 as usize / 64;
            if at >= bits.len() {
                bits.resize(at + 1, 0);
            }
            if let Some(word) = bits.get_mut(at) {
                *word |= 1 << (slot.0 % 64);
            }
        }
    }

    fn contains(&self, slot: Slot) -> bool {
        self.0.get(slot.0 as usize / 64).is_some_and(|word| word >> (slot.0 % 64) & 1 == 1)
    }
}

impl Layered {
    /// Without changes.
    pub fn new(base: Index) -> Self {
        Self {
            base: Arc::new(base),
            changed: Marked::default(),
            levels: Vec::new(),
            epoch: 0,
            base_epoch: 0,
            rooms: [FIRST_LEVEL, SECOND_LEVEL],
        }
    }

    /// With first levels that hold other numbers of changes: the answers are the same, and tests come to deep levels
    /// with few changes.
    #[must_use]
    pub fn with_rooms(mut self, first: usize, second: usize) -> Self {
        self.rooms = [first, second];
        self
    }

    /// The same after some items became others or came in anew (`changed`), and others went (`removed`). A changed
    /// item keeps its slot; a slot in both is changed. An item that is refused is gone. `lists` are the lists as
    /// they are now: when one changes, every item that names it counts as changed.
    ///
    /// Compiles the changes and at most some three hundred others; neither the base nor larger levels are looked at.
    #[must_use]
    pub fn with<'c>(
        &self,
        changed: impl IntoIterator<Item = Item<'c>>,
        removed: &[Slot],
        lists: &Lists<'_>,
    ) -> (Self, Vec<Refused>) {
        let mut taken = Vec::new();
        let mut run: Vec<_> = changed.into_iter().map(|item| Change::to(&item, self.epoch)).collect();
        run.extend(removed.iter().map(|slot| Change::removal(*slot, self.epoch)));
        // Stable: of one slot's changes the first comes first, and removals last.
        run.sort_by_key(|change| change.slot);
        run.dedup_by(|later, first| {
            let twice = later.slot == first.slot;
            if twice && later.item.is_some() {
                taken.push(Refused { slot: later.slot, reason: crate::Refusal::SlotTaken });
            }
            twice
        });
        let mut next = self.clone();
        next.changed.mark(run.iter().map(|change| change.slot));
        let mut refused = next.push(run, lists);
        refused.append(&mut taken);
        (next, refused)
    }

    /// How many changes the base does not have. When these are many, [`Layered::rebase`].
    pub fn pending(&self) -> usize {
        self.levels.iter().map(|level| level.news(self.base_epoch)).sum()
    }

    /// Bytes on the heap, without the expressions that levels keep to be compiled again.
    pub fn heap_bytes(&self) -> usize {
        let levels = self.levels.iter().map(|level| level.index.heap_bytes()).sum::<usize>();
        self.base.heap_bytes() + size_of_val(self.changed.0.as_slice()) + levels
    }

    /// Adds a run of newest changes, with those of the newest levels that have room for it.
    fn push(&mut self, mut run: Vec<Arc<Change>>, lists: &Lists<'_>) -> Vec<Refused> {
        if run.is_empty() {
            return Vec::new();
        }
        let [first, second] = self.rooms;
        // Where nobody merges, or too slowly, the writer does.
        let behind = self.levels.len().saturating_sub(MOST_LEVELS).min(16);
        for room in [first, second << behind] {
            let joins = |newest: &&Arc<Level>| {
                newest.len() <= room && (room == first || newest.len() + run.len() <= room)
            };
            if let Some(newest) = self.levels.first().filter(joins) {
                run = merge(run, &newest.changes);
                self.levels.remove(0);
            }
            if run.len() <= room {
                break;
            }
        }
        let (level, refused) = Level::build(run, lists, &self.base);
        self.levels.insert(0, level);
        refused
    }

    /// Whether what a level, or the base (`None`), says of a slot is current.
    fn is_current(&self, slot: Slot, depth: Option<usize>) -> bool {
        match depth {
            None => !self.changed.contains(slot),
            Some(depth) => self.levels.iter().take(depth).all(|level| !level.speaks_for(slot)),
        }
    }

    /// The index that speaks for a slot, and the probe's view of it.
    fn speaker<'s>(&'s self, probe: &'s Probe<'s>, slot: Slot) -> Option<(&'s Index, &'s View<'s>)> {
        if self.is_current(slot, None) {
            return Some((&self.base, &probe.view));
        }
        let mut levels = self.levels.iter().zip(probe.layers);
        levels.find(|(level, _)| level.speaks_for(slot)).map(|(level, view)| (&level.index, view))
    }
}

impl Engine for Layered {
    fn probe<'a>(&self, attributes: &Attributes<'a>, arena: &'a Bump) -> Probe<'a> {
        let texts = Texts::of(self.base.dictionary(), attributes, &Dimension::ALL, arena);
        self.levels.iter().for_each(|level| texts.prefetch(level.index.dictionary()));
        let blank = View::unresolved(attributes, arena);
        let see = |index: &Index| {
            let mut view = blank.clone();
            view.resolve(index.dictionary(), texts, arena);
            index.see(&mut view, false, arena);
            view
        };
        let mut layers = bumpalo::collections::Vec::with_capacity_in(self.levels.len(), arena);
        layers.extend(self.levels.iter().map(|level| see(&level.index)));
        Probe { view: see(&self.base), layers: layers.into_bump_slice() }
    }

    fn impression<'a>(&self, request: &Probe<'a>, attributes: &Attributes<'a>, arena: &'a Bump) -> Probe<'a> {
        let texts = Texts::of(self.base.dictionary(), attributes, &Dimension::OF_IMPRESSION, arena);
        self.levels.iter().for_each(|level| texts.prefetch(level.index.dictionary()));
        let see = |index: &Index, view: &View<'a>| {
            let mut view = view.clone();
            view.resolve(index.dictionary(), texts, arena);
            index.see(&mut view, true, arena);
            view
        };
        let mut layers = bumpalo::collections::Vec::with_capacity_in(self.levels.len(), arena);
        layers.extend(self.levels.iter().zip(request.layers).map(|(level, view)| see(&level.index, view)));
        Probe { view: see(&self.base, &request.view), layers: layers.into_bump_slice() }
    }

    fn candidates_among<'s>(
        &'s self,
        probe: &'s Probe<'s>,
        live: &'s LiveSet,
        wanted: impl Wanted + 's,
        arena: &'s Bump,
    ) -> impl Iterator<Item = Candidate> + 's {
        search::candidates(self, probe, live, wanted, arena)
    }

    fn all(&self, probe: &Probe<'_>, live: &LiveSet, arena: &Bump, mut visit: impl FnMut(Slot)) {
        let mut layer = |index: &Index, view: &View<'_>, depth| {
            index.all_views(view, live, arena, |slot| {
                if self.is_current(slot, depth) {
                    visit(slot);
                }
            });
        };
        layer(&self.base, &probe.view, None);
        for ((depth, level), view) in self.levels.iter().enumerate().zip(probe.layers) {
            layer(&level.index, view, Some(depth));
        }
    }

    fn matches(&self, probe: &Probe<'_>, slot: Slot) -> bool {
        self.speaker(probe, slot).is_some_and(|(index, view)| index.matches_view(view, slot))
    }

    fn test(&self, probe: &Probe<'_>, slot: Slot, index: usize) -> Truth {
        self.speaker(probe, slot)
            .map_or(Truth::Unknown, |(speaker, view)| speaker.test_view(view, slot, index))
    }
}
