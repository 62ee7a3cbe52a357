//! Compiled items before it is known what is frequent: conjunctions at each of their bounds.

use tagbid_types::Cpm;

use super::Place;
use super::lower::{Literal, Node};
use crate::compile::Compiler;
use crate::limits::within_limits;
use crate::program::{Program, Test};
use crate::raise::in_falling_order;
use crate::{Class, Item, Raise, Slot};

/// Records are numbered below this, so that a signed comparison orders them.
const MOST_RECORDS: usize = i32::MAX as usize - 1;

/// Compiled items before it is known what is frequent.
#[derive(Default)]
pub(super) struct Drafts {
    pub(super) items: Vec<DraftItem>,
    pub(super) records: Vec<DraftRecord>,
    /// Of all records.
    pub(super) literals: Vec<Literal>,
    /// Expressions that were too large to expand.
    pub(super) programs: Vec<Whole>,
    /// Of all items.
    pub(super) tests: Vec<Test>,
}

/// An expression that stays whole, and what a raise asks beside it.
pub(super) struct Whole {
    pub(super) node: Node,
    pub(super) program: Program,
    pub(super) raise: Vec<Literal>,
}

pub(super) struct DraftItem {
    pub(super) slot: Slot,
    pub(super) class: Class,
    /// Ends of its parts of `records`, until these are sorted, and of `tests`; they begin where those of the item before
    /// end.
    pub(super) records: usize,
    pub(super) tests: usize,
}

pub(super) struct DraftRecord {
    pub(super) item: usize,
    pub(super) slot: Slot,
    pub(super) bound: Cpm,
    /// Whether the bound is the item's own, not a raise's.
    pub(super) own: bool,
    /// Its part of `literals`.
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) program: Option<usize>,
}

impl DraftRecord {
    pub(super) fn literals<'d>(&self, drafts: &'d Drafts) -> &'d [Literal] {
        drafts.literals.get(self.start..self.end).unwrap_or_default()
    }

    pub(super) fn class(&self, drafts: &Drafts) -> Class {
        drafts.items.get(self.item).map_or(Class::default(), |item| item.class)
    }
}

impl Drafts {
    /// `None` when the item cannot be served; what it left behind is for [`Drafts::undo`].
    pub(super) fn add<'e>(&mut self, compiler: &mut Compiler<'_, 'e>, item: &Item<'e>) -> Option<()> {
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
        self.items.push(DraftItem { slot: item.slot, class: item.class, records, tests });
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
    pub(super) fn undo(&mut self) {
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

pub(super) fn places_of(drafts: &Drafts) -> Option<Vec<Place>> {
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
pub(super) fn own_records(records: &[DraftRecord]) -> Vec<u64> {
    if records.iter().all(|record| record.own) {
        return Vec::new();
    }
    let word =
        |of: &[DraftRecord]| (0..).zip(of).fold(0, |word, (at, record)| word | u64::from(record.own) << at);
    records.chunks(64).map(word).collect()
}
