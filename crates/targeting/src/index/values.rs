//! Every value of every dimension as one row of numbers, so that tables by value are plain arrays.

use crate::Dimension;
use crate::dictionary::{Dictionary, ValueId};

/// Where each dimension's values begin.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Values {
    starts: [u32; Dimension::COUNT],
    len: u32,
}

impl Values {
    /// `None` when there are too many.
    pub(super) fn of(dictionary: &Dictionary) -> Option<Self> {
        let mut values = Self::default();
        for (dimension, start) in Dimension::ALL.into_iter().zip(&mut values.starts) {
            *start = values.len;
            values.len = values.len.checked_add(dictionary.count(dimension))?;
        }
        Some(values)
    }

    /// Its place among all values.
    pub(super) fn place(&self, dimension: Dimension, id: ValueId) -> u32 {
        self.starts.get(dimension as usize).copied().unwrap_or(0) + id
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }
}
