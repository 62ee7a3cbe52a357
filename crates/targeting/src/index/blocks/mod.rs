//! Broad records as columns of bits: what most requests would find under any key is not looked for under keys, but
//! decided for hundreds of records at once.
//!
//! The records here have *places*, in rising order of record. A **column** is a clause that a record may have once (or,
//! for exclusions, any number of times): countries wanted, tags excluded. It has a **row** of bits for each value that
//! some record names, a bit a place, and a wanting column one more for the records without the clause (*free*). A
//! request ORs the rows of its own values to what the column accepts, and ANDs the columns; an exclusion takes its
//! rows away. Rows that few places have are lists of places instead. Literals that fit no column are left to the
//! record's head and words, like any other's.

mod build;
mod combine;
mod rows;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;

pub(super) use build::BlocksBuilder;
use combine::LINE;
pub(super) use combine::{Line, Pass, combine_with};

use super::postings::Marks;
use super::processor::{Wide, prefetch};
use super::rows::{SetTest, Sets};
use super::veto::{self, VetoMask};
use crate::language::TagKind;
use crate::probe::View;
use crate::{Dimension, LiveSet, Slot};
use rows::{Row, TagNumbers};

/// Places whose rows are kept together: numbers within are 16 bits.
const CHUNK: usize = 1 << 16;
/// Lines that are combined at once, at most: their bits and those of one column stay in the nearest cache.
const MOST_LINES: usize = 64;
/// Places looked at together, so that their cache lines arrive together.
const BATCH: usize = 256;
/// What a column is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Values(Dimension),
    /// Of the week.
    Hour,
    Tags,
    Vetoes,
}

/// The same clause of many records.
#[derive(Clone, Copy, Debug)]
struct Column {
    subject: Subject,
    /// Its values are excluded.
    refuses: bool,
    /// Within a chunk's rows, those of its values, in the order of their numbers and so far apart.
    first: usize,
    step: usize,
    values: usize,
    /// When it wants: the places without the clause. When it refuses: those with it.
    other: usize,
}

/// What is asked of a place that the columns accept, again and side by side: records are five times as large.
#[derive(Clone, Copy, Debug)]
struct Front {
    sets: [SetTest; 2],
    slot: Slot,
}

/// The broad records of an index.
#[derive(Debug, Default)]
pub(super) struct Blocks {
    columns: Vec<Column>,
    /// Of each place.
    records: Vec<u32>,
    fronts: Vec<Front>,
    /// Places whose item has no other record, and of which the columns and the sets say all.
    direct: Vec<Line>,
    /// A chunk's after another's.
    rows: Vec<Row>,
    rows_a_chunk: usize,
    dense: Vec<Line>,
    sparse: Vec<u16>,
    tags: TagNumbers,
    /// How many columns are about tags. A chunk's rows begin with theirs, tag by tag.
    tag_columns: usize,
    wide: Option<Wide>,
}

impl Blocks {
    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(self.records.as_slice())
            + size_of_val(self.fronts.as_slice())
            + size_of_val(self.direct.as_slice())
            + size_of_val(self.rows.as_slice())
            + size_of_val(self.dense.as_slice())
            + size_of_val(self.sparse.as_slice())
            + self.tags.heap_bytes()
    }

    /// Gives up wide registers.
    pub(super) fn narrow(&mut self) {
        self.wide = None;
    }

    /// As wide or narrow as the other.
    pub(super) fn as_wide_as(&mut self, other: &Self) {
        self.wide = other.wide;
    }

    /// Whether one of the columns lets a request through to this record; `None` when it is not a broad one.
    pub(super) fn accepts(&self, record: u32, view: &View<'_>, arena: &Bump) -> Option<bool> {
        let place = self.records.binary_search(&record).ok()?;
        let mut sweep = Sweep { next: place / LINE * LINE, ..Sweep::new(self, view.vetoes, arena) };
        sweep.combine(view, 1);
        Some(sweep.found.first().is_some_and(|line| line.has(place % LINE)))
    }

    /// The request's rows of a chunk, column by column.
    fn passes<'a>(
        &self,
        chunk: usize,
        first: usize,
        view: &View<'_>,
        vetoes: &[u32],
        arena: &'a Bump,
    ) -> ArenaVec<'a, Pass<'a>> {
        let rows = self.rows.get(chunk * self.rows_a_chunk..).unwrap_or_default();
        let mut tags = ArenaVec::with_capacity_in(view.tags.len(), arena);
        tags.extend(view.tags.iter().filter_map(|tag| self.tags.number(tag.id.0)));
        for tag in &tags {
            rows.get(*tag as usize * self.tag_columns).into_iter().for_each(prefetch);
        }
        // Whoever excludes a tag that may be carried is passed over like whoever excludes one that is.
        let mut perhaps = ArenaVec::new_in(arena);
        perhaps.extend(view.unknown_tags.iter().filter_map(|tag| self.tags.number(tag.0)));
        if !perhaps.is_empty() {
            perhaps.extend_from_slice(&tags);
            perhaps.sort_unstable();
            perhaps.dedup();
        }
        let hour = view.hour_of_week.map(u32::from);
        let known = view.covers(TagKind::Any);
        let mut passes = ArenaVec::with_capacity_in(self.columns.len(), arena);
        for column in &self.columns {
            let values = match column.subject {
                Subject::Values(dimension) => view.values(dimension),
                Subject::Hour => hour.as_slice(),
                Subject::Tags if column.refuses && !perhaps.is_empty() => &perhaps,
                Subject::Tags => &tags,
                Subject::Vetoes => vetoes,
            };
            let mut pass = Pass::new(column.refuses, values.len(), arena);
            for value in values {
                pass.add(self, rows.get(column.first + *value as usize * column.step), first);
            }
            // The bits of a wanted value include the free places. An exclusion of tags fails when they are unknown.
            let other =
                if column.refuses { column.subject == Subject::Tags && !known } else { !pass.has_dense() };
            if other {
                pass.add(self, rows.get(column.other), first);
            }
            passes.push(pass);
        }
        passes
    }
}

fn each_bit(mut word: u64, first: usize, mut each: impl FnMut(usize)) {
    while word != 0 {
        each(first + word.trailing_zeros() as usize);
        word &= word - 1;
    }
}

/// Goes through the places in their order, some lines at a time.
pub(super) struct Sweep<'s> {
    blocks: &'s Blocks,
    /// Those in force.
    vetoes: ArenaVec<'s, u32>,
    arena: &'s Bump,
    /// Of the chunk that `next` is in.
    passes: ArenaVec<'s, Pass<'s>>,
    /// The first place that is not combined yet.
    next: usize,
    /// What was found before, and the place of its first bit.
    found: &'s mut [Line],
    start: usize,
    /// Lines of `found` that are taken.
    taken: usize,
    /// Records that [`Sweep::visit_direct`] has left, and how many of them are taken.
    left: ArenaVec<'s, u32>,
    taken_left: usize,
}

impl<'s> Sweep<'s> {
    pub(super) fn new(blocks: &'s Blocks, vetoes: VetoMask, arena: &'s Bump) -> Self {
        Self {
            blocks,
            vetoes: ArenaVec::from_iter_in(veto::numbers(vetoes), arena),
            arena,
            passes: ArenaVec::new_in(arena),
            next: 0,
            found: &mut [],
            start: 0,
            taken: 0,
            left: ArenaVec::new_in(arena),
            taken_left: 0,
        }
    }

    /// Marks the broad records below the end of the marks that nothing in a column speaks against.
    #[inline]
    pub(super) fn mark(&mut self, view: &View<'_>, marks: &mut Marks<'_>) {
        while let Some(record) = self.left.get(self.taken_left).filter(|record| **record < marks.end) {
            marks.set(*record);
            self.taken_left += 1;
        }
        while self.take(marks) {
            let rest = self.blocks.records.get(self.next..).unwrap_or_default();
            let below = rest.partition_point(|record| *record < marks.end);
            self.combine(view, below.div_ceil(LINE));
        }
    }

    /// Whether everything found so far is marked, and there is more to combine below the end.
    fn take(&mut self, marks: &mut Marks<'_>) -> bool {
        for line in self.found.iter_mut().skip(self.taken) {
            for (word, first) in line.0.iter_mut().zip((self.start + self.taken * LINE..).step_by(64)) {
                while *word != 0 {
                    let place = first + word.trailing_zeros() as usize;
                    match self.blocks.records.get(place) {
                        Some(record) if *record >= marks.end => return false,
                        Some(record) => marks.set(*record),
                        // Behind the last record.
                        None => {}
                    }
                    *word &= *word - 1;
                }
            }
            self.taken += 1;
        }
        self.blocks.records.get(self.next).is_some_and(|record| *record < marks.end)
    }

    /// Shows all that can be decided here, in no particular order; what is left is for [`Sweep::mark`].
    pub(super) fn visit_direct(
        &mut self,
        view: &View<'_>,
        sets: &Sets<'_>,
        live: &LiveSet,
        mut visit: impl FnMut(Slot),
    ) {
        let blocks = self.blocks;
        while self.next < blocks.records.len() {
            self.combine(view, MOST_LINES);
            let direct = blocks.direct.get(self.start / LINE..).unwrap_or_default();
            let mut words = self.found.iter().zip(direct).flat_map(|(found, own)| found.0.iter().zip(own.0));
            let mut first = self.start;
            // In two steps: the branches of the first cannot be foreseen, and must not wait for memory.
            loop {
                let (mut places, mut len) = ([0; BATCH], 0);
                for (found, own) in words.by_ref() {
                    each_bit(found & own, first, |place| {
                        if let Some(front) = blocks.fronts.get(place) {
                            prefetch(front);
                        }
                        if let Some(at) = places.get_mut(len) {
                            *at = place;
                        }
                        len += 1;
                    });
                    each_bit(found & !own, first, |place| self.left.extend(blocks.records.get(place)));
                    first += 64;
                    if len > BATCH - 64 {
                        break;
                    }
                }
                if len == 0 {
                    break;
                }
                for place in places.get(..len).unwrap_or_default() {
                    if let Some(Front { sets: [a, b], slot }) = blocks.fronts.get(*place)
                        && sets.holds(*a) & sets.holds(*b) & live.contains(*slot)
                    {
                        visit(*slot);
                    }
                }
            }
        }
        self.found = &mut [];
    }

    /// Combines the columns of the next lines, at most so many.
    #[inline(never)]
    fn combine(&mut self, view: &View<'_>, most: usize) {
        let (chunk, first) = (self.next / CHUNK, self.next % CHUNK / LINE);
        if first == 0 || self.passes.is_empty() {
            self.passes = self.blocks.passes(chunk, first, view, &self.vetoes, self.arena);
        }
        let left = (self.blocks.records.len() - self.next).div_ceil(LINE).min(CHUNK / LINE - first);
        let lines = most.min(MOST_LINES).min(left);
        let room = std::mem::take(&mut self.found);
        self.found = match room.split_at_mut_checked(lines) {
            Some((found, _)) => found,
            None => self.arena.alloc_slice_fill_copy(lines, Line::NONE),
        };
        combine::combine(self.blocks, &mut self.passes, first, self.found);
        (self.start, self.taken) = (self.next, 0);
        self.next += lines * LINE;
    }
}
