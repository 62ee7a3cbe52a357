use super::*;
use crate::{Class, Engine, Item, LiveSet, Scan, Slot};

const ITEMS: u32 = 5_000;
const VISITS: usize = 400;

fn clauses(expr: &Expr) -> usize {
    match expr {
        Expr::All(parts) => parts.iter().map(clauses).sum(),
        // An item is as selective as one of its alternatives.
        Expr::Any(parts) => parts.first().map_or(0, clauses),
        Expr::Not(_) | Expr::Leaf(_) => 1,
    }
}

fn clauses_per_item(targeting: &[Expr]) -> f64 {
    targeting.iter().map(clauses).sum::<usize>() as f64 / targeting.len() as f64
}

/// Share of (item, request) pairs that match.
fn match_share(world: &World, targeting: &[Expr], lists: &Lists<'_>) -> f64 {
    let items = targeting.iter().zip(0..).map(|(targeting, slot)| Item {
        slot: Slot(slot),
        targeting,
        bound: Cpm(1),
        class: Class::default(),
        raises: vec![],
        tests: vec![],
    });
    let (scan, refused) = Scan::build(items, lists);
    assert!(refused.is_empty());
    let live = LiveSet::all(ITEMS);
    let mut random = Random::new(1);
    let mut matches = 0;
    for _ in 0..VISITS {
        let visit = world.visit(&mut random);
        assert!((30..=100).contains(&visit.tags.len()));
        let arena = Bump::new();
        let probe = scan.probe(&visit.attributes(&arena), &arena);
        scan.all(&probe, &live, &arena, |_| matches += 1);
    }
    f64::from(matches) / (f64::from(ITEMS) * VISITS as f64)
}

#[test]
fn the_reference_has_the_shape_that_it_promises() {
    let world = World::default();
    let targeting = world.items(Workload::Reference, 0..ITEMS as usize);
    let per_item = clauses_per_item(&targeting);
    assert!((5.5..8.0).contains(&per_item), "{per_item} clauses an item");
    let share = match_share(&world, &targeting, &Lists::default());
    assert!((0.0015..0.0030).contains(&share), "{share} of the items match");
}

#[test]
fn the_broad_workload_has_the_shape_that_it_promises() {
    let world = World::default();
    let targeting = world.items(Workload::Broad, 0..ITEMS as usize);
    let names = |dimension: &str| {
        let naming = |item: &&Expr| format!("{item:?}").contains(dimension);
        targeting.iter().filter(naming).count() as f64 / f64::from(ITEMS)
    };
    let local = names("Country");
    assert!((0.47..0.53).contains(&local), "{local} name a country");
    assert!(names("Size") == 0.0);
    let blocking = names("OnList");
    assert!((0.55..0.65).contains(&blocking), "{blocking} name a block list");

    let block_lists = world.block_lists(ITEMS as usize);
    let share = match_share(&world, &targeting, &block_lists.lists());
    assert!((0.02..0.03).contains(&share), "{share} of the items match");
    // Every list that an item names is there: a missing one blocks all of its items.
    let blocked = match_share(&world, &targeting, &Lists::default());
    assert!(blocked < share * 0.6, "{blocked} match without lists");
}

#[test]
fn a_seed_gives_the_same_again() {
    let world = World::default();
    let visits = |seed| {
        let mut random = Random::new(seed);
        [world.visit(&mut random), world.visit(&mut random)]
    };
    assert_eq!(visits(7), visits(7));
    assert_ne!(visits(7), visits(8));
    for workload in Workload::ALL {
        let items = World::default().items(workload, 40..130);
        assert_eq!(items[83..], world.items(workload, 123..130), "{workload:?}");
    }
}

#[test]
fn bounds_spread_over_two_magnitudes() {
    let bounds: Vec<_> = (0..1_000).map(bound).collect();
    assert!(bounds.iter().all(|bound| (Cpm(100_000)..=Cpm(10_000_000)).contains(bound)));
    let median = bounds.iter().filter(|bound| **bound < Cpm(1_000_000)).count();
    assert!((400..600).contains(&median), "{median} of 1,000 are below 1.00");
}
