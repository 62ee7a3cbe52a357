//! The figures most asked for, in plain.

use serde_json::{Map, Value, json};

use crate::record::{Latencies, Outcome};

use super::Results;

/// The percentiles that reports show.
pub const QUANTILES: [(&str, f64); 7] = [
    ("p50", 0.5),
    ("p75", 0.75),
    ("p90", 0.9),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
    ("max", 1.0),
];

/// Counts, shares and percentiles in microseconds.
pub fn figures(results: &Results) -> Value {
    let (record, tallies) = (&results.record, results.record.tallies());
    let outcomes: Map<String, Value> = Outcome::ALL
        .iter()
        .map(|outcome| (outcome.as_str().to_owned(), percentiles(record.latency.get(*outcome))))
        .collect();
    json!({
        "valid": results.invalid().is_empty(),
        "due": tallies.due,
        "skipped": tallies.skipped,
        "answered_in_time": tallies.good(),
        "late": tallies.outcomes.late,
        "shed": tallies.outcomes.shed,
        "errors": tallies.outcomes.error,
        "due_per_second": tallies.due as f64 / results.seconds().max(0.001),
        "answered_in_time_per_second": tallies.good() as f64 / results.seconds().max(0.001),
        "latency_us": {
            "corrected": percentiles(&record.served()),
            "raw": percentiles(&record.raw),
            "send_lag": percentiles(&record.lag),
            "connection_wait": percentiles(&record.wait),
            "by_outcome": outcomes,
        },
    })
}

fn percentiles(latencies: &Latencies) -> Value {
    let mut members: Map<String, Value> = QUANTILES
        .iter()
        .map(|(name, quantile)| ((*name).to_owned(), json!(latencies.quantile(*quantile))))
        .collect();
    members.insert("count".to_owned(), json!(latencies.len()));
    members.insert("mean".to_owned(), json!(latencies.mean()));
    Value::Object(members)
}
