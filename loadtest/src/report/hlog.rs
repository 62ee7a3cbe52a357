//! The run over time as HdrHistogram's interval log: one histogram for each slice of time, corrected latencies in
//! microseconds, maxima in milliseconds.

use std::time::{Duration, UNIX_EPOCH};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::IntervalLogWriterBuilder;

use crate::results::Results;

/// The bytes of a .hlog file.
pub fn hlog(results: &Results) -> anyhow::Result<Vec<u8>> {
    let began = results.machines.iter().map(|machine| machine.started_ms).min().unwrap_or(0);
    let began = Duration::from_millis(u64::try_from(began).unwrap_or(0));
    let window = Duration::from_micros(results.run.window_us);
    let (mut out, mut serializer) = (Vec::new(), V2DeflateSerializer::new());
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment(&format!("[loadtest {}, corrected latencies in microseconds]", results.run.url))
        .with_start_time(UNIX_EPOCH + began)
        .with_base_time(UNIX_EPOCH + began)
        .with_max_value_divisor(1e3)
        .begin_log_with(&mut out, &mut serializer)?;
    log.write_comment(
        "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"",
    )?;
    for (number, slice) in (0_u32..).zip(&results.record.windows) {
        let latencies = slice.latency.to_latencies();
        log.write_histogram(latencies.histogram(), window * number, window, None)
            .map_err(|error| anyhow::anyhow!("slice {number} of the interval log: {error}"))?;
    }
    drop(log);
    Ok(out)
}
