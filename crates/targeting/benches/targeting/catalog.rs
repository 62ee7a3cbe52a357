//! Line items and requests of a workload.

use std::thread;

use tagbid_targeting::workload::{BlockLists, Random, Visit, Workload, World, bound};
use tagbid_targeting::{Class, Expr, Item, Slot};

/// Requests that are measured.
const REQUESTS: usize = 1_000;
/// Requests that an engine may learn popularity from; none of them is measured.
const OBSERVED: usize = 20_000;

/// The line items of one workload. A smaller catalog is the first part of a larger one.
pub(crate) struct Catalog {
    pub(crate) workload: Workload,
    pub(crate) block_lists: BlockLists,
    targeting: Vec<Expr>,
}

impl Catalog {
    /// Makes them on all cores: a million take a while.
    pub(crate) fn new(world: &World, workload: Workload, items: usize) -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let share = items.div_ceil(threads).max(1);
        let targeting = thread::scope(|scope| {
            let part = |start| scope.spawn(move || world.items(workload, start..(start + share).min(items)));
            let parts: Vec<_> = (0..items).step_by(share).map(part).collect();
            parts.into_iter().flat_map(|part| part.join().unwrap()).collect()
        });
        let block_lists = match workload {
            Workload::Reference => BlockLists::default(),
            Workload::Broad => world.block_lists(items),
        };
        Self { workload, block_lists, targeting }
    }

    /// The first so many as an engine wants them.
    pub(crate) fn items(&self, count: u32) -> impl Iterator<Item = Item<'_>> {
        self.targeting.iter().zip(0..count).map(|(targeting, slot)| Item {
            slot: Slot(slot),
            targeting,
            bound: bound(slot),
            class: Class::default(),
            raises: Vec::new(),
            tests: Vec::new(),
        })
    }
}

/// Requests of one world: those to measure, and earlier ones.
pub(crate) struct Visits {
    pub(crate) measured: Vec<Visit>,
    pub(crate) observed: Vec<Visit>,
}

impl Visits {
    pub(crate) fn new(world: &World) -> Self {
        let some = |seed, count| {
            let mut random = Random::new(seed);
            (0..count).map(|_| world.visit(&mut random)).collect()
        };
        Self { measured: some(1, REQUESTS), observed: some(2, OBSERVED) }
    }
}
