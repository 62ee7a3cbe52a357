use super::*;
use crate::{Engine, Expr, Item, Lists, LiveSet, Scan, Slot};
use tagbid_types::Cpm;

fn clauses(expr: &Expr) -> usize {
    match expr {
        Expr::All(parts) => parts.iter().map(clauses).sum(),
        // An item is as selective as one of its alternatives.
        Expr::Any(parts) => parts.first().map_or(0, clauses),
        Expr::Not(_) | Expr::Leaf(_) => 1,
    }
}

#[test]
fn it_has_the_shape_that_it_promises() {
    const ITEMS: u32 = 5_000;
    const VISITS: usize = 400;
    let world = World::default();
    let targeting: Vec<_> = (0..ITEMS as usize).map(|n| world.item(n)).collect();
    let per_item = targeting.iter().map(clauses).sum::<usize>() as f64 / f64::from(ITEMS);
    assert!((5.5..8.0).contains(&per_item), "{per_item} clauses an item");

    let items = targeting.iter().zip(0..).map(|(targeting, slot)| Item {
        slot: Slot(slot),
        targeting,
        bound: Cpm(1),
        tests: vec![],
    });
    let (scan, refused) = Scan::build(items, &Lists::default());
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
    let share = f64::from(matches) / (f64::from(ITEMS) * VISITS as f64);
    assert!((0.0015..0.0030).contains(&share), "{share} of the items match");
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
    assert_eq!(World::default().item(123), world.item(123));
}
