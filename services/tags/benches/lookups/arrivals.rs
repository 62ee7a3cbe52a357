//! Lookups that begin at a fixed rate, whatever became of those before.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tagbid_ports::{Datasets, TagLookup};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::{askers, users};

/// How long each lookup took, from when it was due to its answer, ascending.
pub(crate) async fn at_rate(lookup: &Arc<dyn TagLookup>, rate: u32, during: Duration) -> Vec<Duration> {
    let (due, mut arrivals) = mpsc::channel(1 << 16);
    // A thread of its own: timers of the runtime are good to a millisecond.
    let clock = thread::spawn(move || {
        let (began, count) = (Instant::now(), (during.as_secs_f64() * f64::from(rate)) as u32);
        for number in 0..count {
            let at = began + Duration::from_secs_f64(f64::from(number) / f64::from(rate));
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if due.blocking_send((number, at)).is_err() {
                return;
            }
        }
    });
    let (mut lookups, mut times) = (JoinSet::new(), Vec::new());
    loop {
        tokio::select! {
            arrival = arrivals.recv() => match arrival {
                Some((number, at)) => {
                    let lookup = Arc::clone(lookup);
                    lookups.spawn_local(async move { one(&*lookup, number, at).await });
                }
                None => break,
            },
            Some(took) = lookups.join_next() => times.push(took.unwrap()),
        }
    }
    times.extend(lookups.join_all().await);
    clock.join().unwrap();
    times.sort_unstable();
    times
}

async fn one(lookup: &dyn TagLookup, number: u32, due: Instant) -> Duration {
    let user = number.wrapping_mul(2_654_435_761) % users::COUNT;
    let answer = lookup.lookup(users::request(user, Datasets::ALL)).await;
    assert!(askers::is_known(&answer), "{answer:?}");
    due.elapsed()
}
