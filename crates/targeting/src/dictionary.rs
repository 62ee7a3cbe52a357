//! Values as small numbers.

use hashbrown::HashMap;

use crate::Dimension;

/// Number of a value within its dimension: dense, from zero, in the order of first sight.
pub(crate) type ValueId = u32;

/// The values that expressions name, numbered per dimension. A value that no expression names has no number:
/// no test could tell it from another. Lookup compares the text after the hash, which is never an identity.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    ids: [HashMap<Box<str>, ValueId>; Dimension::COUNT],
}

impl Dictionary {
    /// The number of a normalised value, given out now if need be. `None` after 2^32 values of one dimension.
    pub(crate) fn intern(&mut self, dimension: Dimension, value: &str) -> Option<ValueId> {
        let ids = self.ids.get_mut(dimension as usize)?;
        if let Some(id) = ids.get(value) {
            return Some(*id);
        }
        let id = ValueId::try_from(ids.len()).ok()?;
        ids.insert(value.into(), id);
        Some(id)
    }

    /// The number of a value, if some expression names it.
    pub(crate) fn find(&self, dimension: Dimension, value: &str) -> Option<ValueId> {
        self.ids.get(dimension as usize)?.get(value).copied()
    }

    /// Bytes on the heap, for reports.
    pub(crate) fn heap_bytes(&self) -> usize {
        let entry = size_of::<(Box<str>, ValueId)>() + 1;
        let texts = |ids: &HashMap<Box<str>, ValueId>| ids.keys().map(|text| text.len()).sum::<usize>();
        self.ids.iter().map(|ids| ids.capacity() * entry + texts(ids)).sum()
    }
}
