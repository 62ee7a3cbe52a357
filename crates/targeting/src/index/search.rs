//! Searching: tier by tier, each tier's possible records in order.

use bumpalo::Bump;

use super::Index;
use super::postings::{Cursor, Marks};
use crate::probe::View;
use crate::{LiveSet, Slot};

/// Records of the first tier. Ten matches are among some 4,000 records when 0.25 % match and among 400 when 2.5 % do;
/// a tier costs a look at every cursor, some 100 ns.
const FIRST_TIER: u32 = 2_048;
/// Records of the largest tier: its marks, 8 KiB, stay in the nearest cache.
const LARGEST_TIER: u32 = 65_536;

/// The records that may match, in rising order, found tier by tier as they are asked for.
pub(crate) struct Stream<'s> {
    index: &'s Index,
    view: &'s View<'s>,
    arena: &'s Bump,
    cursors: &'s mut [Cursor],
    marks: Marks<'s>,
    /// The next word of the marks, and what is left of the one before.
    next_word: usize,
    word: u64,
}

impl<'s> Stream<'s> {
    pub(crate) fn new(index: &'s Index, view: &'s View<'s>, arena: &'s Bump) -> Self {
        let [own, impression] = view.cursors;
        let cursors = arena.alloc_slice_fill_iter(Both { own, impression });
        let marks = Marks { start: 0, end: 0, words: &mut [] };
        Self { index, view, arena, cursors, marks, next_word: 0, word: 0 }
    }

    /// The next record that may match.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<u32> {
        while self.word == 0 {
            match self.marks.words.get(self.next_word) {
                Some(word) => {
                    self.word = *word;
                    self.next_word += 1;
                }
                None => self.next_tier(FIRST_TIER)?,
            }
        }
        let bit = self.word.trailing_zeros();
        self.word &= self.word - 1;
        Some(self.marks.start + (self.next_word as u32 - 1) * 64 + bit)
    }

    /// Marks the records of the next tier, which is at least so large; `None` when there is none.
    fn next_tier(&mut self, least: u32) -> Option<()> {
        let records = self.index.records.len() as u32;
        let start = self.marks.end;
        if start >= records {
            return None;
        }
        let last = self.marks.end - self.marks.start;
        let size = (last * 2).clamp(least, LARGEST_TIER).min(records - start);
        let words = size.div_ceil(64) as usize;
        let room = std::mem::take(&mut self.marks.words);
        self.marks.words = match room.get_mut(..words) {
            Some(_) => {
                let (words, _) = room.split_at_mut_checked(words).unwrap_or_default();
                words.fill(0);
                words
            }
            None => self.arena.alloc_slice_fill_copy(words, 0),
        };
        (self.marks.start, self.marks.end) = (start, start + size);
        let has = self.view.seen.signature;
        for cursor in self.cursors.iter_mut() {
            if cursor.next < self.marks.end && cursor.at < cursor.end {
                self.index.postings.mark(cursor, has, &mut self.marks);
            }
        }
        self.next_word = 0;
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

/// Every live match, a tier at a time. Records are fetched some way ahead of their verification.
pub(super) fn all(index: &Index, view: &View<'_>, live: &LiveSet, arena: &Bump, mut visit: impl FnMut(Slot)) {
    let mut stream = Stream::new(index, view, arena);
    let mut last = None;
    let mut batch = [0_u32; BATCH];
    while stream.next_tier(LARGEST_TIER).is_some() {
        loop {
            let found = stream.take(&mut batch);
            if found.is_empty() {
                break;
            }
            found.iter().for_each(|record| index.prefetch(*record));
            found.iter().for_each(|record| index.prefetch_words(*record));
            for record in found.iter() {
                let slot = index.slot(*record);
                if last != Some(slot) && live.contains(slot) && index.holds(*record, view) {
                    last = Some(slot);
                    visit(slot);
                }
            }
        }
    }
}

/// Records verified together.
const BATCH: usize = 32;

impl Stream<'_> {
    /// The next records of this tier, none at its end.
    fn take<'b>(&mut self, batch: &'b mut [u32; BATCH]) -> &'b [u32] {
        for count in 0..BATCH {
            while self.word == 0 {
                let Some(word) = self.marks.words.get(self.next_word) else {
                    return batch.get(..count).unwrap_or_default();
                };
                self.word = *word;
                self.next_word += 1;
            }
            if let Some(place) = batch.get_mut(count) {
                *place = self.marks.start + (self.next_word as u32 - 1) * 64 + self.word.trailing_zeros();
            }
            self.word &= self.word - 1;
        }
        batch
    }
}
