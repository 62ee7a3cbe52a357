//! Latencies that are known beforehand.
//!
//! A measured latency is never below the truth; how far it is above depends on how busy the machine is. So what must not be
//! too small is asserted always, and what must not be too large once within some attempts.

use std::thread::sleep;
use std::time::{Duration, Instant};

use tagbid_exchange::Traffic;
use tagbid_loadtest::load::{Pace, Plan, run};
use tagbid_loadtest::message::{Encoding, Messages};
use tagbid_loadtest::record::{Latencies, Record};

use crate::servers::{no_bid, serve};

/// How long a busy machine is given to have a quiet moment.
const PATIENCE: Duration = Duration::from_secs(200);

/// Between the truth and the figure: timers a millisecond coarse at either end, and the work itself.
const OVERHEAD: f64 = 4_000.0;

fn plan(host: &str, rate: f64, duration: Duration, connections: usize) -> Plan {
    let traffic = Traffic { users: 100, ..Traffic::default() };
    let messages = Messages::generated(traffic, 1, 50, Encoding::Json).unwrap();
    let url = format!("http://{host}/").parse().unwrap();
    Plan {
        connections,
        tmax: Duration::from_secs(10),
        ..Plan::new(url, Pace::per_second(rate, duration), duration, messages)
    }
}

/// Runs until each figure has been as near to the truth as it ought to be. None is ever below it.
fn check(run: impl Fn() -> Record, truth: &[(f64, f64)], near: f64) {
    let start = Instant::now();
    let mut nearest = vec![f64::INFINITY; truth.len()];
    loop {
        let served = run().served();
        for ((quantile, truth), nearest) in truth.iter().zip(&mut nearest) {
            let figure = served.quantile(*quantile) as f64;
            // The histogram's buckets are a thousandth wide.
            assert!(figure >= truth * 0.999, "{quantile}: {figure} µs is below the true {truth} µs");
            *nearest = nearest.min(figure - truth);
        }
        if truth.iter().zip(&nearest).all(|((_, truth), nearest)| *nearest <= truth * 0.001 + near) {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "{nearest:?} µs above {truth:?}");
    }
}

#[test]
fn percentiles_of_programmed_delays_are_right() {
    // Two hundred delays from 50 to 249 ms, a millisecond apart, in a scattered order.
    const COUNT: u64 = 200;
    let host = serve(|number, _, _| (Duration::from_millis(50 + number * 89 % COUNT), no_bid()));
    let plan = plan(&host, 200.0, Duration::from_secs(1), 100);
    // The n-th smallest of the delays is the quantile n / 200.
    let truth = [0.5, 0.9, 0.99, 1.0].map(|quantile| {
        let rank = (quantile * COUNT as f64).round();
        (quantile, (50.0 + rank - 1.0) * 1e3)
    });
    check(|| run(&plan).unwrap(), &truth, OVERHEAD);
}

/// How many are longer.
fn above(latencies: &Latencies, limit: Duration) -> u64 {
    let longer = latencies.histogram().iter_recorded();
    let longer = longer.filter(|bucket| u128::from(bucket.value_iterated_to()) > limit.as_micros());
    longer.map(|bucket| bucket.count_at_value()).sum()
}

/// Requests are due evenly for T = 4 s. Once, the whole server stands still for S = 1 s, from the moment at which it reads one
/// request; all else it answers at once. What is due a time u into the stall is answered at its end, after S - u. So u is
/// uniform over S, the share (S - x) / T of all requests takes longer than x, and the quantile q is x = S - (1 - q) T for every
/// q above 1 - S / T = 75 %: p80 is 0.2 s, p90 0.6 s, p99 0.96 s.
///
/// A client that counts from the actual sending sees only the requests that were under way on its four connections.
#[test]
fn a_stall_of_a_second_shows_as_theory_says() {
    // Few enough that the queue which the stall leaves is worked off at once.
    const RATE: f64 = 50.0;
    let (stall, length) = (Duration::from_secs(1), Duration::from_secs(4));
    let theory = [0.8, 0.9, 0.95, 0.99].map(|quantile| (quantile, (1.0 - (1.0 - quantile) * 4.0) * 1e6));
    let attempt = || {
        let host = serve(move |number, _, _| {
            if number == 60 {
                // Not a timer: nothing else of the server goes on either.
                sleep(stall);
            }
            (Duration::ZERO, no_bid())
        });
        let record = run(&plan(&host, RATE, length, 4)).unwrap();
        let half = stall / 2;
        assert!(above(&record.raw, half) <= 4, "one for each connection: {record:?}");
        // Those due in the first half of the stall. The stall begins with a request that was due, so none is missing.
        assert!(above(&record.served(), half) >= 25, "{record:?}");
        record
    };
    // Two requests further than theory.
    check(attempt, &theory, 40_000.0);
}
