//! Changed items, compiled, with what is needed to compile them again beside newer ones.

use std::sync::Arc;

use tagbid_types::Cpm;

use crate::{Class, Expr, Index, Item, Leaf, Lists, Raise, Refused, Slot};

/// What has become of a slot.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) slot: Slot,
    /// None: the item is gone, or what it became cannot be served.
    pub(super) item: Option<Source>,
    /// How many bases had been begun by then.
    pub(super) epoch: u32,
}

/// An item of our own, to be compiled again.
#[derive(Debug)]
pub(super) struct Source {
    targeting: Expr,
    class: Class,
    bound: Cpm,
    raises: Vec<Raise>,
    tests: Vec<Leaf>,
}

impl Change {
    pub(super) fn to(item: &Item<'_>, epoch: u32) -> Arc<Self> {
        let source = Source {
            targeting: item.targeting.clone(),
            class: item.class,
            bound: item.bound,
            raises: item.raises.clone(),
            tests: item.tests.iter().map(|leaf| (*leaf).clone()).collect(),
        };
        Arc::new(Self { slot: item.slot, item: Some(source), epoch })
    }

    pub(super) fn removal(slot: Slot, epoch: u32) -> Arc<Self> {
        Arc::new(Self { slot, item: None, epoch })
    }

    fn input(&self) -> Option<Item<'_>> {
        let source = self.item.as_ref()?;
        Some(Item {
            slot: self.slot,
            targeting: &source.targeting,
            class: source.class,
            bound: source.bound,
            raises: source.raises.clone(),
            tests: source.tests.iter().collect(),
        })
    }
}

/// A run of changes, one a slot: all that came in some stretch of time.
#[derive(Debug)]
pub(super) struct Level {
    pub(super) index: Index,
    /// By slot.
    pub(super) changes: Vec<Arc<Change>>,
    /// Their slots again, side by side: searches ask for these.
    pub(super) slots: Vec<Slot>,
    /// And their epochs.
    epochs: Vec<u32>,
}

impl Level {
    /// Compiles changes, which are sorted by slot. What is refused counts as removed from here on.
    pub(super) fn build(
        mut changes: Vec<Arc<Change>>,
        lists: &Lists<'_>,
        base: &Index,
    ) -> (Arc<Self>, Vec<Refused>) {
        let (index, refused) = base.build_beside(changes.iter().filter_map(|change| change.input()), lists);
        for refused in &refused {
            if let Ok(at) = changes.binary_search_by_key(&refused.slot, |change| change.slot)
                && let Some(change) = changes.get_mut(at)
            {
                *change = Change::removal(refused.slot, change.epoch);
            }
        }
        let slots = changes.iter().map(|change| change.slot).collect();
        let epochs = changes.iter().map(|change| change.epoch).collect();
        (Arc::new(Self { index, changes, slots, epochs }), refused)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many of its changes a base does not have that was begun with this epoch.
    pub(super) fn news(&self, epoch: u32) -> usize {
        self.epochs.iter().filter(|own| **own >= epoch).count()
    }

    /// Whether it knows what has become of the slot.
    pub(super) fn speaks_for(&self, slot: Slot) -> bool {
        self.slots.binary_search(&slot).is_ok()
    }
}

/// Two runs as one; of a slot that both have, the newer change.
pub(super) fn merge(newer: Vec<Arc<Change>>, older: &[Arc<Change>]) -> Vec<Arc<Change>> {
    let mut merged = Vec::with_capacity(newer.len() + older.len());
    let mut older = older.iter().peekable();
    for change in newer {
        while let Some(before) = older.next_if(|old| old.slot < change.slot) {
            merged.push(Arc::clone(before));
        }
        older.next_if(|old| old.slot == change.slot);
        merged.push(change);
    }
    merged.extend(older.cloned());
    merged
}
