//! Large sets turned round: for each value, which sets have it.
//!
//! A request has one site but meets hundreds of block lists. Its row answers each of them with one bit, and stays
//! in the nearest cache meanwhile; the lists themselves would be a search and a few cache misses each.

use hashbrown::HashMap;

use super::values::Values;
use crate::Dimension;
use crate::dictionary::{Dictionary, ValueId};
use crate::program::{Pools, Span};

/// Number of a set within its dimension.
pub(super) type SetId = u32;

/// The sets that have each value.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// By place among all values.
    rows: Vec<Row>,
    /// Sorted numbers of sets, of the values that few sets have.
    sparse: Vec<SetId>,
    /// A bit per set of the dimension, of the values that many have.
    dense: Vec<u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    start: u32,
    /// In `sparse`, or [`DENSE`].
    len: u32,
}

const DENSE: u32 = u32::MAX;

impl Rows {
    /// Whether a set of the dimension has the value at this place.
    pub(super) fn has(&self, place: u32, set: SetId) -> bool {
        let row = self.rows.get(place as usize).copied().unwrap_or_default();
        let start = row.start as usize;
        if row.len == DENSE {
            return self.dense.get(start + set as usize / 64).is_some_and(|word| word >> (set % 64) & 1 == 1);
        }
        let sets = self.sparse.get(start..start + row.len as usize).unwrap_or_default();
        sets.binary_search(&set).is_ok()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(self.rows.as_slice())
            + size_of_val(self.sparse.as_slice())
            + size_of_val(self.dense.as_slice())
    }
}

/// Gathers the sets that records refer to.
#[derive(Debug, Default)]
pub(super) struct RowsBuilder {
    /// Equal sets are one span, so a dimension and a start identify a set.
    numbers: HashMap<(Dimension, u32), SetId>,
    sets: [Vec<Span>; Dimension::COUNT],
}

impl RowsBuilder {
    /// The number of a set; `None` when there are too many.
    pub(super) fn number(&mut self, dimension: Dimension, span: Span) -> Option<SetId> {
        if let Some(number) = self.numbers.get(&(dimension, span.start)) {
            return Some(*number);
        }
        let sets = self.sets.get_mut(dimension as usize)?;
        let number = SetId::try_from(sets.len()).ok()?;
        sets.push(span);
        self.numbers.insert((dimension, span.start), number);
        Some(number)
    }

    /// `None` when the rows are too large for their numbers.
    pub(super) fn finish(self, dictionary: &Dictionary, values: &Values, pools: &Pools) -> Option<Rows> {
        let mut rows = Rows { rows: vec![Row::default(); values.len()], ..Rows::default() };
        for (dimension, sets) in Dimension::ALL.into_iter().zip(&self.sets) {
            if !sets.is_empty() {
                let first = values.place(dimension, 0) as usize;
                let count = dictionary.count(dimension) as usize;
                rows.turn(first, count, sets, pools)?;
            }
        }
        Some(rows)
    }
}

impl Rows {
    /// Adds the rows of a dimension.
    fn turn(&mut self, first: usize, count: usize, sets: &[Span], pools: &Pools) -> Option<()> {
        let words = sets.len().div_ceil(64);
        let mut counts = vec![0_u32; count];
        for id in sets.iter().flat_map(|span| pools.span(*span)) {
            *counts.get_mut(*id as usize)? += 1;
        }
        let rows = self.rows.get_mut(first..first + count)?;
        for (row, count) in rows.iter_mut().zip(counts) {
            // From here on a bit per set takes less room than a number per set that has the value.
            if count as usize * 32 > words * 64 {
                *row = Row { start: u32::try_from(self.dense.len()).ok()?, len: DENSE };
                self.dense.resize(self.dense.len() + words, 0);
            } else {
                *row = Row { start: u32::try_from(self.sparse.len()).ok()?, len: 0 };
                self.sparse.resize(self.sparse.len() + count as usize, 0);
            }
        }
        for (set, span) in (0..).zip(sets) {
            for id in pools.span(*span) {
                add(rows, &mut self.sparse, &mut self.dense, *id, set)?;
            }
        }
        Some(())
    }
}

fn add(rows: &mut [Row], sparse: &mut [SetId], dense: &mut [u64], id: ValueId, set: SetId) -> Option<()> {
    let row = rows.get_mut(id as usize)?;
    let start = row.start as usize;
    if row.len == DENSE {
        *dense.get_mut(start + set as usize / 64)? |= 1 << (set % 64);
    } else {
        *sparse.get_mut(start + row.len as usize)? = set;
        row.len += 1;
    }
    Some(())
}
