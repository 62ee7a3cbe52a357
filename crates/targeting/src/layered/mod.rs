//! An index that takes changes: a large immutable base, and what has changed since in a few small levels.
//!
//! The newest changes are in the first level; when it is full it is merged into the next, which holds sixteen times as
//! much, and so on. A level speaks for the slots of its changes, removals included: what older levels or the base
//! say of them is not current and does not surface. A bit per slot tells what the base may no longer answer.
//!
//! A merge compiles its items again, some twenty for each change that comes alone, whatever the size of the base.
//! On the reference workload ([`workload`](crate::workload)), whose changes share no lists, that took 417 µs a change
//! and 45 ms at most; in batches of twenty 238 µs each, so batch when changes come fast. A search looks at one index
//! more per level, three for 2,000 changes: with these over 100,000 items the best ten took 11.7 µs where the base
//! alone took 5.6, and at the 99th percentile 17.3 where it took 10.0. Rejected: five levels that grow by eight (15.0
//! and 21.7 µs, as many compilations); one level (every change compiles all before it).
//!
//! A value never changes: [`Layered::with`] makes another one, which shares all that is the same, and the owner
//! swaps it in. Searches that run on the old value finish on it.

mod level;
mod search;

use std::sync::Arc;

use bumpalo::Bump;

use self::level::{Change, Level, merge};
use crate::index::Index;
use crate::probe::{Texts, View};
use crate::{Attributes, Candidate, Dimension, Engine, Item, Lists, LiveSet, Probe, Refused, Slot, Truth};

/// Changes that the first level holds. It is compiled again with every change.
const FIRST_LEVEL: usize = 8;
/// How many times more the next level holds.
const GROWTH: usize = 16;

/// An [`Index`] and its changes since. Cloning shares everything.
#[derive(Clone, Debug)]
pub struct Layered {
    base: Arc<Index>,
    /// A bit per slot: the base no longer speaks for it.
    changed: Arc<Vec<u64>>,
    pending: usize,
    /// The newest first; emptied places stay.
    levels: Vec<Option<Arc<Level>>>,
}

impl Layered {
    /// Without changes.
    pub fn new(base: Index) -> Self {
        Self { base: Arc::new(base), changed: Arc::default(), pending: 0, levels: Vec::new() }
    }

    /// The same after some items became others or came in anew (`changed`), and others went (`removed`). A changed
    /// item keeps its slot; a slot in both is changed. An item that is refused is gone. `lists` are the lists as
    /// they are now: when one changes, every item that names it counts as changed.
    ///
    /// Takes time in proportion to the changes; the base is not looked at.
    #[must_use]
    pub fn with<'c>(
        &self,
        changed: impl IntoIterator<Item = Item<'c>>,
        removed: &[Slot],
        lists: &Lists<'_>,
    ) -> (Self, Vec<Refused>) {
        let mut taken = Vec::new();
        let mut run: Vec<_> = changed.into_iter().map(|item| Change::to(&item)).collect();
        run.extend(removed.iter().map(|slot| Change::removal(*slot)));
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
        next.mark(&run);
        let mut refused = next.push(run, lists);
        refused.append(&mut taken);
        (next, refused)
    }

    /// How many slots are not the base's any more. When these are many, build another base from all items and start
    /// again with [`Layered::new`]; then repeat the changes that came meanwhile.
    pub fn pending(&self) -> usize {
        self.pending
    }

    /// Bytes on the heap, without the expressions that levels keep to be compiled again.
    pub fn heap_bytes(&self) -> usize {
        let levels = self.levels().map(|(_, level)| level.index.heap_bytes()).sum::<usize>();
        self.base.heap_bytes() + size_of_val(self.changed.as_slice()) + levels
    }

    fn mark(&mut self, run: &[Arc<Change>]) {
        let room = run.last().map_or(0, |change| change.slot.0 as usize / 64 + 1);
        let mut bits = self.changed.to_vec();
        bits.resize(bits.len().max(room), 0);
        for change in run {
            if let Some(word) = bits.get_mut(change.slot.0 as usize / 64) {
                let bit = 1 << (change.slot.0 % 64);
                self.pending += usize::from(*word & bit == 0);
                *word |= bit;
            }
        }
        self.changed = Arc::new(bits);
    }

    /// Adds a run of newest changes, merging it with levels until one has room for it.
    fn push(&mut self, mut run: Vec<Arc<Change>>, lists: &Lists<'_>) -> Vec<Refused> {
        if run.is_empty() {
            return Vec::new();
        }
        let mut room = FIRST_LEVEL;
        for depth in 0.. {
            if depth == self.levels.len() {
                self.levels.push(None);
            }
            if let Some(older) = self.levels.get_mut(depth).and_then(Option::take) {
                run = merge(run, &older.changes);
            }
            if run.len() <= room {
                if self.levels().next().is_none() {
                    // Below there is only the base, which no longer speaks for these slots anyway.
                    run.retain(|change| change.item.is_some());
                }
                let (level, refused) = Level::build(run, lists, &self.base);
                if let Some(place) = self.levels.get_mut(depth) {
                    *place = Some(Arc::new(level));
                }
                return refused;
            }
            room = room.saturating_mul(GROWTH);
        }
        Vec::new()
    }

    /// The levels with their depths, the newest first.
    fn levels(&self) -> impl Iterator<Item = (usize, &Level)> {
        self.levels.iter().enumerate().filter_map(|(depth, level)| Some((depth, &**level.as_ref()?)))
    }

    /// Whether what a level, or the base (`None`), says of a slot is current.
    fn is_current(&self, slot: Slot, depth: Option<usize>) -> bool {
        match depth {
            None => {
                let word = self.changed.get(slot.0 as usize / 64);
                word.is_none_or(|word| word >> (slot.0 % 64) & 1 == 0)
            }
            Some(depth) => self.levels().take_while(|(d, _)| *d < depth).all(|(_, l)| !l.speaks_for(slot)),
        }
    }

    /// The index that speaks for a slot, and the probe's view of it.
    fn speaker<'s>(&'s self, probe: &'s Probe<'s>, slot: Slot) -> Option<(&'s Index, &'s View<'s>)> {
        if self.is_current(slot, None) {
            return Some((&self.base, &probe.view));
        }
        let mut levels = self.levels().zip(probe.layers);
        levels.find(|((_, level), _)| level.speaks_for(slot)).map(|((_, level), view)| (&level.index, view))
    }
}

impl Engine for Layered {
    fn probe<'a>(&self, attributes: &Attributes<'a>, arena: &'a Bump) -> Probe<'a> {
        let texts = Texts::of(self.base.dictionary(), attributes, &Dimension::ALL, arena);
        let blank = View::unresolved(attributes, arena);
        let see = |index: &Index| {
            let mut view = blank.clone();
            view.resolve(index.dictionary(), texts, arena);
            index.see(&mut view, false, arena);
            view
        };
        let mut layers = bumpalo::collections::Vec::with_capacity_in(self.levels.len(), arena);
        layers.extend(self.levels().map(|(_, level)| see(&level.index)));
        Probe { view: see(&self.base), layers: layers.into_bump_slice() }
    }

    fn impression<'a>(&self, request: &Probe<'a>, attributes: &Attributes<'a>, arena: &'a Bump) -> Probe<'a> {
        let texts = Texts::of(self.base.dictionary(), attributes, &Dimension::OF_IMPRESSION, arena);
        let see = |index: &Index, view: &View<'a>| {
            let mut view = view.clone();
            view.resolve(index.dictionary(), texts, arena);
            index.see(&mut view, true, arena);
            view
        };
        let mut layers = bumpalo::collections::Vec::with_capacity_in(self.levels.len(), arena);
        layers.extend(self.levels().zip(request.layers).map(|((_, level), view)| see(&level.index, view)));
        Probe { view: see(&self.base, &request.view), layers: layers.into_bump_slice() }
    }

    fn candidates_among<'s>(
        &'s self,
        probe: &'s Probe<'s>,
        live: &'s LiveSet,
        wanted: impl FnMut(Slot) -> bool + 's,
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
        for ((depth, level), view) in self.levels().zip(probe.layers) {
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
