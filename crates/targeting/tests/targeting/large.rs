//! Catalogs of the workloads: large enough for several tiers of a search and several levels of changes.

use bumpalo::Bump;
use tagbid_targeting::workload::{Random, Workload, World};
use tagbid_targeting::{
    Attributes, Candidate, Dimension, Engine, Expr, Index, Item, Layered, Leaf, Lists, LiveSet, Scan, Slot,
    Traffic,
};
use tagbid_types::Cpm;

#[test]
fn large_engines_agree_with_the_scan() {
    const ITEMS: u32 = 9_000;
    let world = World::default();
    let targeting = world.items(Workload::Reference, 0..ITEMS as usize);
    let item = |slot: u32, number: usize| Item {
        slot: Slot(slot),
        targeting: &targeting[number],
        bound: Cpm((number * 7_919 % 1_000) as i64),
        raises: vec![],
        tests: vec![],
    };
    let lists = Lists::default();
    let base = |slots: u32| (0..slots).map(|slot| item(slot, slot as usize));
    let index = Index::build(base(ITEMS), &lists, &Traffic::default()).0;
    let mut layered = Layered::new(Index::build(base(ITEMS / 2), &lists, &Traffic::default()).0);
    let random = &mut Random::new(8);
    let mut now: Vec<_> = (0..ITEMS).map(|slot| (slot < ITEMS / 2).then_some(slot as usize)).collect();
    for size in [1_500, 90, 1, 7, 200, 3, 40, 1, 1] {
        let changed: Vec<_> =
            (0..size).map(|_| (random.below(now.len()), random.below(targeting.len()))).collect();
        let removed: Vec<_> = (0..size / 3).map(|_| Slot(random.below(now.len()) as u32)).collect();
        // The last of several changes of one slot counts here, so none is given twice.
        let changed: std::collections::BTreeMap<_, _> = changed.into_iter().collect();
        removed.iter().for_each(|slot| now[slot.0 as usize] = None);
        changed.iter().for_each(|(slot, number)| now[*slot] = Some(*number));
        let items = changed.iter().map(|(slot, number)| item(*slot as u32, *number));
        layered = layered.with(items, &removed, &lists).0;
    }
    let now = now.iter().zip(0..).filter_map(|(number, slot)| Some(item(slot, (*number)?)));
    let scans = [Scan::build(base(ITEMS), &lists).0, Scan::build(now, &lists).0];
    let live = LiveSet::all(ITEMS);
    for _ in 0..60 {
        let arena = Bump::new();
        let visit = world.visit(random);
        let attributes = visit.attributes(&arena);
        let expected = scans.each_ref().map(|scan| answers(scan, &attributes, &live));
        assert_eq!(answers(&index, &attributes, &live), expected[0]);
        assert_eq!(answers(&layered, &attributes, &live), expected[1]);
    }
}

/// Broad items by observed traffic, so that most are in blocks and some are not, with changes above them.
#[test]
fn broad_catalogs_agree_with_the_scan() {
    const ITEMS: u32 = 3_000;
    let world = World::default();
    let targeting = world.items(Workload::Broad, 0..ITEMS as usize);
    let contents = world.block_lists(ITEMS as usize);
    let random = &mut Random::new(9);
    let mut traffic = Traffic::default();
    for _ in 0..1_000 {
        let arena = Bump::new();
        traffic.observe(&world.visit(random).attributes(&arena));
    }
    let item = |slot: u32, number: usize| Item {
        slot: Slot(slot),
        targeting: &targeting[number],
        bound: Cpm(i64::from(slot) * 7_919 % 1_000),
        raises: vec![],
        tests: vec![],
    };
    let items = || (0..ITEMS).map(|slot| item(slot, slot as usize));
    let index = Index::build(items(), &contents.lists(), &traffic).0;
    let changed = |slot: u32| slot % 40 == 7;
    let changes = (0..ITEMS).filter(|slot| changed(*slot)).map(|slot| item(slot, slot as usize / 2));
    let layered = Layered::new(Index::build(items(), &contents.lists(), &traffic).0);
    let layered = layered.with(changes, &[], &contents.lists()).0;
    let now = (0..ITEMS).map(|slot| item(slot, slot as usize / if changed(slot) { 2 } else { 1 }));
    let scans =
        [items().collect::<Vec<_>>(), now.collect()].map(|items| Scan::build(items, &contents.lists()).0);
    let live = LiveSet::all(ITEMS);
    for _ in 0..40 {
        let arena = Bump::new();
        let visit = world.visit(random);
        let attributes = visit.attributes(&arena);
        let expected = scans.each_ref().map(|scan| answers(scan, &attributes, &live));
        assert_eq!(answers(&index, &attributes, &live), expected[0]);
        assert_eq!(answers(&layered, &attributes, &live), expected[1]);
        assert!((0..ITEMS).step_by(50).all(|slot| {
            let probe = index.probe(&attributes, &arena);
            index.matches(&probe, Slot(slot)) == expected[0].1.binary_search(&Slot(slot)).is_ok()
        }));
    }
}

/// More items than one chunk of blocks holds, of clauses that many have and few have.
#[test]
fn blocks_beyond_a_chunk_agree_with_the_scan() {
    const ITEMS: u32 = 67_000;
    let city = |of: u32| format!("city{of}");
    let among = |values: &[u32]| Leaf::In {
        dimension: Dimension::City,
        values: values.iter().map(|value| city(*value)).collect(),
    };
    let targeting = |item: u32| match item % 5 {
        0 => Expr::Leaf(among(&[item % 3, 3])),
        1 => Expr::Not(Box::new(Expr::Leaf(among(&[item % 900])))),
        2 => Expr::Any(vec![Expr::Leaf(among(&[item % 1_700])), Expr::Leaf(among(&[1, 2]))]),
        3 => Expr::Leaf(among(&[item % 4_000, item % 4_001])),
        _ => Expr::default(),
    };
    let targeting: Vec<_> = (0..ITEMS).map(targeting).collect();
    let items = || {
        (0..ITEMS).zip(&targeting).map(|(slot, targeting)| Item {
            slot: Slot(slot),
            targeting,
            bound: Cpm(i64::from(slot / 3)),
            raises: vec![],
            tests: vec![],
        })
    };
    let (scan, _) = Scan::build(items(), &Lists::default());
    let index = Index::build_in_blocks(items(), &Lists::default(), &Traffic::default()).0;
    let live = LiveSet::all(ITEMS);
    for values in [&[][..], &[0], &[3], &[1, 555], &[1_234, 3_999, 4_000], &[5_000]] {
        let texts: Vec<_> = values.iter().map(|value| city(*value)).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut attributes = Attributes::default();
        attributes.set(Dimension::City, &texts);
        assert_eq!(answers(&index, &attributes, &live), answers(&scan, &attributes, &live), "{values:?}");
    }
}

fn answers(engine: &impl Engine, attributes: &Attributes<'_>, live: &LiveSet) -> (Vec<Candidate>, Vec<Slot>) {
    let arena = Bump::new();
    let probe = engine.probe(attributes, &arena);
    let mut all = Vec::new();
    engine.all(&probe, live, &arena, |slot| all.push(slot));
    all.sort_unstable();
    (engine.candidates(&probe, live, &arena).collect(), all)
}
