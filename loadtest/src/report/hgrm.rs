//! The percentile distribution as HdrHistogram's tools print and plot it (`Histogram.outputPercentileDistribution` of the
//! Java implementation, whose columns and footer this follows): values in milliseconds.

use std::fmt::Write;

use crate::record::Latencies;

/// Steps between one percentile and the one that is half as far from 100 %.
const STEPS: u32 = 5;

/// Microseconds in the unit of the file.
const SCALE: f64 = 1e3;

/// The text of a .hgrm file.
pub fn hgrm(latencies: &Latencies) -> String {
    let histogram = latencies.histogram();
    let mut out =
        format!("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)");
    let mut total = 0;
    for step in histogram.iter_quantiles(STEPS) {
        total += step.count_since_last_iteration();
        let value = step.value_iterated_to() as f64 / SCALE;
        let quantile = step.quantile_iterated_to();
        // Writing to a string cannot fail.
        let _line = if quantile < 1.0 {
            writeln!(out, "{value:>12.3} {quantile:>2.12} {total:>10} {:>14.2}", 1.0 / (1.0 - quantile))
        } else {
            writeln!(out, "{value:>12.3} {quantile:>2.12} {total:>10}")
        };
    }
    let deviation = if latencies.is_empty() { 0.0 } else { histogram.stdev() };
    // The sub-buckets of three digits: see `Latencies`.
    let _footer = write!(
        out,
        "#[Mean    = {:>12.3}, StdDeviation   = {:>12.3}]\n#[Max     = {:>12.3}, Total count    = {:>12}]\n\
         #[Buckets = {:>12}, SubBuckets     = {:>12}]\n",
        latencies.mean() / SCALE,
        deviation / SCALE,
        latencies.max() as f64 / SCALE,
        latencies.len(),
        histogram.buckets(),
        2_048,
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn lines_rise_to_all_of_them() {
        let mut latencies = Latencies::default();
        for millis in 1..=1_000 {
            latencies.record(Duration::from_millis(millis));
        }
        let text = hgrm(&latencies);
        let rows: Vec<Vec<f64>> = text
            .lines()
            .skip(2)
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.split_whitespace().map(|cell| cell.parse().unwrap()).collect())
            .collect();
        assert!(rows.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][1] <= pair[1][1]));
        let median = rows.iter().find(|row| row[1] >= 0.5).unwrap();
        assert!((499.0..502.0).contains(&median[0]) && (median[3] - 2.0).abs() < 0.1, "{median:?}");
        let last = rows.last().unwrap();
        assert_eq!((last[1], last[2], last.len()), (1.0, 1_000.0, 3));
        assert!(
            text.contains("#[Mean    =      500.5") && text.contains("Total count    =         1000]"),
            "{text}"
        );
    }

    #[test]
    fn nothing_is_a_file_too() {
        assert!(hgrm(&Latencies::default()).contains("Total count    =            0]"));
    }
}
