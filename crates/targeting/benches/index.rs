//! Every engine on the reference workload, and where the time of a search goes.
//!
//! Whole shuffled passes over the requests; of each request the least time over the passes counts, so that other
//! work on the machine does not. No request comes twice in a row. `INDEX_BENCH=100000,1000000` picks the sizes.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a bench talks to a person and fails loudly")]

use std::hint::black_box;
use std::time::Instant;

use bumpalo::Bump;
use tagbid_targeting::workload::{Random, Visit, World};
use tagbid_targeting::{Attributes, Engine, Expr, Index, Item, Lists, LiveSet, Scan, Slot, Traffic};
use tagbid_types::Cpm;

const VISITS: usize = 1_000;

/// Prices from 0.10 to 10, the cheap ones more frequent, as in any campaign.
fn bound(number: u32) -> Cpm {
    let share = Random::new(u64::from(number)).fraction();
    Cpm::from_f64(0.1 * 100_f64.powf(share)).unwrap()
}

fn items(targeting: &[Expr]) -> impl Iterator<Item = Item<'_>> {
    targeting.iter().zip(0..).map(|(targeting, slot)| Item {
        slot: Slot(slot),
        targeting,
        bound: bound(slot),
        tests: Vec::new(),
    })
}

fn traffic(world: &World) -> Traffic {
    let mut random = Random::new(99);
    let mut traffic = Traffic::default();
    for _ in 0..20_000 {
        let arena = Bump::new();
        traffic.observe(&world.visit(&mut random).attributes(&arena));
    }
    traffic
}

/// Mean over the requests of their least time, in µs.
fn measure(
    passes: usize,
    requests: &[Attributes<'_>],
    mut search: impl FnMut(&Attributes<'_>, &Bump),
) -> f64 {
    let mut least = vec![f64::MAX; requests.len()];
    let mut order: Vec<_> = (0..requests.len()).collect();
    let mut random = Random::new(4);
    let mut arena = Bump::with_capacity(1 << 20);
    for _ in 0..passes {
        for at in (1..order.len()).rev() {
            order.swap(at, random.below(at + 1));
        }
        for at in &order {
            arena.reset();
            let start = Instant::now();
            search(&requests[*at], &arena);
            least[*at] = least[*at].min(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    least.iter().sum::<f64>() / least.len() as f64
}

fn engine(name: &str, engine: &impl Engine, live: &LiveSet, requests: &[Attributes<'_>], passes: usize) {
    let probe = measure(passes, requests, |request, arena| {
        black_box(engine.probe(request, arena));
    });
    let mut found = 0;
    let all = measure(passes, requests, |request, arena| {
        let probe = engine.probe(request, arena);
        engine.all(&probe, live, arena, |_| found += 1);
    });
    let top = measure(passes, requests, |request, arena| {
        let probe = engine.probe(request, arena);
        black_box(engine.candidates(&probe, live, arena).take(10).count());
    });
    let found = found / passes / requests.len();
    println!("  {name:10} probe {probe:7.2} all {all:9.2} top10 {top:8.2} µs, {found} matches");
}

fn main() {
    let sizes = std::env::var("INDEX_BENCH").unwrap_or_else(|_| "10000,100000".into());
    let world = World::default();
    let mut random = Random::new(1);
    let visits: Vec<Visit> = (0..VISITS).map(|_| world.visit(&mut random)).collect();
    let arena = Bump::new();
    let requests: Vec<_> = visits.iter().map(|visit| visit.attributes(&arena)).collect();
    let traffic = traffic(&world);
    for size in sizes.split(',').map(|size| size.parse::<u32>().unwrap()) {
        println!("reference, {size} items");
        let targeting: Vec<_> = (0..size as usize).map(|number| world.item(number)).collect();
        let live = LiveSet::all(size);
        let start = Instant::now();
        let (index, refused) = Index::build(items(&targeting), &Lists::default(), &traffic);
        assert!(refused.is_empty());
        let build = start.elapsed().as_secs_f64();
        println!("  index: {build:.2} s, {} bytes an item", index.heap_bytes() / index.len());
        engine("index", &index, &live, &requests, 7);
        if std::env::var("INDEX_PROFILE").is_ok() {
            let n: usize = std::env::var("INDEX_PROFILE").unwrap().parse().unwrap();
            measure(n, &requests, |request, arena| {
                let probe = index.probe(request, arena);
                black_box(index.candidates(&probe, &live, arena).take(10).count());
            });
            continue;
        }
        if std::env::var("INDEX_SCAN").is_ok() {
            let index = index.without_simd();
            engine("scalar", &index, &live, &requests, 7);
            let (scan, _) = Scan::build(items(&targeting), &Lists::default());
            println!("  scan: {} bytes an item", scan.heap_bytes() / scan.len());
            engine("scan", &scan, &live, &requests[..300], 3);
        }
    }
}
