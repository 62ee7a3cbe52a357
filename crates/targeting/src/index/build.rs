//! Building an index: compile, look at the traffic, file, write.

use std::cmp::Reverse;

use tagbid_types::Cpm;

use super::access::Access;
use super::estimate::Estimates;
use super::keys::{Key, KeysBuilder};
use super::lower::{Literal, Node};
use super::postings::Postings;
use super::record::{Record, Writer, cost};
use super::rows::SetTest;
use super::signature::{Layout, wishes};
use super::slots::SlotMap;
use super::values::Values;
use super::{Index, Place};
use crate::compile::{Compiled, Compiler};
use crate::dictionary::Dictionary;
use crate::limits::within_limits;
use crate::program::{Pools, Program, Step, Test};
use crate::raise::in_falling_order;
use crate::scan::in_search_order;
use crate::{Item, Lists, Raise, Refusal, Refused, Slot, Traffic};

/// Records are numbered below this, so that a signed comparison orders them.
const MOST_RECORDS: usize = i32::MAX as usize - 1;

/// Compiled items before it is known what is frequent.
#[derive(Default)]
struct Drafts {
    items: Vec<DraftItem>,
    records: Vec<DraftRecord>,
    /// Of all records.
    literals: Vec<Literal>,
    /// Expressions that were too large to expand.
    programs: Vec<Whole>,
    /// Of all items.
    tests: Vec<Test>,
}

/// An expression that stays whole, and what a raise asks beside it.
struct Whole {
    node: Node,
    program: Program,
    raise: Vec<Literal>,
}

struct DraftItem {
    slot: Slot,
    /// Ends of its parts of `records`, until these are sorted, and of `tests`; they begin where those of the item before
    /// end.
    records: usize,
    tests: usize,
}

struct DraftRecord {
    item: usize,
    slot: Slot,
    bound: Cpm,
    /// Whether the bound is the item's own, not a raise's.
    own: bool,
    /// Its part of `literals`.
    start: usize,
    end: usize,
    program: Option<usize>,
}

impl DraftRecord {
    fn literals<'d>(&self, drafts: &'d Drafts) -> &'d [Literal] {
        drafts.literals.get(self.start..self.end).unwrap_or_default()
    }
}

pub(super) fn build<'c>(
    items: impl IntoIterator<Item = Item<'c>>,
    lists: &Lists<'_>,
    traffic: &Traffic,
    dictionary: Dictionary,
) -> (Index, Vec<Refused>) {
    let mut refused = Vec::new();
    let items = in_search_order(items, &mut refused);
    let hashes = dictionary.sibling();
    let mut compiler = Compiler::with(lists, dictionary);
    let mut drafts = Drafts::default();
    for item in &items {
        if drafts.add(&mut compiler, item).is_none() {
            drafts.undo();
            refused.push(Refused { slot: item.slot, reason: Refusal::TooLarge });
        }
    }
    // Stable: the records of an item at one bound stay together.
    drafts.records.sort_by_key(|record| (Reverse(record.bound), record.slot));
    let index = assemble(compiler.finish(), &drafts, traffic).unwrap_or_else(|| {
        // More values or postings than numbers: nothing is served rather than a part.
        refused.extend(drafts.items.iter().map(|i| Refused { slot: i.slot, reason: Refusal::TooLarge }));
        Index::empty(hashes)
    });
    (index, refused)
}

impl Drafts {
    /// `None` when the item cannot be served; what it left behind is for [`Drafts::undo`].
    fn add<'e>(&mut self, compiler: &mut Compiler<'_, 'e>, item: &Item<'e>) -> Option<()> {
        if !within_limits(item.targeting) {
            return None;
        }
        let node = Node::lower(compiler, item.targeting, false)?;
        let tests = self.tests.len();
        for leaf in &item.tests {
            self.tests.push(compiler.leaf(leaf)?);
        }
        for raise in in_falling_order(item) {
            let literals = literals_of(raise, self.tests.get(tests..).unwrap_or_default());
            if let Some(literals) = literals {
                self.at_bound(compiler, item, &node, literals, raise.bound)?;
            }
        }
        self.at_bound(compiler, item, &node, Vec::new(), item.bound)?;
        if self.records.len() > MOST_RECORDS {
            return None;
        }
        let (records, tests) = (self.records.len(), self.tests.len());
        self.items.push(DraftItem { slot: item.slot, records, tests });
        Some(())
    }

    /// The records of an item at one of its bounds, where these literals of a raise hold beside its targeting.
    fn at_bound<'e>(
        &mut self,
        compiler: &mut Compiler<'_, 'e>,
        item: &Item<'e>,
        targeting: &Node,
        raise: Vec<Literal>,
        bound: Cpm,
    ) -> Option<()> {
        let own = bound == item.bound;
        let asked = raise.iter().map(|literal| Node::literal(*literal, compiler.pools()));
        let node = Node::all([targeting.clone()].into_iter().chain(asked).collect());
        let of = (item.slot, bound, own);
        match node.conjunctions() {
            Some(conjunctions) => {
                for literals in conjunctions {
                    self.record(&literals, None, of);
                }
            }
            None => {
                let program = compiler.expression(item.targeting)?;
                let certain = node.certain();
                self.programs.push(Whole { node, program, raise });
                self.record(&certain, Some(self.programs.len() - 1), of);
            }
        }
        Some(())
    }

    fn record(
        &mut self,
        literals: &[Literal],
        program: Option<usize>,
        (slot, bound, own): (Slot, Cpm, bool),
    ) {
        let start = self.literals.len();
        self.literals.extend_from_slice(literals);
        let end = self.literals.len();
        self.records.push(DraftRecord { item: self.items.len(), slot, bound, own, start, end, program });
    }

    /// Drops what belongs to no item.
    fn undo(&mut self) {
        let (records, tests) = self.items.last().map_or((0, 0), |item| (item.records, item.tests));
        self.records.truncate(records);
        self.tests.truncate(tests);
        self.literals.truncate(self.records.last().map_or(0, |record| record.end));
    }
}

/// What a raise asks of a request; `None` when it names a test that is not there.
fn literals_of(raise: Raise, tests: &[Test]) -> Option<Vec<Literal>> {
    let literal = |(place, negated)| Some(Literal { test: *tests.get(place)?, negated });
    raise.tests().map(literal).collect()
}

/// Where a record is filed.
struct Filed {
    keys: (usize, usize),
    /// The literal that being found proves.
    proven: Option<usize>,
}

fn assemble(compiled: Compiled, drafts: &Drafts, traffic: &Traffic) -> Option<Index> {
    let Compiled { dictionary, pools, steps } = compiled;
    let values = Values::of(&dictionary)?;
    let estimates = Estimates::new(traffic, &dictionary, &values, drafts.literals.iter(), &pools);
    let wishes = wishes(&values, drafts.literals.iter(), &pools, &estimates);
    let (narrow, wide) = (Layout::new(&values, &wishes), Layout::new(&values, &wishes));
    let (filed, keys) = file(drafts, &Access { estimates: &estimates, values: &values, pools: &pools });
    let mut assembly = Assembly {
        places: KeysBuilder::new(&values, &keys)?,
        postings: Postings::with_len(keys.len()),
        records: Vec::with_capacity(drafts.records.len()),
        writer: Writer::default(),
        narrow,
        wide,
        values,
        pools: &pools,
        steps: &steps,
    };
    for (draft, filed) in drafts.records.iter().zip(&filed) {
        assembly.record(drafts, draft, filed, keys.get(filed.keys.0..filed.keys.1)?)?;
    }
    let tests = drafts.tests.iter().map(|test| assembly.writer.keep(*test, &pools)).collect::<Option<_>>()?;
    let Assembly { places, postings, records, writer, narrow, wide, .. } = assembly;
    let mut verifier = writer.verifier;
    verifier.rows = writer.rows.finish(&dictionary, &pools)?;
    verifier.values = values;
    let mut index = Index {
        dictionary,
        narrow,
        wide,
        keys: places.finish(),
        postings,
        records,
        verifier,
        items: places_of(drafts)?,
        own: own_records(&drafts.records),
        slots: SlotMap::new(drafts.items.iter().map(|item| item.slot)),
        tests,
    };
    index.shrink();
    Some(index)
}

/// An index in the making: records are added one by one.
struct Assembly<'b> {
    narrow: Layout<3>,
    wide: Layout<8>,
    places: KeysBuilder,
    postings: Postings,
    records: Vec<Record>,
    writer: Writer,
    values: Values,
    pools: &'b Pools,
    steps: &'b [Step],
}

impl Assembly<'_> {
    /// `None` when something is full.
    fn record(&mut self, drafts: &Drafts, draft: &DraftRecord, filed: &Filed, keys: &[Key]) -> Option<()> {
        let literals = draft.literals(drafts);
        let mut decided = vec![false; literals.len()];
        let signature = self.narrow.of_record(literals, self.pools, &self.values, |_| {});
        let accepts = self.wide.of_record(literals, self.pools, &self.values, |index| {
            if let Some(place) = decided.get_mut(index) {
                *place = true;
            }
        });
        let number = u32::try_from(self.records.len()).ok()?;
        for key in keys {
            self.postings.set(self.places.place(*key)?, number, signature);
        }
        let mut sets = [SetTest::NONE; 2];
        let start = self.word()?;
        let open = match draft.program.and_then(|at| drafts.programs.get(at)) {
            Some(whole) => {
                self.writer.program(whole.program, self.steps, self.pools)?;
                for literal in &whole.raise {
                    self.writer.literal(*literal, self.pools)?;
                }
                self.word()?
            }
            None => self.literals(literals, &decided, filed.proven, &mut sets)?,
        };
        let (bound, slot, end) = (draft.bound, draft.slot, self.word()?);
        self.records.push(Record { accepts, sets, bound, slot, start, open, end });
        Some(())
    }

    /// Writes the literals of a conjunction but the proven one, large sets into the head while there is room; where
    /// those that the signature decides begin.
    fn literals(
        &mut self,
        literals: &[Literal],
        decided: &[bool],
        proven: Option<usize>,
        sets: &mut [SetTest; 2],
    ) -> Option<u32> {
        let mut order: Vec<_> = literals.iter().zip(decided).enumerate().collect();
        order.retain(|(index, _)| Some(*index) != proven);
        order.sort_by_key(|(_, (literal, decided))| (**decided, cost(literal, self.pools)));
        let mut open = self.word()?;
        let mut sets = sets.iter_mut();
        for (_, (literal, decided)) in order {
            if !decided
                && sets.len() > 0
                && let Some(test) = self.writer.set(*literal, self.pools)?
                && let Some(place) = sets.next()
            {
                *place = test;
                continue;
            }
            self.writer.literal(*literal, self.pools)?;
            if !decided {
                open = self.word()?;
            }
        }
        Some(open)
    }

    /// Where the next word goes.
    fn word(&self) -> Option<u32> {
        u32::try_from(self.writer.verifier.words.len()).ok()
    }
}

fn places_of(drafts: &Drafts) -> Option<Vec<Place>> {
    let mut tests = 0;
    let place = |item: &DraftItem| {
        let first = tests;
        tests = u32::try_from(item.tests).ok()?;
        Some(Place { records: (0, 0), tests: (first, tests) })
    };
    let mut places: Vec<_> = drafts.items.iter().map(place).collect::<Option<_>>()?;
    for (record, at) in drafts.records.iter().zip(0..).filter(|(record, _)| record.own) {
        let (start, end) = &mut places.get_mut(record.item)?.records;
        // They are neighbours.
        *start = if *start == *end { at } else { *start };
        *end = at + 1;
    }
    Some(places)
}

/// A bit per record: whether its bound is its item's own. Nothing where all are.
fn own_records(records: &[DraftRecord]) -> Vec<u64> {
    if records.iter().all(|record| record.own) {
        return Vec::new();
    }
    let word =
        |of: &[DraftRecord]| (0..).zip(of).fold(0, |word, (at, record)| word | u64::from(record.own) << at);
    records.chunks(64).map(word).collect()
}

/// The keys of every record, in one run.
fn file(drafts: &Drafts, access: &Access<'_>) -> (Vec<Filed>, Vec<Key>) {
    let mut keys = Vec::new();
    let filed = drafts.records.iter().map(|draft| {
        let first = keys.len();
        let proven = match draft.program.and_then(|at| drafts.programs.get(at)) {
            Some(whole) => {
                access.expression(&whole.node, &mut keys);
                None
            }
            None => access.conjunction(draft.literals(drafts), &mut keys),
        };
        Filed { keys: (first, keys.len()), proven }
    });
    (filed.collect(), keys)
}
