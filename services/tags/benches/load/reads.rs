//! Lookups at a fixed rate, whatever they take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tagbid_ports::{Datasets, LookupRequest, OtherKeys, SourceStatus, TagLookup};
use tagbid_runtime::SystemClock;
use tagbid_tagset::UserKey;
use tagbid_types::Clock;
use tokio::task::JoinSet;

use crate::figures::add;

/// Lookups a second: few enough that what is seen is the store and not this program.
const RATE: u32 = 500;

/// Looks known users up for so long; what each took, ascending.
pub(crate) async fn lookups(lookup: &Arc<dyn TagLookup>, users: u64, lasts: Duration) -> Vec<Duration> {
    let (mut under_way, first) = (JoinSet::new(), crate::key(0));
    let warm = async || {
        let request = ask(first, Duration::from_secs(1));
        lookup.lookup(request).await.offline_status == SourceStatus::Known
    };
    while !warm().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let began = tokio::time::Instant::now();
    for n in 0..(lasts.as_millis() as u32 * RATE / 1_000) {
        let due = began + Duration::from_secs(1) / RATE * n;
        tokio::time::sleep_until(due).await;
        let (lookup, user) = (Arc::clone(lookup), crate::key(u64::from(n).wrapping_mul(7_919) % users));
        under_way.spawn(async move {
            let asked = Instant::now();
            let answer = lookup.lookup(ask(user, Duration::from_secs(5))).await;
            assert_eq!((answer.offline_status, answer.offline.len()), (SourceStatus::Known, 1));
            asked.elapsed()
        });
    }
    let mut took = under_way.join_all().await;
    took.sort_unstable();
    took
}

pub(crate) fn both(one: Vec<Duration>, other: Vec<Duration>) -> Vec<Duration> {
    let mut both = [one, other].concat();
    both.sort_unstable();
    both
}

pub(crate) fn at(took: &[Duration], share: f64) -> Duration {
    took[((took.len() - 1) as f64 * share) as usize]
}

pub(crate) fn tell(when: &str, took: &[Duration]) {
    for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
        add(&format!("lookup over gRPC {when}, {name}"), at(took, share).as_secs_f64() * 1e6, "us");
    }
}

fn ask(user: UserKey, within: Duration) -> LookupRequest {
    LookupRequest {
        user,
        previous: None,
        others: OtherKeys::NONE,
        frequency: false,
        datasets: Datasets::ALL,
        deadline: SystemClock.monotonic().after(within),
    }
}
