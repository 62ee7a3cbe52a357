//! Catalogs of the reference workload: large enough for several tiers of a search and several levels of changes.

use bumpalo::Bump;
use tagbid_targeting::workload::{Random, Workload, World};
use tagbid_targeting::{
    Attributes, Candidate, Engine, Index, Item, Layered, Lists, LiveSet, Scan, Slot, Traffic,
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

fn answers(engine: &impl Engine, attributes: &Attributes<'_>, live: &LiveSet) -> (Vec<Candidate>, Vec<Slot>) {
    let arena = Bump::new();
    let probe = engine.probe(attributes, &arena);
    let mut all = Vec::new();
    engine.all(&probe, live, &arena, |slot| all.push(slot));
    all.sort_unstable();
    (engine.candidates(&probe, live, &arena).collect(), all)
}
