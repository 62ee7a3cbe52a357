//! Many seeds, and what they found.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::{Totals, Violation, run};

/// Lives through every seed, on all cores; sums, and what was wrong by seed.
pub fn run_all(seeds: Range<u64>) -> (Totals, BTreeMap<u64, Violation>) {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicU64::new(seeds.start);
    let lives = || {
        let (mut totals, mut found) = (Totals::default(), BTreeMap::new());
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return (totals, found);
            }
            let outcome = run(seed, None, false);
            totals.add(&outcome.totals);
            found.extend(outcome.violation.map(|violation| (seed, violation)));
        }
    };
    let (mut totals, mut found) = (Totals::default(), BTreeMap::new());
    thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(lives)).collect();
        for thread in threads {
            match thread.join() {
                Ok((some, violations)) => {
                    totals.add(&some);
                    found.extend(violations);
                }
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    (totals, found)
}

/// The figures as JSON.
pub fn report(
    first: u64,
    seeds: u64,
    totals: &Totals,
    found: &BTreeMap<u64, Violation>,
    seconds: f64,
) -> String {
    let json = serde_json::json!({
        "seeds": seeds,
        "first_seed": first,
        "violations": found.len(),
        "seeds_with_violations": found.keys().collect::<Vec<_>>(),
        "bids": totals.bids,
        "billed": totals.billed,
        "billed_late": totals.late,
        "spent_nanos": totals.spent.to_string(),
        "uncovered_nanos": totals.uncovered.to_string(),
        "impressions_delivered": totals.delivered,
        "impressions_over_capacity": totals.over_capacity,
        "billed_under_capacities": totals.rationed,
        "transactions": totals.commits,
        "faults": totals.faults,
        "hold_lives_heard": totals.lives,
        "seconds": seconds,
    });
    format!("{json:#}\n")
}
