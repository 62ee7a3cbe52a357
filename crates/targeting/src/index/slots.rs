//! Which item has a slot.

use crate::Slot;

/// From slots to the items' places in search order.
#[derive(Debug)]
pub(super) enum SlotMap {
    /// By slot; [`NOBODY`] where none is.
    Dense(Vec<u32>),
    /// Sorted by slot: of a few items whose slots are far apart.
    Sparse(Vec<(Slot, u32)>),
}

const NOBODY: u32 = u32::MAX;

impl SlotMap {
    /// Of items in search order.
    pub(super) fn new(slots: impl ExactSizeIterator<Item = Slot>) -> Self {
        let mut pairs: Vec<_> = slots.zip(0..).collect();
        pairs.sort_unstable();
        let room = pairs.last().map_or(0, |(slot, _)| slot.0 as usize + 1);
        if room / 4 > pairs.len() {
            return Self::Sparse(pairs);
        }
        let mut dense = vec![NOBODY; room];
        for (slot, item) in pairs {
            if let Some(place) = dense.get_mut(slot.0 as usize) {
                *place = item;
            }
        }
        Self::Dense(dense)
    }

    pub(super) fn item(&self, slot: Slot) -> Option<u32> {
        match self {
            Self::Dense(items) => items.get(slot.0 as usize).copied().filter(|item| *item != NOBODY),
            Self::Sparse(pairs) => {
                let at = pairs.binary_search_by_key(&slot, |(slot, _)| *slot).ok()?;
                pairs.get(at).map(|(_, item)| *item)
            }
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Dense(items) => size_of_val(items.as_slice()),
            Self::Sparse(pairs) => size_of_val(pairs.as_slice()),
        }
    }
}
