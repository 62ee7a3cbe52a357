//! Every engine gives the oracle's answers. A new engine joins by one more call in [`compare`].

use std::cmp::Reverse;
use std::collections::BTreeSet;

use bumpalo::Bump;
use proptest::prelude::*;
use tagbid_targeting::{
    Attributes, Candidate, Engine, Expr, Item, Leaf, Lists, LiveSet, Probe, Scan, Slot, Truth, explain,
    oracle,
};
use tagbid_types::{Cpm, ListId};

use crate::generate::{self, Choices};

struct LineItem {
    slot: Slot,
    targeting: Expr,
    bound: Cpm,
    tests: Vec<Leaf>,
}

/// Items with gaps between their slots and with many equal bounds, not in the order of either.
fn line_items(choices: &mut Choices<'_>) -> Vec<LineItem> {
    let count = choices.below(10);
    let mut items: Vec<_> = (0..count)
        .map(|index| LineItem {
            slot: Slot((index * 37 % 100) as u32),
            targeting: generate::expr(choices, 3),
            bound: Cpm(choices.below(4) as i64),
            tests: vec![generate::leaf(choices)],
        })
        .collect();
    if choices.yes() {
        items.push(LineItem {
            slot: Slot(100),
            targeting: generate::crowd(),
            bound: Cpm(9),
            tests: vec![generate::leaf(choices)],
        });
    }
    let turn = choices.below(count.max(1));
    let turn = turn.min(items.len());
    items.rotate_left(turn);
    items
}

fn live_set(choices: &mut Choices<'_>, items: &[LineItem]) -> LiveSet {
    let live = LiveSet::new(101);
    for item in items {
        live.set(item.slot, choices.below(4) > 0 || choices.yes());
    }
    live
}

/// Decodes a catalog and a request of two impressions, and compares everything that an engine can be asked.
fn agrees(bytes: &[u8]) {
    let choices = &mut Choices::new(bytes);
    let arena = Bump::new();
    // First, so that it is never empty for want of bytes.
    let first = generate::request(choices, &arena);
    let second = generate::other_impression(choices, &first, &arena);
    let contents = generate::lists(choices);
    let mut lists = Lists::default();
    for ((dimension, values), id) in contents.iter().zip(0..) {
        lists.insert(ListId(id), *dimension, values);
    }
    let items = line_items(choices);
    let live = live_set(choices, &items);
    let (scan, refused) = Scan::build(
        items.iter().map(|item| Item {
            slot: item.slot,
            targeting: &item.targeting,
            bound: item.bound,
            tests: item.tests.iter().collect(),
        }),
        &lists,
    );
    assert!(refused.is_empty());

    let probe = scan.probe(&first, &arena);
    compare(&scan, &probe, &items, &first, &lists, &live);
    let probe = scan.impression(&probe, &second, &arena);
    compare(&scan, &probe, &items, &second, &lists, &live);
}

fn compare(
    engine: &impl Engine,
    probe: &Probe<'_>,
    items: &[LineItem],
    attributes: &Attributes<'_>,
    lists: &Lists<'_>,
    live: &LiveSet,
) {
    let arena = Bump::new();
    let expected = oracle_candidates(items, attributes, lists, live);
    let found: Vec<_> = engine.candidates(probe, live, &arena).collect();
    assert_eq!(found, expected, "candidates");

    let mut all = Vec::new();
    engine.all(probe, live, &arena, |slot| all.push(slot));
    assert_eq!(all.len(), expected.len(), "an item was visited twice");
    let expected: BTreeSet<_> = expected.iter().map(|candidate| candidate.slot).collect();
    assert_eq!(all.into_iter().collect::<BTreeSet<_>>(), expected, "all");

    for item in items {
        let expr = &item.targeting;
        let matches = oracle::truth(expr, attributes, lists).holds();
        assert_eq!(engine.matches(probe, item.slot), matches, "{expr:?}");
        let test = oracle::leaf_truth(&item.tests[0], attributes, lists);
        assert_eq!(engine.test(probe, item.slot, 0), test, "{:?}", item.tests);
        assert_eq!(engine.test(probe, item.slot, 1), Truth::Unknown);
        let failures = explain(expr, attributes, lists, &());
        assert_eq!(failures.is_empty(), matches, "{failures:?} of {expr:?}");
        assert!(failures.iter().all(|failure| !failure.truth.holds()));
    }
}

fn oracle_candidates(
    items: &[LineItem],
    attributes: &Attributes<'_>,
    lists: &Lists<'_>,
    live: &LiveSet,
) -> Vec<Candidate> {
    let mut candidates: Vec<_> = items
        .iter()
        .filter(|item| live.contains(item.slot))
        .filter(|item| oracle::truth(&item.targeting, attributes, lists).holds())
        .map(|item| Candidate { slot: item.slot, bound: item.bound })
        .collect();
    candidates.sort_by_key(|candidate| (Reverse(candidate.bound), candidate.slot));
    candidates
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// Whatever the catalog, the lists, the live set and the request: the scan finds what the oracle finds, in
    /// falling order of bound, and an explanation is empty exactly for what matches.
    #[test]
    fn the_scan_gives_the_oracles_answers(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        agrees(&bytes);
    }
}

#[test]
fn fuzzing_finds_no_disagreement() {
    bolero::check!().with_iterations(2_000).with_max_len(1_000).for_each(agrees);
}

#[test]
fn items_that_cannot_be_served_are_refused_and_the_rest_is_served() {
    let deep = (0..20).fold(Expr::default(), |inner, _| Expr::Not(Box::new(inner)));
    let anything = Expr::default();
    let item = |slot, targeting| Item { slot: Slot(slot), targeting, bound: Cpm(1), tests: vec![] };
    let items = [item(0, &anything), item(1, &deep), item(0, &anything), item(2, &anything)];
    let (scan, refused) = Scan::build(items, &Lists::default());
    let refused: Vec<_> = refused.iter().map(|r| (r.slot.0, format!("{:?}", r.reason))).collect();
    assert_eq!(refused, [(0, "SlotTaken".into()), (1, "TooLarge".into())]);

    let arena = Bump::new();
    let probe = scan.probe(&Attributes::default(), &arena);
    let live = LiveSet::all(3);
    let found: Vec<_> = scan.candidates(&probe, &live, &arena).map(|c| c.slot.0).collect();
    assert_eq!(found, [0, 2]);
}

#[test]
fn an_item_that_dies_during_a_search_does_not_surface() {
    let anything = Expr::default();
    let items =
        (0..3).map(|slot| Item { slot: Slot(slot), targeting: &anything, bound: Cpm(1), tests: vec![] });
    let (scan, _) = Scan::build(items, &Lists::default());
    let arena = Bump::new();
    let probe = scan.probe(&Attributes::default(), &arena);
    let live = LiveSet::all(3);
    let mut candidates = scan.candidates(&probe, &live, &arena);
    assert_eq!(candidates.next().map(|c| c.slot), Some(Slot(0)));
    live.set(Slot(1), false);
    assert_eq!(candidates.next().map(|c| c.slot), Some(Slot(2)));
}
