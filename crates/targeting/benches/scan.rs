//! The plain scan on the reference workload: resolving a request, all matches, the best ten, building.
//!
//! Every iteration takes the next of 1,000 requests, so no request finds its own answer warm in the caches.
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on says so loudly")]

use std::hint::black_box;

use bumpalo::Bump;
use criterion::{Criterion, criterion_group, criterion_main};
use tagbid_targeting::workload::{Random, Visit, World};
use tagbid_targeting::{Attributes, Engine, Expr, Item, Lists, LiveSet, Scan, Slot};
use tagbid_types::Cpm;

const VISITS: usize = 1_000;

/// Prices from 0.10 to 10, the cheap ones more frequent, as in any campaign.
fn bound(number: u32) -> Cpm {
    let share = Random::new(u64::from(number)).fraction();
    Cpm::from_f64(0.1 * 100_f64.powf(share)).unwrap()
}

fn build(targeting: &[Expr]) -> Scan {
    let items = targeting.iter().zip(0..).map(|(targeting, slot)| Item {
        slot: Slot(slot),
        targeting,
        bound: bound(slot),
        tests: Vec::new(),
    });
    let (scan, refused) = Scan::build(items, &Lists::default());
    assert!(refused.is_empty());
    scan
}

fn searches(criterion: &mut Criterion) {
    let world = World::default();
    let mut random = Random::new(1);
    let visits: Vec<Visit> = (0..VISITS).map(|_| world.visit(&mut random)).collect();
    let requests = Bump::new();
    let requests: Vec<_> = visits.iter().map(|visit| visit.attributes(&requests)).collect();
    for items in [10_000, 100_000] {
        search(criterion, &world, &requests, items);
    }
}

fn search(criterion: &mut Criterion, world: &World, requests: &[Attributes<'_>], items: u32) {
    let targeting: Vec<_> = (0..items as usize).map(|number| world.item(number)).collect();
    let scan = build(&targeting);
    tell_size(&scan);
    let live = LiveSet::all(items);
    let mut requests = requests.iter().cycle();
    let mut arena = Bump::with_capacity(64 * 1024);
    let mut group = criterion.benchmark_group(format!("scan/{items}"));
    group.bench_function("probe", |bench| {
        bench.iter(|| {
            arena.reset();
            black_box(scan.probe(requests.next().unwrap(), &arena));
        });
    });
    group.bench_function("all", |bench| {
        bench.iter(|| {
            arena.reset();
            let probe = scan.probe(requests.next().unwrap(), &arena);
            let mut count = 0_u32;
            scan.all(&probe, &live, &arena, |_| count += 1);
            count
        });
    });
    group.bench_function("best10", |bench| {
        bench.iter(|| {
            arena.reset();
            let probe = scan.probe(requests.next().unwrap(), &arena);
            scan.candidates(&probe, &live, &arena).take(10).count()
        });
    });
    group.bench_function("build", |bench| bench.iter(|| build(&targeting)));
}

#[expect(clippy::print_stderr, reason = "a bench talks to a person")]
fn tell_size(scan: &Scan) {
    eprintln!("{} items, {} bytes an item", scan.len(), scan.heap_bytes() / scan.len());
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = searches
}
criterion_main!(benches);
