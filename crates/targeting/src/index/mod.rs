//! The compiled index.

mod access;
mod build;
mod cells;
mod estimate;
mod keys;
mod lower;
mod postings;
mod processor;
mod record;
mod rows;
mod search;
mod signature;
mod slots;
mod values;

use bumpalo::Bump;
use tagbid_types::Cpm;

use crate::dictionary::Dictionary;
use crate::probe::View;
use crate::program::Test;
use crate::{Attributes, Candidate, Engine, Item, Lists, LiveSet, Probe, Refused, Slot, Traffic, Truth};

pub(crate) use postings::Cursor;
pub(crate) use search::Stream;
pub(crate) use signature::Seen;

use keys::Keys;
use postings::Postings;
use record::Verifier;
use signature::Layout;
use slots::SlotMap;

/// The compiled index.
#[derive(Debug)]
pub struct Index {
    dictionary: Dictionary,
    layout: Layout,
    keys: Keys,
    postings: Postings,
    /// A conjunction each, by falling bound and rising slot of their items.
    records: Vec<Record>,
    /// Of each record.
    bounds: Vec<Cpm>,
    verifier: Verifier,
    /// In the same order as the records.
    items: Vec<Place>,
    slots: SlotMap,
    /// Compiled [`Item::tests`], one item's after another's.
    tests: Vec<Test>,
}

/// A conjunction.
#[derive(Clone, Copy, Debug)]
struct Record {
    slot: Slot,
    /// Its words: up to `open` what the signature leaves open, then the rest.
    start: u32,
    open: u32,
    end: u32,
}

/// Where an item's parts are.
#[derive(Clone, Copy, Debug)]
struct Place {
    records: (u32, u32),
    tests: (u32, u32),
}

impl Index {
    /// Compiles the items, filing each where `traffic` says that few requests come by. Lists are needed only here.
    /// What cannot be compiled is left out and reported; the rest is served.
    pub fn build<'c>(
        items: impl IntoIterator<Item = Item<'c>>,
        lists: &Lists<'_>,
        traffic: &Traffic,
    ) -> (Self, Vec<Refused>) {
        build::build(items, lists, traffic, Dictionary::default())
    }

    /// How many items it searches.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether it searches none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Bytes that it holds on the heap, for benches and capacity planning.
    pub fn heap_bytes(&self) -> usize {
        self.dictionary.heap_bytes()
            + self.layout.heap_bytes()
            + self.keys.heap_bytes()
            + self.postings.heap_bytes()
            + size_of_val(self.records.as_slice())
            + size_of_val(self.bounds.as_slice())
            + self.verifier.heap_bytes()
            + size_of_val(self.items.as_slice())
            + self.slots.heap_bytes()
            + size_of_val(self.tests.as_slice())
    }

    /// Compares signatures one by one instead of four at a time, as on processors without AVX2. The answers are
    /// the same; tests hold that.
    #[must_use]
    pub fn without_simd(mut self) -> Self {
        self.postings.narrow();
        self
    }

    /// An index whose dictionary hashes as this one's does, so that a request's texts are hashed once for both.
    pub(crate) fn build_beside<'c>(
        &self,
        items: impl IntoIterator<Item = Item<'c>>,
        lists: &Lists<'_>,
    ) -> (Self, Vec<Refused>) {
        let (mut index, refused) = build::build(items, lists, &Traffic::default(), self.dictionary.sibling());
        index.postings.as_wide_as(&self.postings);
        (index, refused)
    }

    pub(crate) fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    fn empty(dictionary: Dictionary) -> Self {
        build::build([], &Lists::default(), &Traffic::default(), dictionary).0
    }

    /// Adds to a view what it needs to search this index.
    pub(crate) fn see<'a>(&self, view: &mut View<'a>, impression_only: bool, arena: &'a Bump) {
        view.seen = self.layout.of_request(view, &self.verifier.values);
        let cursors =
            |impression| self.keys.cursors(view, &self.verifier.values, &self.postings, impression, arena);
        view.cursors = [if impression_only { view.cursors[0] } else { cursors(false) }, cursors(true)];
    }

    /// The item of a record.
    #[inline]
    pub(crate) fn candidate(&self, record: u32) -> Candidate {
        let bound = self.bounds.get(record as usize).copied().unwrap_or_default();
        Candidate { slot: self.slot(record), bound }
    }

    pub(crate) fn all_views(&self, view: &View<'_>, live: &LiveSet, arena: &Bump, visit: impl FnMut(Slot)) {
        search::all(self, view, live, arena, visit);
    }

    #[inline]
    fn slot(&self, record: u32) -> Slot {
        self.records.get(record as usize).map_or(Slot(u32::MAX), |record| record.slot)
    }

    /// Whether a record that one of the request's keys led to, past its signature, holds.
    #[inline]
    pub(crate) fn holds(&self, record: u32, view: &View<'_>) -> bool {
        self.records.get(record as usize).is_some_and(|record| {
            let end = if view.seen.decided { record.open } else { record.end };
            let words = self.verifier.words.get(record.start as usize..end as usize);
            words.is_some_and(|words| self.verifier.holds(words, view))
        })
    }

    #[inline]
    fn prefetch(&self, record: u32) {
        if let Some(record) = self.records.get(record as usize) {
            processor::prefetch(record);
        }
    }

    #[inline]
    fn prefetch_words(&self, record: u32) {
        if let Some(record) = self.records.get(record as usize)
            && let Some(words) = self.verifier.words.get(record.start as usize)
        {
            processor::prefetch(words);
        }
    }

    pub(crate) fn matches_view(&self, view: &View<'_>, slot: Slot) -> bool {
        let Some(item) = self.slots.item(slot).and_then(|item| self.items.get(item as usize)) else {
            return false;
        };
        (item.records.0..item.records.1).any(|number| {
            // Its key is not among its words: it has to be found under one.
            let found = view.cursors.into_iter().flatten().any(|list| self.postings.contains(*list, number));
            found
                && self.records.get(number as usize).is_some_and(|record| {
                    let words = self.verifier.words.get(record.start as usize..record.end as usize);
                    words.is_some_and(|words| self.verifier.holds(words, view))
                })
        })
    }

    pub(crate) fn test_view(&self, view: &View<'_>, slot: Slot, index: usize) -> Truth {
        let test = self.slots.item(slot).and_then(|item| {
            let (start, end) = self.items.get(item as usize)?.tests;
            self.tests.get(start as usize..end as usize)?.get(index)
        });
        test.map_or(Truth::Unknown, |test| self.verifier.pools.truth(*test, view))
    }

    fn shrink(&mut self) {
        self.records.shrink_to_fit();
        self.bounds.shrink_to_fit();
        self.verifier.words.shrink_to_fit();
    }
}

impl Engine for Index {
    fn probe<'a>(&self, attributes: &Attributes<'a>, arena: &'a Bump) -> Probe<'a> {
        let mut view = View::new(&self.dictionary, attributes, arena);
        self.see(&mut view, false, arena);
        Probe::of(view)
    }

    fn impression<'a>(&self, request: &Probe<'a>, attributes: &Attributes<'a>, arena: &'a Bump) -> Probe<'a> {
        let mut view = request.view.impression(&self.dictionary, attributes, arena);
        self.see(&mut view, true, arena);
        Probe::of(view)
    }

    fn candidates<'s>(
        &'s self,
        probe: &'s Probe<'s>,
        live: &'s LiveSet,
        arena: &'s Bump,
    ) -> impl Iterator<Item = Candidate> + 's {
        let mut stream = Stream::new(self, &probe.view, arena);
        let mut last = None;
        std::iter::from_fn(move || {
            loop {
                let record = stream.next()?;
                let slot = self.slot(record);
                // The records of an item are neighbours; one that holds is enough.
                if last != Some(slot) && live.contains(slot) && self.holds(record, &probe.view) {
                    last = Some(slot);
                    return Some(self.candidate(record));
                }
            }
        })
    }

    fn all(&self, probe: &Probe<'_>, live: &LiveSet, arena: &Bump, visit: impl FnMut(Slot)) {
        search::all(self, &probe.view, live, arena, visit);
    }

    fn matches(&self, probe: &Probe<'_>, slot: Slot) -> bool {
        self.matches_view(&probe.view, slot)
    }

    fn test(&self, probe: &Probe<'_>, slot: Slot, index: usize) -> Truth {
        self.test_view(&probe.view, slot, index)
    }
}
