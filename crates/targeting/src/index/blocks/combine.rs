//! Bits of many places at once: OR within a column, AND between columns.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;

use super::rows::Row;
use super::{Blocks, MOST_LINES};
use crate::index::processor::prefetch;

/// Places to a line.
pub(in crate::index) const LINE: usize = 512;

/// A cache line of bits, one a place.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(in crate::index) struct Line(pub(super) [u64; 8]);

impl Line {
    pub(super) const NONE: Self = Self([0; 8]);
    const ALL: Self = Self([u64::MAX; 8]);

    pub(super) fn set(&mut self, bit: usize) {
        if let Some(word) = self.0.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }

    pub(super) fn invert(&mut self) {
        self.0.iter_mut().for_each(|word| *word = !*word);
    }

    #[inline(always)]
    fn both(mut self, other: Self, with: impl Fn(u64, u64) -> u64) -> Self {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            *own = with(*own, other);
        }
        self
    }

    #[inline(always)]
    pub(super) fn or(self, other: Self) -> Self {
        self.both(other, |own, other| own | other)
    }

    #[inline(always)]
    pub(super) fn and(self, other: Self) -> Self {
        self.both(other, |own, other| own & other)
    }

    #[inline(always)]
    pub(super) fn and_not(self, other: Self) -> Self {
        self.both(other, |own, other| own & !other)
    }

    pub(super) fn has(&self, bit: usize) -> bool {
        self.0.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }
}

/// A column as one request meets it: the rows of its values.
#[derive(Debug)]
pub(in crate::index) struct Pass<'a> {
    refuses: bool,
    /// Where bits begin.
    dense: ArenaVec<'a, u32>,
    sparse: ArenaVec<'a, Listed>,
}

/// Where a list has got to.
#[derive(Clone, Copy, Debug)]
struct Listed {
    at: u32,
    end: u32,
    /// The place at `at`.
    next: u16,
}

impl<'a> Pass<'a> {
    pub(super) fn new(refuses: bool, rows: usize, arena: &'a Bump) -> Self {
        Self {
            refuses,
            dense: ArenaVec::with_capacity_in(rows + 1, arena),
            sparse: ArenaVec::with_capacity_in(rows + 1, arena),
        }
    }

    /// Adds a row of which the lines from `first` on come next.
    #[inline]
    pub(super) fn add(&mut self, blocks: &Blocks, row: Option<&Row>, first: usize) {
        match row {
            Some(row) if row.is_dense() => {
                blocks.dense.get(row.start as usize + first).into_iter().for_each(prefetch);
                self.dense.push(row.start);
            }
            Some(row) if row.len > 0 => {
                self.sparse.push(Listed {
                    at: row.start,
                    end: row.start + u32::from(row.len),
                    next: row.first,
                });
            }
            _ => {}
        }
    }

    pub(super) fn has_dense(&self) -> bool {
        !self.dense.is_empty()
    }
}

/// What all passes accept of the lines from `first` on. A list goes on where it ended before.
#[inline]
pub(super) fn combine(blocks: &Blocks, passes: &mut [Pass<'_>], first: usize, found: &mut [Line]) {
    match blocks.wide {
        Some(wide) => wide.combine(blocks, passes, first, found),
        None => combine_with(blocks, passes, first, found),
    }
}

/// The same for whatever instructions the caller was compiled for.
#[inline(always)]
pub(in crate::index) fn combine_with(
    blocks: &Blocks,
    passes: &mut [Pass<'_>],
    first: usize,
    found: &mut [Line],
) {
    let mut room = [Line::NONE; MOST_LINES];
    found.fill(Line::ALL);
    for pass in passes {
        let rows = match (pass.dense.as_slice(), pass.sparse.as_slice()) {
            ([], []) if pass.refuses => continue,
            ([row], []) => bits(blocks, *row, first),
            _ => {
                let room = room.get_mut(..found.len()).unwrap_or_default();
                pass.gather(blocks, first, room);
                room
            }
        };
        if pass.refuses {
            each(found, rows, Line::and_not);
        } else {
            each(found, rows, Line::and);
        }
    }
}

impl Pass<'_> {
    #[inline(always)]
    fn gather(&mut self, blocks: &Blocks, first: usize, room: &mut [Line]) {
        room.fill(Line::NONE);
        // Four at a time: `room` is loaded and stored once for all of them.
        let mut groups = self.dense.chunks_exact(4);
        for group in &mut groups {
            let [a, b, c, d] = group else { continue };
            let [a, b, c, d] = [a, b, c, d].map(|row| bits(blocks, *row, first));
            for ((((room, a), b), c), d) in room.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *room = room.or(*a).or(*b).or(*c).or(*d);
            }
        }
        groups.remainder().iter().for_each(|row| each(room, bits(blocks, *row, first), Line::or));
        self.set_listed(blocks, first, room);
    }

    /// Sets the bit of each listed place in these lines.
    #[inline(always)]
    fn set_listed(&mut self, blocks: &Blocks, first: usize, lines: &mut [Line]) {
        let end = (first + lines.len()) * LINE;
        for list in self.sparse.iter_mut().filter(|list| usize::from(list.next) < end) {
            let places = blocks.sparse.get(list.at as usize..list.end as usize).unwrap_or_default();
            // None of the places behind the list is below the end.
            (list.at, list.next) = (list.end, u16::MAX);
            // From front to back: a search for the end would touch more cache lines than all that is found.
            for (place, at) in places.iter().zip(list.end - places.len() as u32..) {
                let number = usize::from(*place);
                if number >= end {
                    (list.at, list.next) = (at, *place);
                    break;
                }
                // Only a search for a single record begins behind some of the list.
                if let Some(line) = lines.get_mut((number / LINE).wrapping_sub(first)) {
                    line.set(number % LINE);
                }
            }
        }
    }
}

#[inline(always)]
fn bits(blocks: &Blocks, row: u32, first: usize) -> &[Line] {
    blocks.dense.get(row as usize + first..).unwrap_or_default()
}

#[inline(always)]
fn each(to: &mut [Line], from: &[Line], with: impl Fn(Line, Line) -> Line) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = with(*to, *from);
    }
}
