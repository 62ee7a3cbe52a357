//! Posting lists: which records a key of the request leads to, and for each a signature that tells most of them
//! apart without touching the record.

use super::processor::{Wide, prefetch};

/// The narrow signature: what a record accepts, or what a request has. See [`Layout`](super::signature::Layout).
pub(crate) type Signature = [u32; 3];

/// Postings to a block: one compare looks at all of them.
pub(super) const LANES: usize = 4;

/// Four postings in one cache line, transposed. A list may begin and end anywhere in a block, so that short lists
/// waste no room; neighbours share their blocks.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Block {
    pub(super) signatures: [[u32; LANES]; 3],
    pub(super) records: [u32; LANES],
}

/// No posting: accepts nothing, beyond every record.
const EMPTY: Block = Block { signatures: [[0; LANES]; 3], records: [i32::MAX as u32; LANES] };

/// Where a list has got to: the next posting and the end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor {
    pub(super) at: u32,
    pub(super) end: u32,
    /// A record that is not behind the next posting's; zero when not known.
    pub(super) next: u32,
}

/// All lists, one after the other, each in rising order of record.
#[derive(Debug)]
pub(super) struct Postings {
    blocks: Vec<Block>,
    /// How to compare four at a time, where the processor can.
    wide: Option<Wide>,
}

impl Postings {
    /// With room for so many postings.
    pub(super) fn with_len(len: usize) -> Self {
        Self { blocks: vec![EMPTY; len.div_ceil(LANES)], wide: Wide::find() }
    }

    /// Gives up wide registers: for tests, which compare both ways.
    pub(super) fn narrow(&mut self) {
        self.wide = None;
    }

    /// As wide or narrow as the other.
    pub(super) fn as_wide_as(&mut self, other: &Self) {
        self.wide = other.wide;
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(self.blocks.as_slice())
    }

    pub(super) fn set(&mut self, at: usize, record: u32, signature: Signature) {
        if let Some(block) = self.blocks.get_mut(at / LANES) {
            let lane = at % LANES;
            for (lanes, word) in block.signatures.iter_mut().zip(signature) {
                if let Some(place) = lanes.get_mut(lane) {
                    *place = word;
                }
            }
            if let Some(place) = block.records.get_mut(lane) {
                *place = record;
            }
        }
    }

    /// Asks the processor to fetch the block of a posting.
    #[inline]
    pub(super) fn prefetch(&self, at: u32) {
        if let Some(block) = self.blocks.get(at as usize / LANES) {
            prefetch(block);
        }
    }

    /// Whether a list has this record.
    pub(super) fn contains(&self, list: Cursor, record: u32) -> bool {
        let (mut low, mut high) = (list.at, list.end);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.record(middle).cmp(&record) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return true,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        false
    }

    fn record(&self, at: u32) -> u32 {
        let block = self.blocks.get(at as usize / LANES).unwrap_or(&EMPTY);
        block.records.get(at as usize % LANES).copied().unwrap_or(u32::MAX)
    }

    /// Marks every record below `marks`' end whose signature accepts everything that the request has, and moves
    /// the lists past them.
    #[inline]
    pub(super) fn mark(&self, lists: &mut [Cursor], has: Signature, marks: &mut Marks<'_>) {
        match self.wide {
            Some(wide) => wide.mark(&self.blocks, lists, has, marks),
            None => lists.iter_mut().for_each(|list| narrow(&self.blocks, list, has, marks)),
        }
    }
}

/// Records that one [`Marks`] has room for: its bits, 8 KiB, stay in the nearest cache.
pub(super) const MOST_MARKS: u32 = 65_536;

/// The records of a stretch that may match, a bit each.
#[derive(Debug)]
pub(super) struct Marks<'m> {
    /// The first record of the stretch.
    pub(super) start: u32,
    /// The record after the last.
    pub(super) end: u32,
    words: &'m mut [u64],
    /// Which words have a bit: most have none, and looking at each would cost more than all that is found.
    used: [u64; MOST_MARKS as usize / 64 / 64],
}

impl<'m> Marks<'m> {
    /// With nothing marked, in this memory, which is all zero.
    pub(super) fn new(start: u32, end: u32, words: &'m mut [u64]) -> Self {
        Self { start, end, words, used: [0; MOST_MARKS as usize / 64 / 64] }
    }

    #[inline]
    pub(super) fn set(&mut self, record: u32) {
        let bit = record.wrapping_sub(self.start);
        let word = bit / 64;
        if let (Some(place), Some(used)) =
            (self.words.get_mut(word as usize), self.used.get_mut(word as usize / 64))
        {
            *place |= 1 << (bit % 64);
            *used |= 1 << (word % 64);
        }
    }

    /// Removes and returns the next word with its first record.
    #[inline]
    pub(super) fn take(&mut self) -> Option<(u32, u64)> {
        for (group, used) in (0..).zip(&mut self.used) {
            if *used != 0 {
                let word = group * 64 + used.trailing_zeros();
                *used &= *used - 1;
                let bits = std::mem::take(self.words.get_mut(word as usize)?);
                return Some((self.start + word * 64, bits));
            }
        }
        None
    }

    /// The memory, all zero once everything was taken.
    pub(super) fn into_words(self) -> &'m mut [u64] {
        self.words
    }
}

fn narrow(blocks: &[Block], list: &mut Cursor, has: Signature, marks: &mut Marks<'_>) {
    while list.at < list.end {
        let (Some(block), lane) = (blocks.get(list.at as usize / LANES), list.at as usize % LANES) else {
            return;
        };
        let record = block.records.get(lane).copied().unwrap_or(u32::MAX);
        if record >= marks.end {
            list.next = record;
            return;
        }
        let accepted = |lanes: &[u32; LANES]| lanes.get(lane).copied().unwrap_or(0);
        if block.signatures.iter().zip(has).all(|(lanes, has)| has & !accepted(lanes) == 0) {
            marks.set(record);
        }
        list.at += 1;
    }
}
