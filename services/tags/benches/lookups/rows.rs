//! Figures of several at a time.

use std::time::Duration;

use crate::askers::Cost;
use crate::figures::add;

/// CPU of one lookup, of all processes and of each.
pub(crate) fn cost(how: &str, cost: &Cost) {
    add(&format!("CPU of a lookup, {how}"), cost.whole(), "us");
    for (process, micros) in &cost.each {
        add(&format!("CPU of a lookup, {how}: {process}"), *micros, "us");
    }
    add(&format!("lookups a second, {how}"), cost.rate, "1/s");
}

/// How long something took, ascending.
pub(crate) fn times(what: &str, times: &[Duration]) {
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_micros() as f64;
    for (name, share) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        add(&format!("{what}, {name}"), at(share), "us");
    }
}
