//! Sets turned round: for each value, which sets have it.
//!
//! A request has one site but meets hundreds of block lists. Its row answers each of them with one bit, and stays
//! in the nearest cache meanwhile; the lists themselves would be a search and a few cache misses each.

use super::told::Told;
use bumpalo::Bump;
use hashbrown::HashMap;

use super::processor::prefetch;
use crate::Dimension;
use crate::dictionary::{Dictionary, ValueId};
use crate::probe::View;
use crate::program::{Pools, Span};

/// Sets are numbered within their dimension; this many of them share their upper bits.
const CHUNK: usize = 1 << 16;
/// Words of a chunk's bits.
const CHUNK_WORDS: usize = CHUNK / 64;
/// A request's bits are written out unless more numbers than this would have to be set.
const MOST_WRITTEN: usize = 2_048;

/// A set and what is wanted of it, in a word: negation in bit 31, number of the column in 26-30, of the set below.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SetTest(u32);

impl SetTest {
    /// Holds for every request.
    pub(super) const NONE: Self = Self(u32::MAX);
    const MOST_SETS: usize = (1 << 26) - 1;

    fn new(column: usize, set: usize, negated: bool) -> Option<Self> {
        let column = u32::try_from(column).ok().filter(|column| *column < 32)?;
        let set = u32::try_from(set).ok().filter(|_| set < Self::MOST_SETS)?;
        Some(Self(u32::from(negated) << 31 | column << 26 | set))
    }

    pub(super) fn word(self) -> u32 {
        self.0
    }

    pub(super) fn of_word(word: u32) -> Self {
        Self(word)
    }
}

/// The sets that each value is in.
#[derive(Debug, Default)]
pub(super) struct Rows {
    columns: Vec<Column>,
    /// Of each value of a column, one per chunk.
    rows: Vec<Row>,
    /// Sorted numbers of sets within their chunk, of the values that few sets have.
    sparse: Vec<u16>,
    /// A bit per set, of the values that many have.
    dense: Vec<u64>,
}

/// A dimension with sets.
#[derive(Clone, Copy, Debug)]
struct Column {
    dimension: Dimension,
    first_row: u32,
    chunks: u32,
    /// Words of bits for all its sets.
    words: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Row {
    start: u32,
    /// In `sparse`, or [`DENSE`].
    len: u32,
}

const DENSE: u32 = u32::MAX;

/// Which sets of a column have one of the request's values.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SeenSets<'a> {
    /// Bits written out for this request.
    Written(&'a [u64]),
    /// The bits of its only value, from here in `dense`.
    Dense(u32),
    /// To be looked up value by value: writing them out would take longer.
    Search(&'a [ValueId]),
}

impl Rows {
    /// What the request's values say of every column; of those of the impression alone when `before` is given.
    pub(super) fn see<'a>(
        &self,
        view: &View<'a>,
        before: Option<&'a [SeenSets<'a>]>,
        arena: &'a Bump,
    ) -> &'a [SeenSets<'a>] {
        let see = |(at, column): (usize, &Column)| match before.and_then(|before| before.get(at)) {
            Some(before) if !column.dimension.is_impression() => *before,
            _ => self.see_column(column, view.values(column.dimension), arena),
        };
        arena.alloc_slice_fill_iter(self.columns.iter().enumerate().map(see))
    }

    fn see_column<'a>(&self, column: &Column, values: &'a [ValueId], arena: &'a Bump) -> SeenSets<'a> {
        if let [only] = values
            && let [first, rest @ ..] = self.rows_of(column, *only)
            && first.len == DENSE
            && rest.iter().all(|row| row.len == DENSE)
        {
            return SeenSets::Dense(first.start);
        }
        let sparse = |row: &Row| if row.len == DENSE { 0 } else { row.len as usize };
        let cost: usize = values.iter().flat_map(|id| self.rows_of(column, *id)).map(sparse).sum();
        if cost > MOST_WRITTEN {
            return SeenSets::Search(values);
        }
        let words = if values.is_empty() { 0 } else { column.words as usize };
        let bits = arena.alloc_slice_fill_copy(words, 0_u64);
        for id in values {
            for (row, bits) in self.rows_of(column, *id).iter().zip(bits.chunks_mut(CHUNK_WORDS)) {
                self.write(row, bits);
            }
        }
        SeenSets::Written(bits)
    }

    fn write(&self, row: &Row, bits: &mut [u64]) {
        if row.len == DENSE {
            let dense = self.dense.get(row.start as usize..).unwrap_or_default();
            bits.iter_mut().zip(dense).for_each(|(to, from)| *to |= from);
            return;
        }
        for set in self.sparse(row) {
            if let Some(word) = bits.get_mut(usize::from(*set) / 64) {
                *word |= 1 << (set % 64);
            }
        }
    }

    /// What was seen of every column, ready for one search.
    pub(super) fn open<'s>(&'s self, seen: &'s [SeenSets<'s>], arena: &'s Bump) -> Sets<'s> {
        let bits = |(seen, column): (&'s SeenSets<'s>, &Column)| match seen {
            SeenSets::Written(bits) => *bits,
            SeenSets::Dense(start) => {
                let start = *start as usize;
                self.dense.get(start..start + column.words as usize).unwrap_or_default()
            }
            SeenSets::Search(_) => &[],
        };
        let columns = seen.iter().zip(&self.columns).map(bits);
        let search = |at: u32, seen: &SeenSets<'_>| u32::from(matches!(seen, SeenSets::Search(_))) << at;
        let searched = (0..).zip(seen).fold(0, |bits, (at, seen)| bits | search(at, seen));
        Sets {
            told: Told::new(arena),
            rows: self,
            seen,
            columns: arena.alloc_slice_fill_iter(columns),
            searched,
        }
    }

    fn has(&self, column: usize, id: ValueId, set: usize) -> bool {
        let rows = self.columns.get(column).map(|column| self.rows_of(column, id)).unwrap_or_default();
        rows.get(set / CHUNK).is_some_and(|row| {
            let set = set % CHUNK;
            if row.len == DENSE {
                let word = self.dense.get(row.start as usize + set / 64);
                return word.is_some_and(|word| word >> (set % 64) & 1 == 1);
            }
            self.sparse(row).binary_search_by(|other| usize::from(*other).cmp(&set)).is_ok()
        })
    }

    fn rows_of(&self, column: &Column, id: ValueId) -> &[Row] {
        let start = (column.first_row + id * column.chunks) as usize;
        self.rows.get(start..start + column.chunks as usize).unwrap_or_default()
    }

    fn sparse(&self, row: &Row) -> &[u16] {
        let start = row.start as usize;
        self.sparse.get(start..start + row.len as usize).unwrap_or_default()
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
    /// Equal sets are one span, so a column and a start identify a set.
    numbers: HashMap<(usize, u32), usize>,
    columns: Vec<(Dimension, Vec<Span>)>,
}

impl RowsBuilder {
    /// The test of a set; `None` when there are too many.
    pub(super) fn test(&mut self, dimension: Dimension, span: Span, negated: bool) -> Option<SetTest> {
        let column = self.columns.iter().position(|(own, _)| *own == dimension).unwrap_or_else(|| {
            self.columns.push((dimension, Vec::new()));
            self.columns.len() - 1
        });
        let sets = &mut self.columns.get_mut(column)?.1;
        let number = *self.numbers.entry((column, span.start)).or_insert_with(|| {
            sets.push(span);
            sets.len() - 1
        });
        SetTest::new(column, number, negated)
    }

    /// `None` when the rows are too large for their numbers.
    pub(super) fn finish(self, dictionary: &Dictionary, pools: &Pools) -> Option<Rows> {
        let mut rows = Rows::default();
        for (dimension, sets) in &self.columns {
            rows.turn(*dimension, dictionary.count(*dimension) as usize, sets, pools)?;
        }
        rows.sparse.shrink_to_fit();
        rows.dense.shrink_to_fit();
        Some(rows)
    }
}

impl Rows {
    /// Adds a column.
    fn turn(&mut self, dimension: Dimension, values: usize, sets: &[Span], pools: &Pools) -> Option<()> {
        let first_row = self.rows.len();
        let chunks = sets.len().div_ceil(CHUNK);
        self.columns.push(Column {
            dimension,
            first_row: u32::try_from(first_row).ok()?,
            chunks: u32::try_from(chunks).ok()?,
            words: u32::try_from(sets.len().div_ceil(64)).ok()?,
        });
        self.rows.resize(first_row + values * chunks, Row::default());
        let at = |set: usize, id: &ValueId| first_row + *id as usize * chunks + set / CHUNK;
        for (set, span) in sets.iter().enumerate() {
            for id in pools.span(*span) {
                self.rows.get_mut(at(set, id))?.len += 1;
            }
        }
        for (number, row) in self.rows.get_mut(first_row..)?.iter_mut().enumerate() {
            let own = (sets.len() - number % chunks * CHUNK).min(CHUNK);
            // From here on bits take less room than numbers.
            if row.len as usize * 16 > own.next_multiple_of(64) {
                *row = Row { start: u32::try_from(self.dense.len()).ok()?, len: DENSE };
                self.dense.resize(self.dense.len() + own.div_ceil(64), 0);
            } else {
                let room = row.len as usize;
                *row = Row { start: u32::try_from(self.sparse.len()).ok()?, len: 0 };
                self.sparse.resize(self.sparse.len() + room, 0);
            }
        }
        for (set, span) in sets.iter().enumerate() {
            for id in pools.span(*span) {
                self.add(at(set, id), set % CHUNK)?;
            }
        }
        Some(())
    }

    fn add(&mut self, row: usize, set: usize) -> Option<()> {
        let row = self.rows.get_mut(row)?;
        let start = row.start as usize;
        if row.len == DENSE {
            *self.dense.get_mut(start + set / 64)? |= 1 << (set % 64);
        } else {
            *self.sparse.get_mut(start + row.len as usize)? = u16::try_from(set).ok()?;
            row.len += 1;
        }
        Some(())
    }
}

/// The sets of one request.
#[derive(Clone, Copy)]
pub(super) struct Sets<'s> {
    /// Of tests that line items share.
    pub(super) told: Told<'s>,
    rows: &'s Rows,
    seen: &'s [SeenSets<'s>],
    /// The bits of each column.
    columns: &'s [&'s [u64]],
    /// Columns that have none, a bit each.
    searched: u32,
}

impl Sets<'_> {
    /// Whether the test holds.
    #[inline]
    pub(super) fn holds(&self, test: SetTest) -> bool {
        if test == SetTest::NONE {
            return true;
        }
        let (column, set) = (test.0 >> 26 & 31, (test.0 & ((1 << 26) - 1)) as usize);
        let has = if self.searched >> column & 1 == 1 {
            self.search(column as usize, set)
        } else {
            let bits = self.columns.get(column as usize).copied().unwrap_or_default();
            // Without values there are no bits at all.
            bits.get(set / 64).is_some_and(|word| word >> (set % 64) & 1 == 1)
        };
        has != (test.0 >> 31 == 1)
    }

    /// Asks the processor to fetch the bits: for searches that will look at most of them.
    pub(super) fn prefetch(&self) {
        const LINE: usize = 8;
        let lines = self.columns.iter().flat_map(|bits| bits.iter().step_by(LINE));
        lines.for_each(prefetch);
    }

    #[cold]
    fn search(&self, column: usize, set: usize) -> bool {
        match self.seen.get(column) {
            Some(SeenSets::Search(values)) => values.iter().any(|id| self.rows.has(column, *id, set)),
            _ => false,
        }
    }
}

impl Default for SeenSets<'_> {
    fn default() -> Self {
        Self::Written(&[])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More sets than a chunk has room for; of the values some are in all sets, some in a few, some in none.
    #[test]
    fn every_way_to_look_gives_the_same() {
        const SETS: u32 = 70_000;
        const VALUES: u32 = 210;
        let in_set = |set: u32, value: u32| match value {
            0 => true,
            1 => set < 60_000,
            2..10 => false,
            _ => (set * 31 + value) % 200 < 9,
        };
        let mut dictionary = Dictionary::default();
        let mut pools = Pools::default();
        let mut builder = RowsBuilder::default();
        for value in 0..VALUES {
            dictionary.intern(Dimension::Site, &value.to_string()).unwrap();
        }
        let tests: Vec<_> = (0..SETS)
            .map(|set| {
                let start = pools.values.len() as u32;
                pools.values.extend((0..VALUES).filter(|value| in_set(set, *value)));
                let span = Span { start, len: pools.values.len() as u32 - start };
                builder.test(Dimension::Site, span, set % 2 == 1).unwrap()
            })
            .collect();
        let rows = builder.finish(&dictionary, &pools).unwrap();
        let arena = Bump::new();
        let mut ways = [0; 3];
        for values in [&[][..], &[0], &[1], &[3], &[17], &[0, 17], &[3, 4], &[3, 200]] {
            let seen = rows.see_column(&rows.columns[0], values, &arena);
            ways[match seen {
                SeenSets::Written(_) => 0,
                SeenSets::Dense(_) => 1,
                SeenSets::Search(_) => 2,
            }] += 1;
            let seen = [seen];
            let sets = rows.open(&seen, &arena);
            for (set, test) in (0..).zip(&tests) {
                let has = values.iter().any(|value| in_set(set, *value));
                assert_eq!(sets.holds(*test), has != (set % 2 == 1), "{values:?} {set}");
            }
        }
        assert!(ways.iter().all(|count| *count > 0), "{ways:?}");
    }
}
