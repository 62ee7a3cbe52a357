//! Searching: tier by tier, each tier's possible records in order.

use bumpalo::Bump;

use super::Index;
use super::blocks::Sweep;
use super::postings::{Cursor, MOST_MARKS, Marks};
use super::rows::Sets;
use super::signature::Signatures;
use super::veto::VetoMask;
use crate::probe::View;
use crate::{LiveSet, Slot};

/// Records of the first tier. Ten matches are among some 4,000 records when 0.25 % match and among 400 when 2.5 % do;
/// a tier costs a look at every cursor, some 100 ns.
pub(crate) const FIRST_TIER: u32 = 2_048;
/// Records looked at together, so that their cache lines arrive together.
const BATCH: usize = 32;

/// The records that may match, in rising order, found tier by tier as they are asked for.
pub(crate) struct Stream<'s> {
    index: &'s Index,
    view: &'s View<'s>,
    /// The request's signatures, with the classes that this search refuses.
    has: Signatures,
    sets: Sets<'s>,
    arena: &'s Bump,
    first_tier: u32,
    cursors: &'s mut [Cursor],
    sweep: Sweep<'s>,
    marks: Marks<'s>,
    /// A bit for each record to look at; all where it is empty.
    own: &'s [u64],
    /// What is left of the marks' last word, and its first record.
    word: u64,
    first: u32,
    /// Records whose heads passed: those from `head` to `len` are still to come.
    batch: [u32; BATCH],
    head: usize,
    len: usize,
}

impl<'s> Stream<'s> {
    /// `refused`: classes of items that are not looked for.
    pub(crate) fn new(
        index: &'s Index,
        view: &'s View<'s>,
        refused: VetoMask,
        first_tier: u32,
        arena: &'s Bump,
    ) -> Self {
        let [own, impression] = view.cursors;
        let cursors = arena.alloc_slice_fill_iter(Both { own, impression });
        let marks = Marks::new(0, 0, &mut []);
        let sets = index.verifier.rows.open(view.sets, arena);
        Self {
            index,
            view,
            has: index.signatures_with(view, refused),
            sets,
            arena,
            first_tier,
            cursors,
            sweep: Sweep::new(&index.blocks, view.vetoes | refused, arena),
            marks,
            own: &[],
            word: 0,
            first: 0,
            batch: [0; BATCH],
            head: 0,
            len: 0,
        }
    }

    /// The next record whose key, signature and sets do; what its words say is still to be verified.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<u32> {
        while self.head == self.len {
            self.refill(self.first_tier)?;
        }
        let record = self.batch.get(self.head).copied();
        self.head += 1;
        record
    }

    /// Whether a record that came out of [`Stream::next`] holds.
    #[inline]
    pub(crate) fn holds(&self, record: u32) -> bool {
        self.index.holds(record, self.view, &self.sets)
    }

    /// Takes the next marked records of a tier and keeps those whose heads pass. `None` when there are no more.
    fn refill(&mut self, least_tier: u32) -> Option<()> {
        let marked = self.take_marked(least_tier)?;
        (self.head, self.len) = (0, 0);
        for at in 0..marked {
            let record = self.batch.get(at).copied().unwrap_or_default();
            let passes = self.index.passes(record, &self.has.wide, &self.sets);
            // Without a branch: half of the records pass, in no order that a processor could foresee.
            if let Some(place) = self.batch.get_mut(self.len) {
                *place = record;
            }
            self.len += usize::from(passes);
        }
        Some(())
    }

    fn take_marked(&mut self, least_tier: u32) -> Option<usize> {
        let mut count = 0;
        while count < BATCH {
            while self.word == 0 {
                match self.marks.take() {
                    Some((first, word)) => {
                        // Tiers begin and end at whole words.
                        let own = self.own.get(first as usize / 64).copied().unwrap_or(u64::MAX);
                        (self.first, self.word) = (first, word & own);
                    }
                    None if count > 0 => return Some(count),
                    None => self.next_tier(least_tier)?,
                }
            }
            let record = self.first + self.word.trailing_zeros();
            self.word &= self.word - 1;
            self.index.prefetch(record);
            if let Some(place) = self.batch.get_mut(count) {
                *place = record;
            }
            count += 1;
        }
        Some(count)
    }

    /// Marks the records of the next tier, which is at least so large; `None` when there is none.
    fn next_tier(&mut self, least: u32) -> Option<()> {
        let records = self.index.records.len() as u32;
        let start = self.marks.end;
        if start >= records {
            return None;
        }
        let last = self.marks.end - self.marks.start;
        let size = (last * 2).clamp(least, MOST_MARKS).min(records - start);
        let words = size.div_ceil(64) as usize;
        let done = std::mem::replace(&mut self.marks, Marks::new(0, 0, &mut []));
        // Everything was taken from the last tier, so its memory is clean.
        let words = match done.into_words().split_at_mut_checked(words) {
            Some((words, _)) => words,
            None => self.arena.alloc_slice_fill_copy(words, 0),
        };
        self.marks = Marks::new(start, start + size, words);
        self.index.postings.mark(self.cursors, self.has.narrow, &mut self.marks);
        self.sweep.mark(self.view, &mut self.marks);
        Some(())
    }
}

/// The cursors of the request and those of the impression.
struct Both<'c> {
    own: &'c [Cursor],
    impression: &'c [Cursor],
}

impl Iterator for Both<'_> {
    type Item = Cursor;

    fn next(&mut self) -> Option<Cursor> {
        let slice = if self.own.is_empty() { &mut self.impression } else { &mut self.own };
        let (first, rest) = slice.split_first()?;
        *slice = rest;
        Some(*first)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.len();
        (len, Some(len))
    }
}

impl ExactSizeIterator for Both<'_> {
    fn len(&self) -> usize {
        self.own.len() + self.impression.len()
    }
}

/// Every live match, a batch at a time.
pub(super) fn all(index: &Index, view: &View<'_>, live: &LiveSet, arena: &Bump, mut visit: impl FnMut(Slot)) {
    let mut stream = Stream::new(index, view, 0, MOST_MARKS, arena);
    stream.own = &index.own;
    stream.sets.prefetch();
    stream.sweep.visit_direct(view, &stream.sets, live, &mut visit);
    let mut last = None;
    while stream.refill(MOST_MARKS).is_some() {
        let passed = stream.batch.get(..stream.len).unwrap_or_default();
        passed.iter().for_each(|record| index.prefetch_words(*record));
        for record in passed {
            let slot = index.slot(*record);
            if last != Some(slot) && live.contains(slot) && stream.holds(*record) {
                last = Some(slot);
                visit(slot);
            }
        }
    }
}
