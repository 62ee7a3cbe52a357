//! Building an index: compile, look at the traffic, file, write.

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
use crate::scan::in_search_order;
use crate::{Item, Lists, Refusal, Refused, Slot, Traffic};

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
    programs: Vec<(Node, Program)>,
    /// Of all items.
    tests: Vec<Test>,
}

struct DraftItem {
    slot: Slot,
    bound: Cpm,
    /// Ends of its parts of `records` and `tests`; they begin where those of the item before end.
    records: usize,
    tests: usize,
}

struct DraftRecord {
    item: usize,
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
        match node.conjunctions() {
            Some(conjunctions) => {
                for literals in conjunctions {
                    self.record(&literals, None);
                }
            }
            None => {
                let program = compiler.expression(item.targeting)?;
                let certain = node.certain();
                self.programs.push((node, program));
                self.record(&certain, Some(self.programs.len() - 1));
            }
        }
        for leaf in &item.tests {
            self.tests.push(compiler.leaf(leaf)?);
        }
        if self.records.len() > MOST_RECORDS {
            return None;
        }
        self.items.push(DraftItem {
            slot: item.slot,
            bound: item.bound,
            records: self.records.len(),
            tests: self.tests.len(),
        });
        Some(())
    }

    fn record(&mut self, literals: &[Literal], program: Option<usize>) {
        let start = self.literals.len();
        self.literals.extend_from_slice(literals);
        let end = self.literals.len();
        self.records.push(DraftRecord { item: self.items.len(), start, end, program });
    }

    /// Drops what belongs to no item.
    fn undo(&mut self) {
        let (records, tests) = self.items.last().map_or((0, 0), |item| (item.records, item.tests));
        self.records.truncate(records);
        self.tests.truncate(tests);
        self.literals.truncate(self.records.last().map_or(0, |record| record.end));
    }
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
        items: places_of(&drafts.items)?,
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
            Some((_, program)) => {
                self.writer.program(*program, self.steps, self.pools)?;
                self.word()?
            }
            None => self.literals(literals, &decided, filed.proven, &mut sets)?,
        };
        let item = drafts.items.get(draft.item)?;
        let (bound, slot, end) = (item.bound, item.slot, self.word()?);
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

fn places_of(items: &[DraftItem]) -> Option<Vec<Place>> {
    let (mut records, mut tests) = (0, 0);
    let place = |item: &DraftItem| {
        let first = (records, tests);
        records = u32::try_from(item.records).ok()?;
        tests = u32::try_from(item.tests).ok()?;
        Some(Place { records: (first.0, records), tests: (first.1, tests) })
    };
    items.iter().map(place).collect()
}

/// The keys of every record, in one run.
fn file(drafts: &Drafts, access: &Access<'_>) -> (Vec<Filed>, Vec<Key>) {
    let mut keys = Vec::new();
    let filed = drafts.records.iter().map(|draft| {
        let first = keys.len();
        let proven = match draft.program.and_then(|at| drafts.programs.get(at)) {
            Some((node, _)) => {
                access.expression(node, &mut keys);
                None
            }
            None => access.conjunction(draft.literals(drafts), &mut keys),
        };
        Filed { keys: (first, keys.len()), proven }
    });
    (filed.collect(), keys)
}
