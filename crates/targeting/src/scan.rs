//! The plain scan: every item in falling order of bound, each asked in turn.
//!
//! Cost is linear in the items; what keeps it low is the order. Programs lie in memory in the order of the search,
//! each begins with its cheapest test, small sets of common values are one `and` of two words, and equal sets are
//! stored once. Most items fall at their first or second step.
//!
//! `cargo xtask bench targeting` measures it beside the others; BENCHMARKS.md has the figures.

use std::cmp::Reverse;

use bumpalo::Bump;
use hashbrown::HashSet;
use tagbid_types::Cpm;

use crate::compile::{Compiled, Compiler};
use crate::probe::View;
use crate::program::{Program, Test};
use crate::raise::in_falling_order;
use crate::{Attributes, Candidate, Engine, Item, Lists, LiveSet, Probe, Raise, Slot, Truth, Wanted};

/// The plain scan: the oracle that other engines are compared with, and fast enough for a few thousand items.
#[derive(Debug)]
pub struct Scan {
    compiled: Compiled,
    /// Every item at each of its bounds: by falling bound, then rising slot.
    entries: Vec<Entry>,
    /// Where the item of a slot stands in `entries` at its own bound.
    by_slot: Vec<Option<u32>>,
    /// Compiled [`Item::tests`], one item's after another's.
    tests: Vec<Test>,
    /// One item's after another's, the highest first.
    raises: Vec<Raise>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    slot: Slot,
    bound: Cpm,
    program: Program,
    tests: (u32, u32),
    /// The raises that the item would be found by before this entry.
    above: (u32, u32),
    /// The raise that gives it this bound; none: it is the item's own.
    raise: Option<u32>,
}

/// An item that an engine left out: its line item never matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its place.
    pub slot: Slot,
    /// Why.
    pub reason: Refusal,
}

/// Why an engine left an item out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The expression is beyond the limits of [`validate`](crate::validate), or the engine is full.
    TooLarge,
    /// An earlier item has the slot.
    SlotTaken,
}

impl Scan {
    /// Compiles the items. Lists are needed only here. What cannot be compiled is left out and reported; the rest
    /// is served.
    pub fn build<'c>(items: impl IntoIterator<Item = Item<'c>>, lists: &Lists<'_>) -> (Self, Vec<Refused>) {
        let mut refused = Vec::new();
        let items = in_search_order(items, &mut refused);
        let slots = items.iter().map(|item| item.slot.0 as usize + 1).max().unwrap_or(0);
        let mut compiler = Compiler::new(lists);
        let (mut tests, mut raises) = (Vec::new(), Vec::new());
        let mut entries = Vec::with_capacity(items.len());
        for item in &items {
            if let Some(own) = compile(&mut compiler, &mut tests, item) {
                entries.extend(at_each_bound(own, item, &mut raises));
            } else {
                refused.push(Refused { slot: item.slot, reason: Refusal::TooLarge });
            }
        }
        // Stable: of an item's raises to one bound the first stays the first.
        entries.sort_by_key(|entry| (Reverse(entry.bound), entry.slot));
        let mut by_slot = vec![None; slots];
        for (entry, at) in entries.iter().zip(0..).filter(|(entry, _)| entry.raise.is_none()) {
            if let Some(place) = by_slot.get_mut(entry.slot.0 as usize) {
                *place = Some(at);
            }
        }
        (Self { compiled: compiler.finish(), entries, by_slot, tests, raises }, refused)
    }

    /// How many items it searches.
    pub fn len(&self) -> usize {
        self.own_entries().count()
    }

    /// Whether it searches none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Each item once.
    fn own_entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.raise.is_none())
    }

    /// Bytes that it holds on the heap, for benches and capacity planning.
    pub fn heap_bytes(&self) -> usize {
        self.compiled.heap_bytes()
            + size_of_val(self.entries.as_slice())
            + size_of_val(self.by_slot.as_slice())
            + size_of_val(self.tests.as_slice())
            + size_of_val(self.raises.as_slice())
    }

    fn entry(&self, slot: Slot) -> Option<&Entry> {
        let at = (*self.by_slot.get(slot.0 as usize)?)?;
        self.entries.get(at as usize)
    }

    fn holds(&self, entry: &Entry, probe: &Probe<'_>) -> bool {
        entry.program.holds(&self.compiled.steps, &self.compiled.pools, &probe.view)
    }

    fn test_of(&self, entry: &Entry, index: usize, probe: &Probe<'_>) -> Truth {
        let (start, end) = entry.tests;
        let test = self.tests.get(start as usize..end as usize).and_then(|tests| tests.get(index));
        test.map_or(Truth::Unknown, |test| self.compiled.pools.truth(*test, &probe.view))
    }

    fn raised(&self, entry: &Entry, raise: u32, probe: &Probe<'_>) -> bool {
        self.raises.get(raise as usize).is_some_and(|raise| {
            raise.tests().all(|(place, negated)| {
                let wanted = if negated { Truth::False } else { Truth::True };
                self.test_of(entry, place, probe) == wanted
            })
        })
    }

    /// Whether the bound of this entry is the item's for the request.
    fn is_bound(&self, entry: &Entry, probe: &Probe<'_>) -> bool {
        entry.raise.is_none_or(|raise| self.raised(entry, raise, probe))
            && !(entry.above.0..entry.above.1).any(|raise| self.raised(entry, raise, probe))
    }
}

impl Engine for Scan {
    fn probe<'a>(&self, attributes: &Attributes<'a>, arena: &'a Bump) -> Probe<'a> {
        Probe::of(View::new(&self.compiled.dictionary, attributes, arena))
    }

    fn impression<'a>(&self, request: &Probe<'a>, attributes: &Attributes<'a>, arena: &'a Bump) -> Probe<'a> {
        Probe::of(request.view.impression(&self.compiled.dictionary, attributes, arena))
    }

    fn candidates_among<'s>(
        &'s self,
        probe: &'s Probe<'s>,
        live: &'s LiveSet,
        mut wanted: impl Wanted + 's,
        _arena: &'s Bump,
    ) -> impl Iterator<Item = Candidate> + 's {
        self.entries
            .iter()
            .filter(move |entry| {
                live.contains(entry.slot)
                    && wanted.item(entry.slot)
                    && self.holds(entry, probe)
                    && self.is_bound(entry, probe)
            })
            .map(|entry| Candidate { slot: entry.slot, bound: entry.bound })
    }

    fn all(&self, probe: &Probe<'_>, live: &LiveSet, _arena: &Bump, mut visit: impl FnMut(Slot)) {
        for entry in self.own_entries() {
            if live.contains(entry.slot) && self.holds(entry, probe) {
                visit(entry.slot);
            }
        }
    }

    fn matches(&self, probe: &Probe<'_>, slot: Slot) -> bool {
        self.entry(slot).is_some_and(|entry| self.holds(entry, probe))
    }

    fn test(&self, probe: &Probe<'_>, slot: Slot, index: usize) -> Truth {
        self.entry(slot).map_or(Truth::Unknown, |entry| self.test_of(entry, index, probe))
    }
}

fn compile<'e>(compiler: &mut Compiler<'_, 'e>, tests: &mut Vec<Test>, item: &Item<'e>) -> Option<Entry> {
    let program = compiler.expression(item.targeting)?;
    let start = u32::try_from(tests.len()).ok()?;
    for leaf in &item.tests {
        tests.push(compiler.leaf(leaf)?);
    }
    Some(Entry {
        slot: item.slot,
        bound: item.bound,
        program,
        tests: (start, u32::try_from(tests.len()).ok()?),
        above: (0, 0),
        raise: None,
    })
}

/// An item's entries, one for each of its bounds, the highest first.
fn at_each_bound(own: Entry, item: &Item<'_>, raises: &mut Vec<Raise>) -> Vec<Entry> {
    let start = raises.len() as u32;
    let above = in_falling_order(item);
    let raised = (start..).zip(&above).map(|(at, raise)| Entry {
        bound: raise.bound,
        above: (start, at),
        raise: Some(at),
        ..own
    });
    let own = Entry { above: (start, start + above.len() as u32), ..own };
    let entries = raised.chain([own]).collect();
    raises.extend(above);
    entries
}

/// The items by falling bound, so that a search reads its programs from front to back; without those whose slot
/// an earlier one has.
pub(crate) fn in_search_order<'c>(
    items: impl IntoIterator<Item = Item<'c>>,
    refused: &mut Vec<Refused>,
) -> Vec<Item<'c>> {
    let mut taken = HashSet::new();
    let mut items: Vec<_> = items
        .into_iter()
        .filter(|item| {
            let free = taken.insert(item.slot);
            if !free {
                refused.push(Refused { slot: item.slot, reason: Refusal::SlotTaken });
            }
            free
        })
        .collect();
    items.sort_by_key(|item| (Reverse(item.bound), item.slot));
    items
}
