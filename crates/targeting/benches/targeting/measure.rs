//! The method: see the program's documentation.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bumpalo::Bump;
use tagbid_targeting::workload::Random;

use crate::subject::Subject;

/// More than the last cache of the machines we know, which is 32 MiB.
const EVICTING: usize = 64 << 20;
const CACHE_LINE: usize = 64;
/// Requests that are also searched for with cold caches.
const COLD: usize = 200;
const LEAST_PASSES: usize = 3;
const MOST_PASSES: usize = 25;
/// After this long no further pass starts.
const BUDGET: Duration = Duration::from_secs(3);

/// What was measured, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) cold_p99: f64,
}

/// Measures an engine on the first so many requests.
pub(crate) fn time(subject: &impl Subject, requests: usize) -> Timing {
    let best = passes(subject, requests);
    let cold = cold(subject, requests.min(COLD));
    Timing {
        mean: best.iter().sum::<f64>() / best.len() as f64,
        p50: quantile(&best, 0.5),
        p99: quantile(&best, 0.99),
        cold_p99: quantile(&cold, 0.99),
    }
}

/// The least time of each request, sorted.
fn passes(subject: &impl Subject, requests: usize) -> Vec<f64> {
    let mut arena = Bump::with_capacity(1 << 20);
    let mut random = Random::new(4);
    let mut order: Vec<usize> = (0..requests).collect();
    let mut best = vec![f64::INFINITY; requests];
    let start = Instant::now();
    for pass in 0..MOST_PASSES {
        if pass >= LEAST_PASSES && start.elapsed() > BUDGET {
            break;
        }
        shuffle(&mut order, &mut random);
        for request in &order {
            best[*request] = best[*request].min(once(subject, *request, &mut arena));
        }
    }
    best.sort_by(f64::total_cmp);
    best
}

/// One time of each request after everything was evicted from the caches, sorted.
fn cold(subject: &impl Subject, requests: usize) -> Vec<f64> {
    let mut arena = Bump::with_capacity(1 << 20);
    let mut memory = vec![1_u8; EVICTING];
    let mut times: Vec<f64> = (0..requests)
        .map(|request| {
            memory.iter_mut().step_by(CACHE_LINE).for_each(|byte| *byte = byte.wrapping_add(1));
            black_box(&memory);
            once(subject, request, &mut arena)
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

fn once(subject: &impl Subject, request: usize, arena: &mut Bump) -> f64 {
    arena.reset();
    let start = Instant::now();
    let mut sum = 0_u64;
    subject.answer(request, arena, |slot| sum += u64::from(slot.0));
    let time = start.elapsed();
    black_box(sum);
    time.as_secs_f64() * 1e6
}

/// Fisher and Yates'. The last of the previous order does not come first.
fn shuffle(order: &mut [usize], random: &mut Random) {
    let last = order.last().copied();
    for end in (1..order.len()).rev() {
        order.swap(end, random.between(0, end));
    }
    if order.first().copied() == last && order.len() > 1 {
        order.swap(0, 1);
    }
}

/// The value that this share of the sorted values does not exceed.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}
