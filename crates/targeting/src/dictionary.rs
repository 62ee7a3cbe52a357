//! Values as small numbers.

use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;

use crate::Dimension;

/// Number of a value within its dimension: dense, from zero, in the order of first sight.
pub(crate) type ValueId = u32;

/// Bytes of a text that stand in the entry itself; most values of requests are shorter.
const HEAD: usize = 16;

/// The values that expressions name, numbered per dimension. A value that no expression names has no number:
/// no test could tell it from another.
///
/// One open-addressing table for all dimensions: a lookup costs a slot and an entry, two cache lines, because a
/// request resolves some twenty values when the caches hold something else. The text is compared after the hash,
/// which is never an identity.
#[derive(Debug, Default)]
pub(crate) struct Dictionary {
    hasher: DefaultHashBuilder,
    /// A power of two of slots, at most two thirds full: upper half of the hash, then place in `entries` plus one.
    slots: Vec<u64>,
    entries: Vec<Entry>,
    /// What of the longer texts does not fit their entries.
    tails: Vec<u8>,
    counts: [u32; Dimension::COUNT],
}

/// A value; 32 bytes, so that none straddles a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(32))]
struct Entry {
    /// The first bytes of the text, padded with zeros.
    head: [u8; HEAD],
    tail: u32,
    len: u32,
    id: ValueId,
    dimension: Dimension,
}

fn head(text: &str) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    for (to, from) in head.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    head
}

impl Dictionary {
    /// An empty dictionary whose hashes are those of this one.
    pub(crate) fn sibling(&self) -> Self {
        Self { hasher: self.hasher.clone(), ..Self::default() }
    }

    /// The hash by which siblings find a value.
    pub(crate) fn hash(&self, dimension: Dimension, value: &str) -> u64 {
        self.hasher.hash_one((dimension as u8, value))
    }

    /// The number of a normalised value, given out now if need be. `None` when there is no room left.
    pub(crate) fn intern(&mut self, dimension: Dimension, value: &str) -> Option<ValueId> {
        let hash = self.hash(dimension, value);
        if let Some(id) = self.find(hash, dimension, value) {
            return Some(id);
        }
        if (self.entries.len() + 1) * 3 > self.slots.len() * 2 {
            self.grow();
        }
        let count = self.counts.get_mut(dimension as usize)?;
        let entry = Entry {
            head: head(value),
            tail: u32::try_from(self.tails.len()).ok()?,
            len: u32::try_from(value.len()).ok()?,
            id: *count,
            dimension,
        };
        let place = u64::from(u32::try_from(self.entries.len() + 1).ok()?);
        *count += 1;
        self.tails.extend(value.bytes().skip(HEAD));
        self.entries.push(entry);
        put(&mut self.slots, hash, place);
        Some(entry.id)
    }

    /// The memory where the search for a hash begins.
    pub(crate) fn slot(&self, hash: u64) -> Option<&u64> {
        self.slots.get(home(hash) & self.slots.len().wrapping_sub(1))
    }

    /// The number of a value with this hash, if some expression names it.
    pub(crate) fn find(&self, hash: u64, dimension: Dimension, value: &str) -> Option<ValueId> {
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = home(hash) & mask;
        loop {
            let slot = *self.slots.get(at)?;
            if slot == 0 {
                return None;
            }
            if slot >> 32 == hash >> 32
                && let Some(entry) = self.entries.get((slot as u32).wrapping_sub(1) as usize)
                && entry.dimension == dimension
                && self.is(entry, value)
            {
                return Some(entry.id);
            }
            at = (at + 1) & mask;
        }
    }

    /// How many values of the dimension have numbers.
    pub(crate) fn count(&self, dimension: Dimension) -> u32 {
        self.counts.get(dimension as usize).copied().unwrap_or(0)
    }

    /// Every value with its number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Dimension, ValueId, String)> + '_ {
        self.entries.iter().map(|entry| {
            let len = entry.len as usize;
            let mut text: Vec<_> = entry.head.iter().copied().take(len).collect();
            text.extend_from_slice(self.tail(entry));
            (entry.dimension, entry.id, String::from_utf8_lossy(&text).into_owned())
        })
    }

    /// Bytes on the heap, for reports.
    pub(crate) fn heap_bytes(&self) -> usize {
        size_of_val(self.slots.as_slice()) + size_of_val(self.entries.as_slice()) + self.tails.len()
    }

    fn is(&self, entry: &Entry, value: &str) -> bool {
        entry.len as usize == value.len()
            && entry.head == head(value)
            && (value.len() <= HEAD || value.as_bytes().get(HEAD..) == Some(self.tail(entry)))
    }

    fn tail(&self, entry: &Entry) -> &[u8] {
        let start = entry.tail as usize;
        let len = (entry.len as usize).saturating_sub(HEAD);
        self.tails.get(start..start + len).unwrap_or_default()
    }

    fn grow(&mut self) {
        let mut slots = vec![0; (self.slots.len() * 2).max(16)];
        for (entry, place) in self.entries.iter().zip(1..) {
            let len = entry.len as usize;
            let text = [entry.head.get(..len.min(HEAD)).unwrap_or_default(), self.tail(entry)].concat();
            if let Ok(text) = str::from_utf8(&text) {
                put(&mut slots, self.hash(entry.dimension, text), place);
            }
        }
        self.slots = slots;
    }
}

/// Where to begin: bits that the slot does not keep.
fn home(hash: u64) -> usize {
    hash as u32 as usize
}

fn put(slots: &mut [u64], hash: u64, place: u64) {
    let mask = slots.len().wrapping_sub(1);
    let mut at = home(hash) & mask;
    while let Some(slot) = slots.get_mut(at) {
        if *slot == 0 {
            *slot = hash >> 32 << 32 | place;
            return;
        }
        at = (at + 1) & mask;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_numbers_whatever_their_length() {
        let texts: Vec<_> = (0..500).map(|n| "é".repeat(n % 40) + &n.to_string()).collect();
        let mut dictionary = Dictionary::default();
        for (text, id) in texts.iter().zip(0..) {
            assert_eq!(dictionary.intern(Dimension::City, text), Some(id));
        }
        for (text, id) in texts.iter().zip(0..) {
            let find = |dimension, text: &str| {
                let hash = dictionary.hash(dimension, text);
                dictionary.find(hash, dimension, text)
            };
            assert_eq!(find(Dimension::City, text), Some(id));
            assert_eq!(find(Dimension::Carrier, text), None);
            assert_eq!(find(Dimension::City, &format!("{text}\0")), None);
        }
        // Whoever has the same hash must have the same text too, to its end.
        let long = dictionary.entries.iter().zip(&texts).filter(|(entry, _)| entry.len as usize > HEAD);
        for (entry, text) in long {
            let other = text
                .char_indices()
                .next_back()
                .map(|(at, last)| format!("{}{}", &text[..at], if last == '0' { '1' } else { '0' }));
            assert!(dictionary.is(entry, text) && !dictionary.is(entry, &other.unwrap()));
        }
        let named: Vec<_> = dictionary.iter().map(|(_, _, text)| text).collect();
        assert_eq!(named, texts);
    }
}
