//! Whether a generator did what it promised. Figures of one that did not say nothing about the server.

use std::time::Duration;

use crate::record::Record;
use crate::units::{micros, show_micros, show_share};

/// A part of the requests that may be sent only after the end of the run before it missed its rate.
const MISSED: f64 = 0.01;

/// A part of its core that a generator in closed loop may use before it is what is measured.
const BUSY: f64 = 0.95;

/// Why a machine's figures must not be used; empty: they may.
pub fn invalid(record: &Record, open_loop: bool, max_lag: Duration) -> Vec<String> {
    let mut reasons = Vec::new();
    let tallies = record.tallies();
    if record.answers() == 0 {
        let first = record.errors.iter().max_by_key(|(_, count)| **count);
        let why = first.map(|(word, _)| format!(" ({word})")).unwrap_or_default();
        reasons.push(format!("no answers{why}"));
    }
    let lag = record.lag.quantile(0.99);
    if open_loop && lag > micros(max_lag) {
        reasons.push(format!(
            "the generator itself was {} late at its 99th percentile, more than {}: give it a core of its own \
             (--core), a lower rate, or more --threads",
            show_micros(lag as f64),
            show_micros(micros(max_lag) as f64),
        ));
    }
    let missed = tallies.share(record.after_end);
    if open_loop && missed > MISSED {
        reasons.push(format!(
            "the generator missed its rate: it got to {} of the requests only after the end",
            show_share(missed)
        ));
    }
    if !open_loop && record.busy > BUSY {
        reasons.push(format!(
            "the generator used {} of its core, so that it was measured and not the server: use more --threads",
            show_share(record.busy)
        ));
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn record(lag: Duration) -> Record {
        let mut record = Record::new(1);
        for _ in 0..100 {
            record.plan(Duration::ZERO, lag, false, Duration::from_secs(1));
        }
        record.statuses = BTreeMap::from([(204, 100)]);
        record
    }

    fn reasons(record: &Record, open_loop: bool) -> Vec<String> {
        invalid(record, open_loop, Duration::from_millis(1))
    }

    #[test]
    fn a_generator_that_did_what_it_promised_is_valid() {
        assert_eq!(reasons(&record(Duration::from_micros(900)), true), [""; 0]);
    }

    #[test]
    fn a_late_or_saturated_generator_is_told() {
        assert!(reasons(&record(Duration::from_millis(5)), true)[0].contains("5.00 ms late"));
        let mut after_end = record(Duration::from_millis(1_500));
        after_end.skipped = 100;
        assert!(reasons(&after_end, true)[1].contains("missed its rate"));
        let busy = Record { busy: 0.99, ..record(Duration::ZERO) };
        assert!(reasons(&busy, false)[0].contains("99.0 % of its core"));
        assert!(reasons(&busy, true).is_empty(), "in open loop it spins");
    }

    #[test]
    fn no_answers_are_no_figures() {
        let mut silent = Record::new(1);
        silent.error("cannot connect");
        assert_eq!(reasons(&silent, true), ["no answers (cannot connect)"]);
    }
}
