//! Line items by slot: two steps from a slot to what a search asks of it first, and a change copies little.

use std::sync::Arc;

use tagbid_targeting::Class;

use super::{Entry, Kit};

/// Places to a chunk. A change copies the chunk and the chunks' list: 4 KiB and, of 100,000 places, 6 KiB.
const CHUNK: usize = 256;

/// A line item's place.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) entry: Arc<Entry>,
    /// The creatives of the line item, all together.
    pub(crate) kit: Kit,
    /// And their shapes.
    pub(super) class: Class,
}

/// A persistent vector: clones share all chunks, and a change replaces one.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    /// All full but the last.
    chunks: Arc<[Arc<[Place]>]>,
}

impl Places {
    pub(super) fn len(&self) -> usize {
        self.chunks.split_last().map_or(0, |(last, full)| full.len() * CHUNK + last.len())
    }

    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<&Place> {
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Place> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// Replaces a place, if it is there.
    pub(super) fn set(&mut self, at: usize, place: Place) {
        let chunk = Arc::make_mut(&mut self.chunks).get_mut(at / CHUNK);
        if let Some(old) = chunk.and_then(|chunk| Arc::make_mut(chunk).get_mut(at % CHUNK)) {
            *old = place;
        }
    }

    pub(super) fn push(&mut self, place: Place) {
        let grown = |chunk: &[Place]| chunk.iter().cloned().chain([place.clone()]).collect();
        match Arc::make_mut(&mut self.chunks).last_mut() {
            Some(last) if last.len() < CHUNK => *last = grown(last),
            _ => self.chunks = self.chunks.iter().cloned().chain([grown(&[])]).collect(),
        }
    }
}

impl FromIterator<Place> for Places {
    fn from_iter<I: IntoIterator<Item = Place>>(places: I) -> Self {
        let mut places = places.into_iter().peekable();
        let mut chunks = Vec::new();
        while places.peek().is_some() {
            chunks.push(places.by_ref().take(CHUNK).collect());
        }
        Self { chunks: chunks.into() }
    }
}
