//! Building an index: compile, look at the traffic, file, write.

use tagbid_types::Cpm;

use super::access::Access;
use super::estimate::Estimates;
use super::keys::{Key, KeysBuilder};
use super::lower::{Literal, Node};
use super::postings::{Postings, Signature};
use super::record::{Writer, cost};
use super::signature::Layout;
use super::slots::SlotMap;
use super::values::Values;
use super::{Index, Place, Record};
use crate::compile::{Compiled, Compiler};
use crate::dictionary::Dictionary;
use crate::limits::within_limits;
use crate::program::{Program, Test};
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
    let layout = Layout::new(&values, drafts.literals.iter(), &pools, &estimates);

    let access = Access { estimates: &estimates, values: &values, pools: &pools };
    let (filed, keys) = file(drafts, &access);
    drop(estimates);
    let mut places = KeysBuilder::new(&values, &keys)?;
    let mut postings = Postings::with_len(keys.len());
    let mut writer = Writer::default();
    let mut records = Vec::with_capacity(drafts.records.len());
    let mut bounds = Vec::with_capacity(drafts.records.len());
    for (draft, filed) in drafts.records.iter().zip(&filed) {
        let literals = draft.literals(drafts);
        let mut decided = vec![false; literals.len()];
        let signature = layout.of_record(literals, &pools, &values, |index| {
            if let Some(place) = decided.get_mut(index) {
                *place = true;
            }
        });
        let number = u32::try_from(records.len()).ok()?;
        post(keys.get(filed.keys.0..filed.keys.1)?, number, signature, &mut places, &mut postings)?;
        let item = drafts.items.get(draft.item)?;
        let start = u32::try_from(writer.verifier.words.len()).ok()?;
        let open = match draft.program.and_then(|at| drafts.programs.get(at)) {
            Some((_, program)) => {
                writer.program(*program, &steps, &pools)?;
                writer.verifier.words.len()
            }
            None => write(&mut writer, literals, &decided, filed.proven, &pools)?,
        };
        let end = u32::try_from(writer.verifier.words.len()).ok()?;
        records.push(Record { slot: item.slot, start, open: u32::try_from(open).ok()?, end });
        bounds.push(item.bound);
    }

    let mut items = Vec::with_capacity(drafts.items.len());
    let (mut first_record, mut first_test) = (0, 0);
    for item in &drafts.items {
        items.push(Place {
            records: (u32::try_from(first_record).ok()?, u32::try_from(item.records).ok()?),
            tests: (u32::try_from(first_test).ok()?, u32::try_from(item.tests).ok()?),
        });
        (first_record, first_test) = (item.records, item.tests);
    }
    let tests = drafts.tests.iter().map(|test| writer.keep(*test, &pools)).collect::<Option<_>>()?;
    let slots = SlotMap::new(drafts.items.iter().map(|item| item.slot));
    let mut verifier = writer.verifier;
    verifier.rows = writer.rows.finish(&dictionary, &values, &pools)?;
    verifier.values = values;
    let mut index = Index {
        dictionary,
        layout,
        keys: places.finish(),
        postings,
        records,
        bounds,
        verifier,
        items,
        slots,
        tests,
    };
    index.shrink();
    Some(index)
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

fn post(
    keys: &[Key],
    record: u32,
    signature: Signature,
    places: &mut KeysBuilder,
    postings: &mut Postings,
) -> Option<()> {
    for key in keys {
        postings.set(places.place(*key)?, record, signature);
    }
    Some(())
}

/// Writes the literals of a conjunction but the proven one; where those that the signature decides begin.
fn write(
    writer: &mut Writer,
    literals: &[Literal],
    decided: &[bool],
    proven: Option<usize>,
    pools: &crate::program::Pools,
) -> Option<usize> {
    let mut order: Vec<_> = literals.iter().zip(decided).enumerate().collect();
    order.retain(|(index, _)| Some(*index) != proven);
    order.sort_by_key(|(_, (literal, decided))| (**decided, cost(literal, pools)));
    let mut open = writer.verifier.words.len();
    for (_, (literal, decided)) in order {
        writer.literal(*literal, pools)?;
        if !decided {
            open = writer.verifier.words.len();
        }
    }
    Some(open)
}
