//! The compiled index: a request looks at few line items, most of them by four words beside a posting.
//!
//! # Structure
//! * An expression becomes a disjunction of conjunctions (`lower`), each a **record**. Beyond eight conjunctions it
//!   stays whole: one record that runs the expression's program.
//! * An item with [`Raise`](crate::Raise)s has such records for each of its bounds: its targeting and what the raise asks,
//!   as one conjunction. So an item is met at the bound that it has for this request, whatever it could pay at best.
//! * Records are numbered by falling bound, then rising slot of their items: a list of records is a list in the order of
//!   the search.
//! * A record is filed under all values of one of its clauses (`access`): the one that the fewest requests meet, by
//!   observed [`Traffic`] or, without, by how often items name each value. Circles are filed under the cells of a
//!   grid (`cells`), operating system versions under the system, records without a usable clause under a key that
//!   every request has. Exclusions, hours, presence and clauses of more than 1,024 values are never keys.
//!   An index of a few changed items files nothing: all its records are under that key.
//! * Where much of a catalog is **broad**, its broad records are under no key but in **blocks** (`blocks`): columns of
//!   bits, hundreds of records to a line, which decide most clauses of all of them at once. `filing` chooses.
//! * A **posting** (`postings`) is 16 bytes: a record's number and a signature of 96 bits. Four stand in a cache
//!   line and are compared at once with AVX2, or one by one with the same answers (`processor`).
//! * A **signature** (`signature`) has a field of bits for each small dimension, a bit for each frequent value and
//!   one for the rest. A posting's says what can be ruled out; the record's own, 256 bits, decides most clauses of
//!   small dimensions exactly, exclusions too.
//! * A **veto** (`veto`) speaks against many records at once: a test that they share, such as a circle or an audience of
//!   some weight, and that the request does not meet; a class of items that the searcher does not want. Up to 64 of them
//!   are answered before a search; each has a bit in the signatures and a row in the blocks.
//! * A **record** (`record`) has one cache line: the wide signature and up to two tests of large sets, which are bits
//!   in rows by value (`rows`): "is this site on that block list" is one load. What is still open (tags, small sets,
//!   whatever has a gate) are a few words, verified last.
//!
//! # A search
//! [`Engine::probe`] resolves the request's texts, makes both signatures, and lays out a cursor for each key that
//! has postings (`keys`). A [`Stream`] then goes through the records in **tiers**: it marks the records of the first
//! 2,048 that pass their postings or the columns, in a bitmap, which sorts them and drops those found under two keys;
//! takes them from there in batches of 32, whose lines are fetched together; and verifies one when it is asked for.
//! Whoever wants more than a tier has gets the next, twice as large. So the best ten cost about the same whether the catalog
//! has ten thousand items or a million, and an item's live bit is tested when its turn comes. A search for all takes
//! broad records without raise, twin and anything left to verify straight from the blocks: order means nothing there.
//!
//! # Invariants
//! * If an item matches, at least one of its records is under a key of the request and passes its posting's signature,
//!   or is in blocks and passes the columns; and it passes its own signature, its sets and its words. A record that
//!   passes all of these makes its item match.
//! * Lists, marks and batches are in rising order of record; records of an item at one bound are neighbours. Where items
//!   have raises, a search remembers what it found (`seen`), and a search for all looks at own bounds only.
//! * A signature never refuses what the clauses accept. It *decides* a clause only where every value that the clause
//!   names has its own bit. A request with several values in a dimension has no bit there: then the words after
//!   `open` are verified too.
//! * A veto that a signature has a bit for decides what it stands for, and is not verified again. A search that refuses
//!   no class (`all`, `candidates`) finds the items of all.
//! * Only certain truth counts, so a clause that can never be known is false, negated or not, and tags are verified
//!   under the request's knowledge.
//! * A hash finds a value; its text is compared. Traffic decides about speed, never about answers.
//!
//! # Limits
//! * An item beyond the limits of an expression is refused alone. Records and postings have numbers of 31 and 32 bits,
//!   the values of sets, words and rows 32, the large sets of a dimension 26: beyond these *all* items are refused and
//!   reported, so that nobody takes a part for the whole. Memory ends before any of them.
//! * A build looks at each different set, list and test once, however many items share it, and at every literal of every
//!   record. Whatever new is done by value must keep to that: with a look at a shared list of 100,000 domains for every
//!   item, 20,000 items took 27 s to build instead of 0.7 s.
//! * Blocks have a row of 8 bytes for every value of a dimension that some broad record names, in every 65,536 broad
//!   records: one that wants a site, beside block lists with a million different sites, costs 8 MB.
//!
//! # Cost
//! Reference workload ([`workload`](crate::workload)), probe included; means over the requests of the least of several
//! shuffled passes, as `cargo xtask bench targeting` takes them. Two cores of an AMD EPYC, otherwise idle, where the
//! [`Scan`](crate::Scan) took 164 µs and 2,602 µs for all (BENCHMARKS.md has the whole table):
//!
//! | items | probe | all | best ten | bytes an item | build |
//! | --- | --- | --- | --- | --- | --- |
//! | 10,000 | 1.3 µs | 5.0 µs | 4.0 µs | 520 | 0.22 s |
//! | 100,000 | 1.3 µs | 42 µs | 4.8 µs | 360 | 1.8 s |
//!
//! The broad workload with blocks and without, runs one after the other beside other builds (load 5 to 10), 200 or 300 requests:
//!
//! | items | all | all without | best ten | best ten without | bytes an item |
//! | --- | --- | --- | --- | --- | --- |
//! | 10,000 | 8.9-10.8 µs | 85-95 µs | 3.7-4.7 µs | 5.7-5.8 µs | 768 (682) |
//! | 100,000 | 92-118 µs | 2,158-3,920 µs | 4.0-6.1 µs | 5.8-7.9 µs | 681 (631) |
//!
//! 2,650 items match at 100,000: to combine the columns takes about half of the time, mostly twenty to forty rows of
//! 10 KiB for each of two audiences; to take what is found a third (perf).
//!
//! With the request's lines in the caches already it is 2.7, 2.5, 17.8 and 3.0 µs: half of the time is memory. At
//! 100,000 items a request has 68 cursors over 4,300 postings; 590 of them pass, 336 pass their record, 244 match.
//!
//! # Measured and rejected
//! Same machine and day, 100,000 items, all matches and best ten (this: 39-43 and 5.0-5.5 µs):
//!
//! | design | all | best ten | why it lost |
//! | --- | --- | --- | --- |
//! | postings without signatures | 99 | 10.4 | seven times as many records fetched |
//! | no wide signature: every open clause a word, interpreted | 58-63 | 7.0-8.3 | a mispredicted branch a clause |
//! | every set of two values or more in rows, merged per request | 40 | 6.2 | the probe took 2.3 µs |
//! | marks read word by word | 44 | 7.1 | most words are empty |
//! | filing without traffic | 43 | 6.0 | popular values as keys; 387 bytes an item |
//! | first tier of 512 or 16,384 records | 43-44 | 5.5-5.8 | more tiers, or more records than ten need |
//! | a key's price of 1e-5 or 1e-3 (`access`) | 45-46 | 5.7-6.7 | flat around 1e-4 |
//! | blocks without the rule of 1 % (`filing`): of 1,000,000 | 408 | 8.8 | 808 and 3.5 without blocks, but in a run of an earlier commit |
//! | blocks for the 18,000 records that 0.2 % of requests come to | 23-30 | 7.5-10 | ten pay for the rows of every tag |
//! | the same, sets of up to 24 tags verified | 49 | 5.8-6.9 | the tags are what columns save |
//! | vetoes of tags without a gate too | 43 | 4.8 | 429 bytes an item, 2.4 s to build; of 10,000 best ten 5.2 instead of 4.0 |
//! | one posting at a time (no AVX2) | 52-58 | 7.3 | the scalar path, kept for other processors |
//!
//! And of the broad workload, all of 100,000 (this: 92-118; each line from another hour, under other load):
//!
//! | design | all | why it lost |
//! | --- | --- | --- |
//! | blocks, but every match looked at in its record | 197 | a cache line of 64 bytes for each, and not fetched ahead |
//! | matches taken one at a time, slots and sets apart | 128 | two lines for each, waited for |
//! | rows of less than a 32nd as lists | 276 | 402 bytes an item: the only one near 400, but lists are slow |
//! | blocks by the best key alone, met by 2 / 5 / 10 / 20 % | 182 / 197 / 255 / 531 (of 197 at first) | says nothing of the other clauses |
//! | broad from 1 / 2 / 5 % of requests | 139 / 194 / 408 | what is left is verified word by word |
//! | 32 or 128 lines at once (this: 64) | 115, 108, of 102 then | barely beyond noise |

mod access;
mod blocks;
mod build;
mod cells;
mod drafts;
mod estimate;
mod filing;
mod keys;
mod lower;
mod postings;
mod processor;
mod record;
mod rows;
mod search;
mod signature;
mod slots;
mod told;
mod values;
mod veto;
mod wishes;

use bumpalo::Bump;
use tagbid_types::Cpm;

use crate::dictionary::Dictionary;
use crate::probe::View;
use crate::program::Test;
use crate::seen::Seen;
use crate::{
    Attributes, Candidate, Class, Engine, Item, Lists, LiveSet, Probe, Refused, Slot, Traffic, Truth, Wanted,
};

pub(crate) use postings::Cursor;
pub(crate) use processor::prefetch;
pub(crate) use rows::SeenSets;
pub(crate) use search::{FIRST_TIER, Stream};
pub(crate) use signature::Signatures;
pub(crate) use veto::VetoMask;

use blocks::Blocks;
use filing::Filing;
use keys::Keys;
use postings::Postings;
use record::{Record, Verifier};
use rows::Sets;
use signature::{Layout, WideSignature};
use slots::SlotMap;
use veto::Vetoes;

/// The compiled index: immutable, for ten items or a million. [`Layered`](crate::Layered) takes changes.
#[derive(Debug)]
pub struct Index {
    dictionary: Dictionary,
    /// Of the postings' signatures.
    narrow: Layout<3>,
    /// Of the records' signatures.
    wide: Layout<8>,
    keys: Keys,
    postings: Postings,
    blocks: Blocks,
    vetoes: Vetoes,
    /// A conjunction each, by falling bound and rising slot of their items.
    records: Vec<Record>,
    verifier: Verifier,
    items: Vec<Place>,
    /// A bit per record: whether its bound is its item's own, not a raise's. Empty where no item has raises.
    own: Vec<u64>,
    slots: SlotMap,
    /// Compiled [`Item::tests`], one item's after another's.
    tests: Vec<Test>,
}

/// So many changed items are not filed: to look at the signatures of the best of some hundred takes less time than to
/// find out under which keys a request would meet them. For requests that go through all of some thousand it does not.
const MOST_TOGETHER: usize = 1_024;

/// No item has this slot: there are fewer records.
const NOBODY: Slot = Slot(u32::MAX);

/// Where an item's parts are.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// At its own bound.
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
        build::build(items, lists, traffic, Dictionary::default(), Filing::ByTraffic)
    }

    /// The same, but every other record that can be is in blocks, however narrow and few the items are, and whatever can
    /// be is a veto. It answers as the other does; tests hold that.
    pub fn build_in_blocks<'c>(
        items: impl IntoIterator<Item = Item<'c>>,
        lists: &Lists<'_>,
        traffic: &Traffic,
    ) -> (Self, Vec<Refused>) {
        build::build(items, lists, traffic, Dictionary::default(), Filing::InBlocks)
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
            + self.narrow.heap_bytes()
            + self.wide.heap_bytes()
            + self.keys.heap_bytes()
            + self.postings.heap_bytes()
            + self.blocks.heap_bytes()
            + self.vetoes.heap_bytes()
            + size_of_val(self.records.as_slice())
            + self.verifier.heap_bytes()
            + size_of_val(self.items.as_slice())
            + size_of_val(self.own.as_slice())
            + self.slots.heap_bytes()
            + size_of_val(self.tests.as_slice())
    }

    /// Compares signatures one by one instead of four at a time, as on processors without AVX2. The answers are
    /// the same; tests hold that.
    #[must_use]
    pub fn without_simd(mut self) -> Self {
        self.postings.narrow();
        self.blocks.narrow();
        self
    }

    /// Another index of all items, whose dictionary hashes as this one's does, so that a request's texts are hashed
    /// once for both and for whatever stands beside them.
    pub(crate) fn build_anew<'c>(
        &self,
        items: impl IntoIterator<Item = Item<'c>>,
        lists: &Lists<'_>,
        traffic: &Traffic,
    ) -> (Self, Vec<Refused>) {
        self.build_like(items, lists, traffic, Filing::ByTraffic)
    }

    /// Such an index of changed items.
    pub(crate) fn build_beside<'c>(
        &self,
        items: impl IntoIterator<Item = Item<'c>>,
        lists: &Lists<'_>,
    ) -> (Self, Vec<Refused>) {
        let items: Vec<_> = items.into_iter().collect();
        let filing = if items.len() <= MOST_TOGETHER { Filing::Together } else { Filing::ByTraffic };
        self.build_like(items, lists, &Traffic::default(), filing)
    }

    fn build_like<'c>(
        &self,
        items: impl IntoIterator<Item = Item<'c>>,
        lists: &Lists<'_>,
        traffic: &Traffic,
        filing: Filing,
    ) -> (Self, Vec<Refused>) {
        let (mut index, refused) = build::build(items, lists, traffic, self.dictionary.sibling(), filing);
        index.postings.as_wide_as(&self.postings);
        index.blocks.as_wide_as(&self.blocks);
        (index, refused)
    }

    /// How many records it has.
    pub(crate) fn records(&self) -> u32 {
        self.records.len() as u32
    }

    pub(crate) fn dictionary(&self) -> &Dictionary {
        &self.dictionary
    }

    fn empty(dictionary: Dictionary) -> Self {
        build::build([], &Lists::default(), &Traffic::default(), dictionary, Filing::Together).0
    }

    /// Adds to a view what it needs to search this index.
    pub(crate) fn see<'a>(&self, view: &mut View<'a>, impression_only: bool, arena: &'a Bump) {
        let values = &self.verifier.values;
        let before = impression_only.then_some(view.vetoes);
        view.vetoes = self.vetoes.in_force(view, &self.verifier.pools, before);
        view.signatures = Signatures {
            narrow: self.narrow.of_request(view, values),
            wide: self.wide.of_request(view, values),
        };
        let before = impression_only.then_some(view.sets);
        view.sets = self.verifier.rows.see(view, before, arena);
        let cursors =
            |impression| self.keys.cursors(view, &self.verifier.values, &self.postings, impression, arena);
        view.cursors = [if impression_only { view.cursors[0] } else { cursors(false) }, cursors(true)];
    }

    /// Which classes of items a search shall not look at.
    pub(crate) fn refused_classes(&self, wanted: impl FnMut(Class) -> bool) -> VetoMask {
        self.vetoes.of_classes(wanted)
    }

    /// The request's signatures where these vetoes are in force as well.
    fn signatures_with(&self, view: &View<'_>, vetoes: VetoMask) -> Signatures {
        let Signatures { narrow, wide } = view.signatures;
        Signatures { narrow: self.narrow.with(narrow, vetoes), wide: self.wide.with(wide, vetoes) }
    }

    /// The item of a record.
    #[inline]
    pub(crate) fn candidate(&self, record: u32) -> Candidate {
        let record = self.records.get(record as usize);
        record.map_or(Candidate { slot: NOBODY, bound: Cpm::ZERO }, |record| Candidate {
            slot: record.slot,
            bound: record.bound,
        })
    }

    pub(crate) fn all_views(&self, view: &View<'_>, live: &LiveSet, arena: &Bump, visit: impl FnMut(Slot)) {
        search::all(self, view, live, arena, visit);
    }

    /// Whether some item has several bounds, so that a search may meet it again under a lower one.
    pub(crate) fn has_raises(&self) -> bool {
        !self.own.is_empty()
    }

    #[inline]
    fn slot(&self, record: u32) -> Slot {
        self.records.get(record as usize).map_or(NOBODY, |record| record.slot)
    }

    /// Whether the head of a record that one of the request's keys led to lets the request through.
    #[inline]
    fn passes(&self, record: u32, has: &WideSignature, sets: &Sets<'_>) -> bool {
        let record = self.records.get(record as usize);
        record.is_some_and(|record| record.passes(has, sets))
    }

    /// Whether such a record holds.
    #[inline]
    fn holds(&self, record: u32, view: &View<'_>, sets: &Sets<'_>) -> bool {
        self.records.get(record as usize).is_some_and(|record| {
            let words = |start: u32, end: u32| self.verifier.words.get(start as usize..end as usize);
            let open = words(record.start, record.open).unwrap_or_default();
            self.verifier.holds(open, u32::MAX, view, sets)
                && (view.several() == 0 || {
                    // The signature decides the rest, but for dimensions where it has no bit for the request.
                    let decided = words(record.open, record.end).unwrap_or_default();
                    self.verifier.holds(decided, view.several(), view, sets)
                })
        })
    }

    #[inline]
    fn prefetch(&self, record: u32) {
        if let Some(record) = self.records.get(record as usize) {
            prefetch(record);
        }
    }

    #[inline]
    fn prefetch_words(&self, record: u32) {
        if let Some(record) = self.records.get(record as usize) {
            // Most have a line or two.
            for at in [record.start, record.open.saturating_sub(1)] {
                self.verifier.words.get(at as usize).into_iter().for_each(prefetch);
            }
        }
    }

    pub(crate) fn matches_view(&self, view: &View<'_>, slot: Slot) -> bool {
        let Some(item) = self.slots.item(slot).and_then(|item| self.items.get(item as usize)) else {
            return false;
        };
        let arena = Bump::new();
        let sets = self.verifier.rows.open(view.sets, &arena);
        (item.records.0..item.records.1).any(|number| {
            // Its key is not among its words: it has to be found under one.
            let under_key = |list: &Cursor| self.postings.contains(*list, number);
            let found = self.blocks.accepts(number, view, &arena);
            found.unwrap_or_else(|| view.cursors.into_iter().flatten().any(under_key))
                && self.passes(number, &view.signatures.wide, &sets)
                && self.holds(number, view, &sets)
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

    fn candidates_among<'s>(
        &'s self,
        probe: &'s Probe<'s>,
        live: &'s LiveSet,
        mut wanted: impl Wanted + 's,
        arena: &'s Bump,
    ) -> impl Iterator<Item = Candidate> + 's {
        let refused = self.refused_classes(|class| wanted.class(class));
        let mut stream = Stream::new(self, &probe.view, refused, FIRST_TIER, arena);
        let mut seen = Seen::new(self.has_raises(), arena);
        std::iter::from_fn(move || {
            loop {
                let record = stream.next()?;
                let slot = self.slot(record);
                if wanted.item(slot) && seen.finds(slot, live.contains(slot), || stream.holds(record)) {
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
