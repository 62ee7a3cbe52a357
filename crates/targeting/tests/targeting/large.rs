//! Catalogs of the workloads: large enough for several tiers of a search and several levels of changes.

use bumpalo::Bump;
use tagbid_targeting::workload::{Random, Workload, World};
use tagbid_targeting::{
    Attributes, Candidate, Class, Dimension, Engine, Expr, Index, Item, Knowledge, Layered, Leaf, Lists,
    LiveSet, Raise, Scan, Slot, TagKind, TagTest, Traffic, UserTag, Wanted,
};
use tagbid_types::{Cpm, TagId};

fn among(dimension: Dimension, values: &[u32]) -> Leaf {
    let text = |value: &u32| format!("{}{value}", dimension.as_str());
    Leaf::In { dimension, values: values.iter().map(text).collect() }
}

/// Tests that now hold and now do not.
fn tests() -> [Leaf; 3] {
    [
        among(Dimension::Size, &[0, 1, 2]),
        among(Dimension::Os, &[0, 3]),
        among(Dimension::Site, &(0..300).collect::<Vec<_>>()),
    ]
}

/// The item of this number at some slot. Of every three one has bounds that depend on the request.
fn item<'c>(targeting: &'c [Expr], tests: &'c [Leaf], slot: u32, number: usize) -> Item<'c> {
    let bound = (number * 7_919 % 1_000) as i64;
    let raise = |(holding, failing, by)| Raise { holding, failing, bound: Cpm(bound + by) };
    let raises = [(0b001, 0, 250), (0b010, 0b100, 400), (0b011, 0, 900)].map(raise);
    Item {
        slot: Slot(slot),
        targeting: &targeting[number],
        class: Class(slot % 7),
        bound: Cpm(bound),
        raises: if number.is_multiple_of(3) { raises.to_vec() } else { Vec::new() },
        tests: tests.iter().collect(),
    }
}

/// Of every four expressions one excludes users by a test of its own: more of these than a search keeps answers for.
/// Another one does by a test that many have.
fn guarded(targeting: Vec<Expr>) -> Vec<Expr> {
    let guard = |number: u32| TagTest {
        any_of: vec![TagId(number % 40), TagId(number % 300)],
        kind: TagKind::Offline,
        min_weight: (number % 251) as u8,
        max_age_s: number.is_multiple_of(3).then_some(number % 90),
    };
    let with = |(expr, number): (Expr, u32)| match number % 4 {
        1 => Expr::All(vec![expr, Expr::Not(Box::new(Expr::Leaf(Leaf::Tag(guard(number)))))]),
        2 => Expr::All(vec![expr, Expr::Not(Box::new(Expr::Leaf(Leaf::Tag(guard(number % 8)))))]),
        _ => expr,
    };
    targeting.into_iter().zip(0..).map(with).collect()
}

/// A visit; now and then with values missing or too many of them, or with tags that are not all known.
fn visit<'a>(world: &World, random: &mut Random, arena: &'a Bump) -> Attributes<'a> {
    let mut attributes = world.visit(random).attributes(arena);
    let tags = attributes.tags.iter().map(|tag| {
        let id = tag.id.0;
        UserTag { realtime: id.is_multiple_of(5), weight: (id % 256) as u8, age_s: id % 100, ..*tag }
    });
    attributes.tags = arena.alloc_slice_fill_iter(tags);
    let others = world.visit(random).attributes(arena);
    for dimension in Dimension::ALL {
        let (own, other) = (attributes.values(dimension), others.values(dimension));
        if random.chance(0.1) {
            attributes.set(dimension, arena.alloc_slice_copy(&[own, other].concat()));
        } else if random.chance(0.05) {
            attributes.set(dimension, &[]);
        }
    }
    if random.chance(0.2) {
        attributes.knowledge = Knowledge::default();
    }
    attributes
}

/// Of all, of every other one, and of all in another impression: what is found, and in which order; and what is visited.
type Answers = ([Vec<Candidate>; 3], Vec<Slot>);

/// Wants odd slots, and none of one class.
struct Odd;

impl Wanted for Odd {
    fn class(&mut self, class: Class) -> bool {
        class != Class(3)
    }

    fn item(&mut self, slot: Slot) -> bool {
        slot.0 % 2 == 1 && slot.0 % 7 != 3
    }
}

fn answers(engine: &impl Engine, attributes: &Attributes<'_>, live: &LiveSet) -> Answers {
    let arena = Bump::new();
    let probe = engine.probe(attributes, &arena);
    let mut all = Vec::new();
    engine.all(&probe, live, &arena, |slot| all.push(slot));
    all.sort_unstable();
    let mut other = attributes.clone();
    other.set(Dimension::Size, &["size1", "size7"]);
    let other = engine.impression(&probe, &other, &arena);
    let found = [
        engine.candidates(&probe, live, &arena).collect(),
        engine.candidates_among(&probe, live, Odd, &arena).collect(),
        engine.candidates(&other, live, &arena).collect(),
    ];
    (found, all)
}

/// An index in every way to search it.
fn every_way<'c>(items: &[Item<'c>], lists: &Lists<'_>, traffic: &Traffic) -> [Index; 4] {
    let filed = || Index::build(items.iter().cloned(), lists, traffic).0;
    let in_blocks = || Index::build_in_blocks(items.iter().cloned(), lists, traffic).0;
    [filed(), filed().without_simd(), in_blocks(), in_blocks().without_simd()]
}

/// Everything but some, so that what is dead lies between what is found.
fn live_set(slots: u32) -> LiveSet {
    let live = LiveSet::all(slots);
    (0..slots).step_by(11).for_each(|slot| assert!(live.set(Slot(slot), false)));
    live
}

#[test]
fn large_engines_agree_with_the_scan() {
    const ITEMS: u32 = 9_000;
    let world = World::default();
    let (targeting, tests) = (guarded(world.items(Workload::Reference, 0..ITEMS as usize)), tests());
    let item = |slot: u32, number: usize| item(&targeting, &tests, slot, number);
    let lists = Lists::default();
    let base = |slots: u32| (0..slots).map(|slot| item(slot, slot as usize)).collect::<Vec<_>>();
    let indexes = every_way(&base(ITEMS), &lists, &Traffic::default());
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
    let live = live_set(ITEMS);
    for _ in 0..60 {
        let arena = Bump::new();
        let attributes = visit(&world, random, &arena);
        let expected = scans.each_ref().map(|scan| answers(scan, &attributes, &live));
        for index in &indexes {
            assert_eq!(answers(index, &attributes, &live), expected[0]);
        }
        assert_eq!(answers(&layered, &attributes, &live), expected[1]);
    }
}

/// Broad items by observed traffic, so that most are in blocks and some are not, with changes above them.
#[test]
fn broad_catalogs_agree_with_the_scan() {
    const ITEMS: u32 = 3_000;
    let world = World::default();
    let (targeting, tests) = (guarded(world.items(Workload::Broad, 0..ITEMS as usize)), tests());
    let contents = world.block_lists(ITEMS as usize);
    let random = &mut Random::new(9);
    let mut traffic = Traffic::default();
    for _ in 0..1_000 {
        let arena = Bump::new();
        traffic.observe(&world.visit(random).attributes(&arena));
    }
    let item = |slot: u32, number: usize| item(&targeting, &tests, slot, number);
    let items: Vec<_> = (0..ITEMS).map(|slot| item(slot, slot as usize)).collect();
    let indexes = every_way(&items, &contents.lists(), &traffic);
    let changed = |slot: u32| slot % 40 == 7;
    let changes = (0..ITEMS).filter(|slot| changed(*slot)).map(|slot| item(slot, slot as usize / 2));
    let layered = Layered::new(Index::build(items.iter().cloned(), &contents.lists(), &traffic).0);
    let layered = layered.with(changes, &[], &contents.lists()).0;
    let now = (0..ITEMS).map(|slot| item(slot, slot as usize / if changed(slot) { 2 } else { 1 }));
    let scans = [items.clone(), now.collect()].map(|items| Scan::build(items, &contents.lists()).0);
    let live = live_set(ITEMS);
    for _ in 0..40 {
        let arena = Bump::new();
        let attributes = visit(&world, random, &arena);
        let expected = scans.each_ref().map(|scan| answers(scan, &attributes, &live));
        for index in &indexes {
            assert_eq!(answers(index, &attributes, &live), expected[0]);
            let probe = index.probe(&attributes, &arena);
            let found = |slot: &u32| index.matches(&probe, Slot(*slot));
            let own = scans[0].probe(&attributes, &arena);
            assert!((0..ITEMS).step_by(50).all(|slot| found(&slot) == scans[0].matches(&own, Slot(slot))));
        }
        assert_eq!(answers(&layered, &attributes, &live), expected[1]);
    }
}

/// More items than one chunk of blocks holds, of clauses that many have and few have.
#[test]
fn blocks_beyond_a_chunk_agree_with_the_scan() {
    const ITEMS: u32 = 67_000;
    let among = |values: &[u32]| Expr::Leaf(among(Dimension::City, values));
    let targeting = |item: u32| match item % 5 {
        0 => among(&[item % 3, 3]),
        1 => Expr::Not(Box::new(among(&[item % 900]))),
        2 => Expr::Any(vec![among(&[item % 1_700]), among(&[1, 2])]),
        3 => among(&[item % 4_000, item % 4_001]),
        _ => Expr::default(),
    };
    let targeting: Vec<_> = (0..ITEMS).map(targeting).collect();
    let items = || {
        let plain =
            |slot| Item { bound: Cpm(i64::from(slot / 3)), ..item(&targeting, &[], slot, slot as usize) };
        (0..ITEMS).map(plain).map(|item| Item { raises: Vec::new(), ..item })
    };
    let (scan, _) = Scan::build(items(), &Lists::default());
    let index = Index::build_in_blocks(items(), &Lists::default(), &Traffic::default()).0;
    let live = LiveSet::all(ITEMS);
    for values in [&[][..], &[0], &[3], &[1, 555], &[1_234, 3_999, 4_000], &[5_000]] {
        let texts: Vec<_> = values.iter().map(|value| format!("city{value}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut attributes = Attributes::default();
        attributes.set(Dimension::City, &texts);
        assert_eq!(answers(&index, &attributes, &live), answers(&scan, &attributes, &live), "{values:?}");
    }
}

/// Every item wants a value that nobody else wants, so the blocks have lists and no bits; it is found at whichever place
/// of a line, of the lines that are combined together, and of a chunk it stands.
#[test]
fn what_is_listed_in_blocks_is_found_at_every_edge() {
    const ITEMS: u32 = 66_000;
    let targeting: Vec<_> = (0..ITEMS).map(|slot| Expr::Leaf(among(Dimension::City, &[slot]))).collect();
    let items = (0..ITEMS).map(|slot| Item {
        bound: Cpm(1),
        raises: Vec::new(),
        ..item(&targeting, &[], slot, slot as usize)
    });
    let index = Index::build_in_blocks(items, &Lists::default(), &Traffic::default()).0;
    let (scalar, live) = (index.without_simd(), LiveSet::all(ITEMS));
    for edge in [512, 2_048, 2_048 * 3, 32_768, 65_536, ITEMS] {
        for slots in [&[edge - 1][..], &[edge % ITEMS], &[edge - 2, edge - 1, edge % ITEMS]] {
            let texts: Vec<_> = slots.iter().map(|slot| format!("city{slot}")).collect();
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let mut attributes = Attributes::default();
            attributes.set(Dimension::City, &texts);
            let mut expected: Vec<_> = slots.iter().copied().map(Slot).collect();
            expected.sort_unstable();
            let (found, all) = answers(&scalar, &attributes, &live);
            let found: Vec<_> = found[0].iter().map(|candidate| candidate.slot).collect();
            assert_eq!((&found, &all), (&expected, &expected));
            let arena = Bump::new();
            let probe = scalar.probe(&attributes, &arena);
            assert!(expected.iter().all(|slot| scalar.matches(&probe, *slot)));
        }
    }
}
