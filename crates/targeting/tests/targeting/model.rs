//! A catalog as a test knows it, and what the oracle says of it.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use bolero::ValueGenerator;
use bumpalo::Bump;
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tagbid_targeting::{
    Attributes, Candidate, Class, Engine, Expr, Leaf, Lists, LiveSet, Probe, Raise, Slot, Truth, Wanted,
    explain, oracle,
};
use tagbid_types::Cpm;

use crate::generate::{self, Choices};

/// Slots that tests use, beside the one of the crowd.
pub(crate) const SLOTS: u32 = 101;

#[derive(Clone, Debug)]
pub(crate) struct LineItem {
    pub(crate) slot: Slot,
    pub(crate) targeting: Expr,
    pub(crate) bound: Cpm,
    pub(crate) raises: Vec<Raise>,
    pub(crate) tests: Vec<Leaf>,
}

impl LineItem {
    pub(crate) fn class(&self) -> Class {
        class_of(self.slot)
    }

    /// With few different bounds, so that many are equal, and with raises that say nothing now and then: below the item's
    /// own bound, of a test that is not there, of one that has to be both.
    pub(crate) fn any(choices: &mut Choices<'_>, slot: Slot, requests: &[Attributes<'_>]) -> Self {
        Self {
            slot,
            targeting: generate::expr(choices, requests, 3),
            bound: Cpm(choices.below(4) as i64),
            raises: (0..choices.below(4)).map(|_| any_raise(choices)).collect(),
            tests: (0..choices.below(4)).map(|_| generate::leaf(choices, requests)).collect(),
        }
    }

    /// The most that it could bid for a request.
    fn bound(&self, attributes: &Attributes<'_>, lists: &Lists<'_>) -> Cpm {
        let test = |place| match self.tests.get(place) {
            Some(leaf) => oracle::leaf_truth(leaf, attributes, lists),
            None => Truth::Unknown,
        };
        let all =
            |bits: u128, wanted| (0..128).filter(|place| bits >> place & 1 == 1).all(|p| test(p) == wanted);
        let holds = |raise: &&Raise| all(raise.holding, Truth::True) && all(raise.failing, Truth::False);
        self.raises.iter().filter(holds).map(|raise| raise.bound).fold(self.bound, Cpm::max)
    }

    pub(crate) fn plain(slot: u32, targeting: Expr) -> Self {
        Self { slot: Slot(slot), targeting, bound: Cpm(1), raises: Vec::new(), tests: Vec::new() }
    }
}

fn any_raise(choices: &mut Choices<'_>) -> Raise {
    // Four places for at most three tests.
    let bits = |choices: &mut Choices<'_>| (choices.below(16) & choices.below(16)) as u128;
    Raise { holding: bits(choices), failing: bits(choices), bound: Cpm(choices.below(6) as i64) }
}

/// How many (item, request) pairs were compared, and how many of them matched: a comparison in which nothing
/// matches proves nothing.
#[derive(Debug, Default)]
pub(crate) struct Share {
    pairs: AtomicUsize,
    matches: AtomicUsize,
}

impl Share {
    pub(crate) fn count(&self, pairs: usize, matches: usize) {
        self.pairs.fetch_add(pairs, Ordering::Relaxed);
        self.matches.fetch_add(matches, Ordering::Relaxed);
    }

    /// Neither hardly anything nor nearly everything matched.
    pub(crate) fn assert_telling(&self) {
        let pairs = self.pairs.load(Ordering::Relaxed);
        let share = self.matches.load(Ordering::Relaxed) as f64 / pairs as f64;
        assert!((0.15..0.85).contains(&share), "{share} of {pairs} pairs match");
    }
}

/// A property of random bytes, which shrink when it fails; the share of matches is held in the end.
pub(crate) fn holds_for_bytes(cases: u32, len: Range<usize>, property: impl Fn(&[u8], &Share)) {
    let share = Share::default();
    // Failures are written down as bytes in the message; there is no file to keep them in step with.
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let bytes = prop::collection::vec(any::<u8>(), len);
    let outcome = TestRunner::new(config).run(&bytes, |bytes| {
        property(&bytes, &share);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    share.assert_telling();
}

/// For a fuzz target. Without a length of its own, bolero's random engine gives 64 bytes at most, which hold a request
/// and hardly ever a catalog.
pub(crate) fn fuzzed_bytes(most: usize) -> impl ValueGenerator<Output = Vec<u8>> {
    bolero::produce::<Vec<u8>>().with().len(0..most)
}

/// What a correct engine finds: in falling order of bound, ties by rising slot.
pub(crate) fn candidates(
    items: &[LineItem],
    attributes: &Attributes<'_>,
    lists: &Lists<'_>,
    live: &LiveSet,
) -> Vec<Candidate> {
    let mut candidates: Vec<_> = items
        .iter()
        .filter(|item| live.contains(item.slot))
        .filter(|item| oracle::truth(&item.targeting, attributes, lists).holds())
        .map(|item| Candidate { slot: item.slot, bound: item.bound(attributes, lists) })
        .collect();
    candidates.sort_by_key(|candidate| (Reverse(candidate.bound), candidate.slot));
    candidates
}

/// Wants even slots, and none of one class.
struct Choosy;

impl Wanted for Choosy {
    fn class(&mut self, class: Class) -> bool {
        class != Class(1)
    }

    fn item(&mut self, slot: Slot) -> bool {
        slot.0.is_multiple_of(2) && self.class(class_of(slot))
    }
}

/// Of few classes.
fn class_of(slot: Slot) -> Class {
    Class(slot.0 % 3)
}

/// What the oracle is asked about.
#[derive(Clone, Copy)]
pub(crate) struct Question<'q> {
    pub(crate) items: &'q [LineItem],
    pub(crate) lists: &'q Lists<'q>,
    pub(crate) live: &'q LiveSet,
}

impl Question<'_> {
    /// Compares everything that an engine can be asked about an impression with what the oracle says.
    pub(crate) fn compare<E: Engine>(&self, engine: &E, probe: &Probe<'_>, attributes: &Attributes<'_>) {
        let name = std::any::type_name::<E>();
        let arena = Bump::new();
        let expected = candidates(self.items, attributes, self.lists, self.live);
        let found: Vec<_> = engine.candidates(probe, self.live, &arena).collect();
        assert_eq!(found, expected, "candidates of {name}");
        let found: Vec<_> = engine.candidates_among(probe, self.live, Choosy, &arena).collect();
        let wanted = expected.iter().copied().filter(|candidate| Choosy.item(candidate.slot));
        assert_eq!(found, wanted.collect::<Vec<_>>(), "wanted candidates of {name}");

        let mut all = Vec::new();
        engine.all(probe, self.live, &arena, |slot| all.push(slot));
        assert_eq!(all.len(), expected.len(), "{name} visits an item twice or not at all");
        let expected: BTreeSet<_> = expected.iter().map(|candidate| candidate.slot).collect();
        assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), expected, "all of {name}");

        for item in self.items {
            let expr = &item.targeting;
            let matches = oracle::truth(expr, attributes, self.lists).holds();
            assert_eq!(engine.matches(probe, item.slot), matches, "{name}: {expr:?}");
            for (index, leaf) in item.tests.iter().enumerate() {
                let test = oracle::leaf_truth(leaf, attributes, self.lists);
                assert_eq!(engine.test(probe, item.slot, index), test, "{name}: {leaf:?}");
            }
            assert_eq!(engine.test(probe, item.slot, item.tests.len()), Truth::Unknown);
        }
        let has = |slot: &Slot| self.items.iter().any(|item| item.slot == *slot);
        for empty in (0..=SLOTS).map(Slot).filter(|slot| !has(slot)) {
            assert!(!engine.matches(probe, empty), "an empty slot matches");
            assert_eq!(engine.test(probe, empty, 0), Truth::Unknown);
        }
    }

    /// An explanation is empty exactly for what matches; counts how many do.
    pub(crate) fn explains(&self, attributes: &Attributes<'_>, share: &Share) {
        for item in self.items {
            let matches = oracle::truth(&item.targeting, attributes, self.lists).holds();
            let failures = explain(&item.targeting, attributes, self.lists, &());
            assert_eq!(failures.is_empty(), matches, "{failures:?} of {:?}", item.targeting);
            assert!(failures.iter().all(|failure| !failure.truth.holds()));
            share.count(1, usize::from(matches));
        }
    }
}

/// The shared lists, from 0 on.
pub(crate) fn lists(contents: &[(tagbid_targeting::Dimension, Vec<String>)]) -> Lists<'_> {
    let mut lists = Lists::default();
    for ((dimension, values), id) in contents.iter().zip(0..) {
        lists.insert(tagbid_types::ListId(id), *dimension, values);
    }
    lists
}
