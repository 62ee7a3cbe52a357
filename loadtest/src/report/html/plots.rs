//! The four plots: latency by percentile, latency over time, rate, outcomes.

use crate::record::{Latencies, Outcome, Window};
use crate::results::Results;
use crate::units::{show_micros, show_share};

use super::plot::{Axis, Plot, Scale, Series};

/// Steps of a percentile plot between one and the one that is half as far from 100 %.
const STEPS: u32 = 8;

pub(super) fn all(results: &Results) -> [Plot; 4] {
    [by_percentile(results), over_time(results), rate(results), outcomes(results)]
}

fn line(name: &str, class: &'static str, points: Vec<(f64, f64)>) -> Series {
    Series { name: name.to_owned(), class, points, floor: Vec::new() }
}

/// As HdrHistogram plots it: each step to the right is half as far from 100 %.
fn by_percentile(results: &Results) -> Plot {
    let served = results.record.served();
    let raw = &results.record.raw;
    let (corrected, raw_points) = (distribution(&served), distribution(raw));
    let most = corrected.iter().chain(&raw_points).map(|(x, _)| *x).fold(10.0, f64::max);
    let nines = (0..9).map(|n| 10_f64.powi(n)).filter(|x| *x <= most * 1.001);
    let ticks = nines.map(|x| (x, percent(x))).collect();
    let described = |quantile| show_micros(served.quantile(quantile) as f64);
    Plot {
        id: "percentiles",
        title: "Latency by percentile",
        description: format!(
            "Corrected: p50 {}, p99 {}, p99.9 {}, max {}; raw: p99 {}. {}",
            described(0.5),
            described(0.99),
            described(0.999),
            described(1.0),
            show_micros(raw.quantile(0.99) as f64),
            if results.run.open_loop { crate::report::text::BOTH } else { crate::report::text::CLOSED },
        ),
        x: Axis {
            label: "share of requests that are as quick",
            scale: Scale::Log,
            from: 1.0,
            to: most,
            ticks,
        },
        y: latency_axis(corrected.iter().chain(&raw_points).map(|(_, y)| *y)),
        series: vec![line("corrected", "blue", corrected), line("raw", "amber dashed", raw_points)],
    }
}

/// 1/(1 - quantile) and microseconds.
fn distribution(latencies: &Latencies) -> Vec<(f64, f64)> {
    let all = latencies.len() as f64;
    let steps = latencies.histogram().iter_quantiles(STEPS).map(|step| {
        let away = (1.0 - step.quantile_iterated_to()).max(1.0 / all.max(1.0));
        (1.0 / away, step.value_iterated_to() as f64)
    });
    steps.collect()
}

fn percent(x: f64) -> String {
    // 99.999 % is written with as many nines as it has.
    let digits = (x.log10().round() as usize).saturating_sub(2);
    format!("{:.digits$} %", (1.0 - 1.0 / x) * 100.0)
}

fn latency_axis(values: impl Iterator<Item = f64> + Clone) -> Axis {
    let least = values.clone().filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
    let most = values.fold(0.0, f64::max);
    let least = if least.is_finite() { least } else { 1.0 };
    Axis::log("latency", least, most, |micros| short(&show_micros(micros)))
}

/// "1.00 ms" as "1 ms": ticks are round.
fn short(text: &str) -> String {
    text.replacen(".00 ", " ", 1)
}

/// Slices with the middle of each in seconds.
fn slices(results: &Results) -> impl Iterator<Item = (f64, &Window)> + Clone {
    let width = results.run.window_us as f64 / 1e6;
    (0_u32..).map(move |number| (f64::from(number) + 0.5) * width).zip(&results.record.windows)
}

fn time_axis(results: &Results) -> Axis {
    Axis::until("seconds from the start", results.seconds().max(1.0), |at| format!("{at:.0}"))
}

fn over_time(results: &Results) -> Plot {
    const LINES: [(&str, &str, f64); 4] = [
        ("p50", "teal", 0.5),
        ("p90", "blue dashed", 0.9),
        ("p99", "violet", 0.99),
        ("max", "red dotted", 1.0),
    ];
    let histograms: Vec<(f64, Latencies)> =
        slices(results).map(|(at, slice)| (at, slice.latency.to_latencies())).collect();
    let of = |quantile: f64| -> Vec<(f64, f64)> {
        let answered = histograms.iter().filter(|(_, latencies)| !latencies.is_empty());
        answered.map(|(at, latencies)| (*at, latencies.quantile(quantile) as f64)).collect()
    };
    let series: Vec<Series> =
        LINES.iter().map(|(name, class, quantile)| line(name, class, of(*quantile))).collect();
    let worst = of(0.99).into_iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or_default();
    Plot {
        id: "over-time",
        title: "Latency over time",
        description: format!(
            "Corrected latency of requests by the second in which they were due. The highest p99 was {} near second {:.0}.",
            show_micros(worst.1),
            worst.0
        ),
        x: time_axis(results),
        y: latency_axis(series.iter().flat_map(|series| series.points.iter().map(|(_, y)| *y))),
        series,
    }
}

fn rate(results: &Results) -> Plot {
    let width = (results.run.window_us as f64 / 1e6).max(0.001);
    let of = |count: fn(&Window) -> u64| -> Vec<(f64, f64)> {
        slices(results).map(|(at, slice)| (at, count(slice) as f64 / width)).collect()
    };
    let due = of(|slice| slice.tallies.due);
    let in_time = of(|slice| slice.tallies.good());
    let bids = of(|slice| slice.tallies.outcomes.bid);
    let most = due.iter().map(|(_, rate)| *rate).fold(0.0, f64::max);
    let tallies = results.record.tallies();
    Plot {
        id: "rate",
        title: "Rate",
        description: format!(
            "{:.0} requests a second were due on average, {:.0} were answered in time.",
            tallies.due as f64 / results.seconds().max(0.001),
            tallies.good() as f64 / results.seconds().max(0.001)
        ),
        x: time_axis(results),
        y: Axis::linear("requests a second", most, |at| format!("{at:.0}")),
        series: vec![
            line("due", "gray dashed", due),
            line("answered in time", "blue", in_time),
            line("with a bid", "teal dotted", bids),
        ],
    }
}

/// Shares of what was due in each slice, one upon the other, what went wrong on top.
fn outcomes(results: &Results) -> Plot {
    type Count = fn(&Window) -> u64;
    const LAYERS: [(&str, &str, Count); 6] = [
        ("bid", "teal", |slice| slice.tallies.outcomes.bid),
        ("no-bid", "blue", |slice| slice.tallies.outcomes.no_bid),
        ("late", "amber", |slice| slice.tallies.outcomes.late),
        ("shed", "violet", |slice| slice.tallies.outcomes.shed),
        ("error", "red", |slice| slice.tallies.outcomes.error),
        ("skipped", "gray", |slice| slice.tallies.skipped),
    ];
    let due: Vec<(f64, &Window)> = slices(results).filter(|(_, slice)| slice.tallies.due > 0).collect();
    let mut below = vec![0.0; due.len()];
    let series = LAYERS.iter().map(|(name, class, count)| {
        let floor = below.clone();
        let points = due.iter().zip(&mut below).map(|((at, slice), below)| {
            *below += slice.tallies.share(count(slice));
            (*at, *below)
        });
        Series { name: (*name).to_owned(), class, points: points.collect(), floor }
    });
    let series = series.collect();
    let tallies = results.record.tallies();
    let shares = Outcome::ALL.iter().map(|outcome| {
        format!("{} {}", outcome.as_str(), show_share(tallies.share(*tallies.outcomes.get(*outcome))))
    });
    Plot {
        id: "outcomes",
        title: "Outcomes",
        description: format!(
            "Of all that was due: {}, skipped {}.",
            shares.collect::<Vec<_>>().join(", "),
            show_share(tallies.share(tallies.skipped))
        ),
        x: time_axis(results),
        y: Axis::until("share of requests due", 1.0, |at| format!("{:.0} %", at * 100.0)),
        series,
    }
}
