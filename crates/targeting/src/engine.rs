//! The interface of every search over line items: the plain scan, the compiled index, and the index with changes.

use bumpalo::Bump;
use tagbid_types::Cpm;

use crate::{Attributes, Expr, Leaf, LiveSet, Probe, Raise, Truth};

/// Place of a line item in an engine and in a [`LiveSet`]: dense, chosen by whoever builds the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

/// Items that whoever searches takes or leaves together, as far as a glance tells: those with creatives of the same
/// shapes, say. The numbers are the caller's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(pub u32);

/// What an engine is built from.
#[derive(Clone, Debug)]
pub struct Item<'c> {
    /// Its place; no two items share one.
    pub slot: Slot,
    /// Which impressions it wants.
    pub targeting: &'c Expr,
    /// What [`Wanted::class`] is asked about.
    pub class: Class,
    /// The highest price it could bid where none of its raises holds, in one currency for all items.
    pub bound: Cpm,
    /// Higher prices that it could bid where its tests come out so. They cost a search nothing where they do not, and
    /// each as much memory as the item's targeting.
    pub raises: Vec<Raise>,
    /// Further tests, answered on demand by [`Engine::test`]: the conditions of price multipliers.
    pub tests: Vec<&'c Leaf>,
}

/// A matching line item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Its place.
    pub slot: Slot,
    /// The highest of its raises that hold for the request, or else its [`Item::bound`]: every later candidate's is the
    /// same or lower, so a caller may stop below the floor.
    pub bound: Cpm,
}

/// What a searcher would take, targeting aside. Whatever it says in some nanoseconds saves the search a closer look.
pub trait Wanted {
    /// Whether any item of the class could be wanted. Asked before the search, of the classes that many items are of;
    /// of a class that is refused here every item has to be refused by [`Wanted::item`] too.
    fn class(&mut self, _class: Class) -> bool {
        true
    }

    /// Whether the item is wanted. Asked before the rest of its targeting is looked at, and maybe again.
    fn item(&mut self, slot: Slot) -> bool;
}

impl<F: FnMut(Slot) -> bool> Wanted for F {
    fn item(&mut self, slot: Slot) -> bool {
        self(slot)
    }
}

/// A search over line items. Immutable: a change builds another engine, which is swapped in whole.
///
/// A probe is made once per request and adapted to each impression; it answers only the engine that made it.
/// Whatever a search needs comes from the request's arena, so a steady state allocates nothing on the heap.
pub trait Engine: Send + Sync {
    /// Resolves a request's attributes.
    fn probe<'a>(&self, attributes: &Attributes<'a>, arena: &'a Bump) -> Probe<'a>;

    /// Resolves the impression dimensions ([`Dimension::is_impression`](crate::Dimension::is_impression)) of
    /// `attributes` and takes the rest from the request's probe.
    fn impression<'a>(&self, request: &Probe<'a>, attributes: &Attributes<'a>, arena: &'a Bump) -> Probe<'a>;

    /// Live items whose targeting is true, in falling order of bound, ties by rising slot; found one by one as
    /// they are asked for. An item goes dead or live for the search at the moment it is reached.
    fn candidates<'s>(
        &'s self,
        probe: &'s Probe<'s>,
        live: &'s LiveSet,
        arena: &'s Bump,
    ) -> impl Iterator<Item = Candidate> + 's {
        self.candidates_among(probe, live, |_| true, arena)
    }

    /// The same, of those that are wanted.
    fn candidates_among<'s>(
        &'s self,
        probe: &'s Probe<'s>,
        live: &'s LiveSet,
        wanted: impl Wanted + 's,
        arena: &'s Bump,
    ) -> impl Iterator<Item = Candidate> + 's;

    /// Every live item whose targeting is true, in any order.
    fn all(&self, probe: &Probe<'_>, live: &LiveSet, arena: &Bump, visit: impl FnMut(Slot));

    /// Whether the targeting of one item is true, live or not; false for a slot without item.
    fn matches(&self, probe: &Probe<'_>, slot: Slot) -> bool;

    /// What the `index`-th of the item's [`Item::tests`] says; unknown when there is no such test.
    fn test(&self, probe: &Probe<'_>, slot: Slot, index: usize) -> Truth;
}
