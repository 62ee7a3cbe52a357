//! Where the bits or the list of a row are, and how tags are numbered.

use hashbrown::HashMap;

/// A row of a chunk.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Row {
    /// Where its bits begin, or its list.
    pub(super) start: u32,
    /// Of its list, or [`Row::DENSE`].
    pub(super) len: u16,
    /// The first place of its list: most lists have none among the few lines that a search begins with.
    pub(super) first: u16,
}

impl Row {
    pub(super) const DENSE: u16 = u16::MAX;

    pub(super) fn is_dense(self) -> bool {
        self.len == Self::DENSE
    }
}

/// From tags that broad records name to dense numbers.
#[derive(Debug, Default)]
pub(super) struct TagNumbers {
    /// By id, for ids below its length; [`NOBODY`] where no record names it.
    dense: Vec<u32>,
    others: HashMap<u32, u32>,
    len: usize,
}

const NOBODY: u32 = u32::MAX;

impl TagNumbers {
    /// Of tags in any order, some of them several times.
    pub(super) fn new(mut tags: Vec<u32>) -> Option<Self> {
        tags.sort_unstable();
        tags.dedup();
        // Ids are dense as a rule, and an array of them is the quickest map.
        let limit = u32::try_from(tags.len()).ok()?.saturating_mul(4);
        let room = tags.iter().rev().find(|id| **id < limit).map_or(0, |id| *id as usize + 1);
        let len = tags.len();
        let mut numbers = Self { dense: vec![NOBODY; room], others: HashMap::new(), len };
        for (number, tag) in (0..).zip(tags) {
            match numbers.dense.get_mut(tag as usize) {
                Some(place) => *place = number,
                None => drop(numbers.others.insert(tag, number)),
            }
        }
        Some(numbers)
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(super) fn number(&self, tag: u32) -> Option<u32> {
        match self.dense.get(tag as usize) {
            Some(number) => Some(*number).filter(|number| *number != NOBODY),
            None if self.others.is_empty() => None,
            None => self.others.get(&tag).copied(),
        }
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(self.dense.as_slice()) + self.others.capacity() * (size_of::<(u32, u32)>() + 1)
    }
}
