//! A search in a warm arena allocates nothing on the heap.
#![expect(unsafe_code, reason = "a counting allocator has to be an allocator")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use bumpalo::Bump;
use tagbid_targeting::workload::{Random, Workload, World};
use tagbid_targeting::{Class, Dimension, Engine, Index, Item, Layered, Lists, LiveSet, Scan, Slot, Traffic};
use tagbid_types::Cpm;

thread_local! {
    /// Allocations of this thread, so that tests beside this one do not count.
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes to the system's allocator unchanged; the counter is a plain cell of this thread, made
// without allocating and without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const ITEMS: u32 = 200;

#[test]
fn a_request_costs_no_heap_allocation_once_its_arena_is_warm() {
    let world = World::default();
    let targeting = world.items(Workload::Reference, 0..ITEMS as usize);
    let items = || {
        targeting.iter().zip(0..).map(|(targeting, slot)| Item {
            slot: Slot(slot),
            targeting,
            bound: Cpm(1),
            class: Class::default(),
            raises: vec![],
            tests: vec![],
        })
    };
    let lists = Lists::default();
    costs_no_allocation(&Scan::build(items(), &lists).0, &world);
    let index = Index::build(items(), &lists, &Traffic::default()).0;
    costs_no_allocation(&index, &world);
    let (layered, _) = Layered::new(index).with(items().take(40), &[Slot(50)], &lists);
    costs_no_allocation(&layered.with(items().take(2), &[], &lists).0, &world);
}

fn costs_no_allocation(engine: &impl Engine, world: &World) {
    let live = LiveSet::all(ITEMS);
    let visit = world.visit(&mut Random::new(3));
    let requests = Bump::new();
    let attributes = visit.attributes(&requests);
    let mut arena = Bump::with_capacity(64 * 1024);
    let search = |arena: &Bump| {
        let probe = engine.probe(&attributes, arena);
        let mut other = attributes.clone();
        other.set(Dimension::Size, &["size0"]);
        let other = engine.impression(&probe, &other, arena);
        let mut all = 0;
        engine.all(&probe, &live, arena, |_| all += 1);
        all + engine.candidates(&probe, &live, arena).count()
            + engine.candidates(&other, &live, arena).count()
    };
    let before = COUNT.with(Cell::get);
    for _ in 0..10 {
        std::hint::black_box(search(&arena));
        arena.reset();
    }
    assert_eq!(COUNT.with(Cell::get) - before, 0);
}
