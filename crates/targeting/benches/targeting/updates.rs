//! Searches while line items change.
//!
//! One thread searches for the best ten without a pause, first alone, then while another applies changes that fall due
//! at a steady rate. As the bidder does, that writer makes the next [`Layered`] of all that are due, at most fifty
//! times a second, and has other threads merge levels and, when many changes have gathered, at a lower priority build a
//! new base from the catalog as it then is. A search's time begins before it takes the current engine. A change counts
//! as searchable when the engine that has it was swapped in, measured from when the change was *due*, so that a
//! writer that falls behind cannot hide it. The searches have a core for themselves where there are two. In the end
//! the engine is compared with a scan of the catalog as it has become.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use arc_swap::ArcSwap;
use bumpalo::Bump;
use rustix::process::nice;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;
use tagbid_targeting::workload::{Random, Workload, World, bound};
use tagbid_targeting::{
    Attributes, Class, Engine, Expr, Index, Item, Layered, Lists, LiveSet, Merged, Rebased, Scan, Slot,
    Traffic,
};

use crate::catalog::Visits;
use crate::measure::quantile;

const ITEMS: u32 = 100_000;
/// Slots for items that come in anew.
const ROOM: u32 = 1_000;
const UPDATES_PER_S: u32 = 1_000;
const IDLE: Duration = Duration::from_secs(5);
const BUSY: Duration = Duration::from_secs(15);
/// The bidder's: changes that come within this are applied together.
const PACE: Duration = Duration::from_millis(20);
/// The bidder's: changes after which a new base is built.
const REBUILD_AT: usize = ITEMS as usize / 32;
/// More than there could be in that time.
const MOST_SEARCHES: usize = 4_000_000;
/// Engines that are kept after they were replaced, so that no search is the last to hold one and has to free it.
const KEPT: usize = 32;

/// What was measured; its members are the format of targeting-updates.json.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Updates {
    items: u32,
    updates_per_s: f64,
    searches: usize,
    idle_p50_us: f64,
    idle_p99_us: f64,
    busy_p50_us: f64,
    busy_p99_us: f64,
    p99_ratio: f64,
    /// The same of processor time, with what it takes to read it.
    idle_cpu_p99_us: f64,
    busy_cpu_p99_us: f64,
    cpu_p99_ratio: f64,
    searchable_p50_ms: f64,
    searchable_p99_ms: f64,
    searchable_max_ms: f64,
    /// Of the writing thread.
    cpu_us_per_update: f64,
    /// Of the threads beside it.
    merging_us_per_update: f64,
    rebuilding_us_per_update: f64,
    merges: usize,
    rebuilds: usize,
}

/// The catalog as it is now, cheap to copy for a rebuild.
type Catalog = Vec<Option<Arc<Expr>>>;

pub(crate) fn run() -> anyhow::Result<Updates> {
    let world = World::default();
    let visits = Visits::new(&world);
    let texts = Bump::new();
    let requests: Vec<_> = visits.measured.iter().map(|visit| visit.attributes(&texts)).collect();
    let mut traffic = Traffic::default();
    visits.observed.iter().for_each(|visit| traffic.observe(&visit.attributes(&texts)));
    let mut catalog: Catalog = world
        .items(Workload::Reference, 0..ITEMS as usize)
        .into_iter()
        .map(|expr| Some(Arc::new(expr)))
        .collect();
    catalog.resize((ITEMS + ROOM) as usize, None);
    let others = world.items(Workload::Reference, 200_000..220_000).into_iter().map(Arc::new).collect();
    let current = ArcSwap::from_pointee(Layered::new(build(&catalog, &traffic)));
    let stop = AtomicBool::new(false);

    let cores = cores();
    let (searching, writing) = cores.split_at(cores.len().min(1));
    keep_to(searching);
    let idle = search(&current, &requests, IDLE);
    let (busy, written) = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            keep_to(writing);
            Writer { current: &current, catalog, others, traffic: &traffic, random: Random::new(8) }
                .run(&stop)
        });
        let busy = search(&current, &requests, BUSY);
        stop.store(true, Ordering::Relaxed);
        (busy, writer.join().unwrap())
    });
    compare(&current.load(), &written.catalog, &requests)?;
    Ok(Updates::new(&idle, &busy, &written))
}

/// Times of searches in microseconds, sorted: on the clock, and of the processor alone, which leaves out how long others
/// had the core.
struct Times {
    wall: Vec<f64>,
    cpu: Vec<f64>,
}

fn search(current: &ArcSwap<Layered>, requests: &[Attributes<'_>], time: Duration) -> Times {
    let live = LiveSet::all(ITEMS + ROOM);
    let mut arena = Bump::with_capacity(1 << 20);
    // Written to once, so that no search pays for memory that nobody has touched.
    let room = || {
        let mut room = vec![1.0; MOST_SEARCHES];
        room.clear();
        room
    };
    let mut times = Times { wall: room(), cpu: room() };
    let end = Instant::now() + time;
    for request in requests.iter().cycle() {
        arena.reset();
        let cpu_before = cpu_us();
        let start = Instant::now();
        if start > end {
            break;
        }
        let engine = current.load();
        let probe = engine.probe(request, &arena);
        std::hint::black_box(engine.candidates(&probe, &live, &arena).take(10).count());
        times.wall.push(start.elapsed().as_secs_f64() * 1e6);
        times.cpu.push(cpu_us() - cpu_before);
    }
    times.wall.sort_by(f64::total_cmp);
    times.cpu.sort_by(f64::total_cmp);
    times
}

/// Whoever changes the catalog.
struct Writer<'w> {
    current: &'w ArcSwap<Layered>,
    catalog: Catalog,
    others: Vec<Arc<Expr>>,
    traffic: &'w Traffic,
    random: Random,
}

struct Written {
    catalog: Catalog,
    /// From due to searchable, in milliseconds, in the order of the changes.
    searchable: Vec<f64>,
    seconds: f64,
    cpu_us: f64,
    merges: Beside<Merged>,
    rebuilds: Beside<Rebased>,
}

/// CPU time of this thread.
fn cpu_us() -> f64 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    used.tv_sec as f64 * 1e6 + used.tv_nsec as f64 / 1e3
}

/// When the changes are due that come after the first so many and are due now; waits for the next if there is none.
fn due(start: Instant, before: usize) -> Vec<Instant> {
    let at = |number: u32| start + Duration::from_secs(1) * number / UPDATES_PER_S;
    let next = before as u32 + 1;
    thread::sleep(at(next).saturating_duration_since(Instant::now()));
    (next..).map(at).take_while(|due| *due <= Instant::now()).collect()
}

/// Work of one kind beside the writer: one at a time, and how much there was.
struct Beside<T> {
    running: Option<Receiver<(T, f64)>>,
    done: usize,
    cpu_us: f64,
}

impl<T> Default for Beside<T> {
    fn default() -> Self {
        Self { running: None, done: 0, cpu_us: 0.0 }
    }
}

impl<T: Send> Beside<T> {
    fn start<'s>(&mut self, scope: &'s Scope<'s, '_>, work: impl FnOnce() -> T + Send + 's)
    where
        T: 's,
    {
        let (ready, done) = sync_channel(1);
        scope.spawn(move || {
            let result = work();
            ready.send((result, cpu_us())).is_ok()
        });
        self.running = Some(done);
    }

    /// What has been finished since.
    fn take(&mut self) -> Option<T> {
        match self.running.as_ref()?.try_recv() {
            Ok((result, cpu_us)) => {
                self.running = None;
                self.done += 1;
                self.cpu_us += cpu_us;
                Some(result)
            }
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => panic!("work beside the writer failed"),
        }
    }
}

impl Writer<'_> {
    fn run(mut self, stop: &AtomicBool) -> Written {
        let mut searchable = Vec::new();
        let (mut merges, mut rebuilds) = (Beside::default(), Beside::default());
        let mut replaced = VecDeque::new();
        let (start, cpu_before) = (Instant::now(), cpu_us());
        let mut swapped = start;
        thread::scope(|scope| {
            while !stop.load(Ordering::Relaxed) {
                thread::sleep(PACE.saturating_sub(swapped.elapsed()));
                let dues = due(start, searchable.len());
                let slots: BTreeSet<_> = dues.iter().map(|_| self.change()).collect();
                let mut next = self.applied(&self.current.load_full(), slots.iter().copied());
                self.keep_up(&mut next, &mut merges, &mut rebuilds, scope);
                replaced.push_back(self.current.swap(Arc::new(next)));
                swapped = Instant::now();
                searchable.extend(dues.iter().map(|due| due.elapsed().as_secs_f64() * 1e3));
                if replaced.len() > KEPT {
                    replaced.pop_front();
                }
            }
        });
        let seconds = start.elapsed().as_secs_f64();
        let cpu_us = cpu_us() - cpu_before;
        Written { catalog: self.catalog, searchable, seconds, cpu_us, merges, rebuilds }
    }

    /// Takes what was finished beside the writer, and begins what is to be done.
    fn keep_up<'s>(
        &self,
        next: &mut Layered,
        merges: &mut Beside<Merged>,
        rebuilds: &mut Beside<Rebased>,
        scope: &'s Scope<'s, '_>,
    ) where
        Self: 's,
    {
        if let Some(merged) = merges.take() {
            *next = next.merged(merged).unwrap_or_else(|| next.clone());
        }
        if let Some(base) = rebuilds.take() {
            *next = next.rebased(base).unwrap();
        }
        if rebuilds.running.is_none() && next.pending() >= REBUILD_AT {
            let (catalog, traffic, rebase) = (self.catalog.clone(), self.traffic.clone(), next.rebase());
            rebuilds.start(scope, move || {
                // Without leave to step back it only disturbs more.
                let _ = nice(10);
                rebase.run(items(&catalog), &Lists::default(), &traffic).0
            });
        }
        if merges.running.is_none()
            && let Some(merge) = next.merge()
        {
            merges.start(scope, move || merge.run(&Lists::default()).0);
        }
    }

    /// Changes one line item of the catalog: mostly another targeting, sometimes gone or new.
    fn change(&mut self) -> Slot {
        let slots = if self.random.chance(0.1) { self.catalog.len() } else { ITEMS as usize };
        let at = self.random.below(slots);
        let other = Arc::clone(&self.others[self.random.below(self.others.len())]);
        self.catalog[at] = (!self.random.chance(0.1)).then_some(other);
        Slot(at as u32)
    }

    /// An engine with what the catalog says of these slots.
    fn applied(&self, engine: &Layered, slots: impl IntoIterator<Item = Slot>) -> Layered {
        let of = |slot: Slot| self.catalog[slot.0 as usize].as_deref();
        let (changed, removed): (Vec<_>, Vec<_>) = slots.into_iter().partition(|slot| of(*slot).is_some());
        let changed = changed.into_iter().filter_map(|slot| Some(item(slot, of(slot)?)));
        let (next, refused) = engine.with(changed, &removed, &Lists::default());
        assert!(refused.is_empty(), "{refused:?}");
        next
    }
}

fn item(slot: Slot, targeting: &Expr) -> Item<'_> {
    Item {
        slot,
        targeting,
        bound: bound(slot.0),
        class: Class::default(),
        raises: Vec::new(),
        tests: Vec::new(),
    }
}

fn items(catalog: &Catalog) -> impl Iterator<Item = Item<'_>> {
    catalog.iter().zip(0..).filter_map(|(expr, slot)| Some(item(Slot(slot), expr.as_deref()?)))
}

fn build(catalog: &Catalog, traffic: &Traffic) -> Index {
    let (index, refused) = Index::build(items(catalog), &Lists::default(), traffic);
    assert!(refused.is_empty(), "{refused:?}");
    index
}

/// After all changes the engine answers as a scan does that was built from nothing.
fn compare(engine: &Layered, catalog: &Catalog, requests: &[Attributes<'_>]) -> anyhow::Result<()> {
    let (scan, _) = Scan::build(items(catalog), &Lists::default());
    let live = LiveSet::all(ITEMS + ROOM);
    for (number, request) in requests.iter().take(300).enumerate() {
        let arena = Bump::new();
        let (ours, theirs) = (engine.probe(request, &arena), scan.probe(request, &arena));
        let ours = engine.candidates(&ours, &live, &arena);
        ensure!(
            ours.eq(scan.candidates(&theirs, &live, &arena)),
            "after the changes, request {number} has other candidates than the scan's"
        );
    }
    Ok(())
}

/// The cores that this process may use, as they were before any thread was kept to some.
fn cores() -> Vec<usize> {
    let all = sched_getaffinity(None).unwrap_or_default();
    (0..CpuSet::MAX_CPU).filter(|core| all.is_set(*core)).collect()
}

/// Keeps this thread, and those that it starts, to these cores.
fn keep_to(cores: &[usize]) {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    // Without leave to choose, or with one core alone, the figures are only noisier.
    let _ = sched_setaffinity(None, &set);
}

impl Updates {
    fn new(idle: &Times, busy: &Times, written: &Written) -> Self {
        let mut searchable = written.searchable.clone();
        searchable.sort_by(f64::total_cmp);
        let ratio = |busy: &[f64], idle: &[f64]| {
            (quantile(busy, 0.99) / quantile(idle, 0.99) * 100.0).round() / 100.0
        };
        let of = |sorted: &[f64], share| (quantile(sorted, share) * 100.0).round() / 100.0;
        Self {
            items: ITEMS,
            updates_per_s: (searchable.len() as f64 / written.seconds).round(),
            searches: busy.wall.len(),
            idle_p50_us: of(&idle.wall, 0.5),
            idle_p99_us: of(&idle.wall, 0.99),
            busy_p50_us: of(&busy.wall, 0.5),
            busy_p99_us: of(&busy.wall, 0.99),
            p99_ratio: ratio(&busy.wall, &idle.wall),
            idle_cpu_p99_us: of(&idle.cpu, 0.99),
            busy_cpu_p99_us: of(&busy.cpu, 0.99),
            cpu_p99_ratio: ratio(&busy.cpu, &idle.cpu),
            searchable_p50_ms: of(&searchable, 0.5),
            searchable_p99_ms: of(&searchable, 0.99),
            searchable_max_ms: of(&searchable, 1.0),
            cpu_us_per_update: (written.cpu_us / searchable.len() as f64).round(),
            merging_us_per_update: (written.merges.cpu_us / searchable.len() as f64).round(),
            rebuilding_us_per_update: (written.rebuilds.cpu_us / searchable.len() as f64).round(),
            merges: written.merges.done,
            rebuilds: written.rebuilds.done,
        }
    }

    /// Prints and writes the JSON.
    pub(crate) fn report(&self, to: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        print!("{text}");
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        std::fs::write(to, text).with_context(|| format!("cannot write {}", to.display()))
    }
}
