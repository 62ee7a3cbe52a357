//! The numbers behind the plots.

use std::fmt::{self, Write};

use crate::record::{Latencies, Outcome};
use crate::results::{Machine, QUANTILES, Results};
use crate::units::show_micros;

use super::escape;

pub(super) fn write(results: &Results, out: &mut String) -> fmt::Result {
    write_latencies(results, out)?;
    write_words(results, out)?;
    write_slices(results, out)?;
    write_machines(results, out)
}

/// Opens a table with its heads. It scrolls by itself where the screen is narrow, also by keyboard.
fn open(out: &mut String, caption: &str, heads: &[&str]) -> fmt::Result {
    write!(
        out,
        "<div class=\"scroll\" tabindex=\"0\"><table><caption>{}</caption><thead><tr>",
        escape(caption)
    )?;
    for head in heads {
        write!(out, "<th scope=\"col\">{}</th>", escape(head))?;
    }
    out.push_str("</tr></thead><tbody>");
    Ok(())
}

fn row(out: &mut String, head: &str, cells: impl IntoIterator<Item = String>) -> fmt::Result {
    write!(out, "<tr><th scope=\"row\">{}</th>", escape(head))?;
    for cell in cells {
        write!(out, "<td>{}</td>", escape(&cell))?;
    }
    out.push_str("</tr>");
    Ok(())
}

const CLOSE: &str = "</tbody></table></div>";

fn write_latencies(results: &Results, out: &mut String) -> fmt::Result {
    let record = &results.record;
    out.push_str("<section class=\"card\" id=\"numbers\"><h2>Latency in numbers</h2>");
    let heads: Vec<&str> = ["", "count", "mean"].into_iter().chain(QUANTILES.map(|(name, _)| name)).collect();
    open(
        out,
        "Send lag is the generator's own lateness; connection wait is how long requests waited for one.",
        &heads,
    )?;
    row(out, "corrected", cells(&record.served()))?;
    row(out, "raw", cells(&record.raw))?;
    for outcome in Outcome::ALL {
        row(out, outcome.as_str(), cells(record.latency.get(outcome)))?;
    }
    row(out, "send lag", cells(&record.lag))?;
    row(out, "connection wait", cells(&record.wait))?;
    if let Some(notices) = &results.notices {
        row(out, "notices", cells(&notices.latency))?;
    }
    write!(out, "{CLOSE}</section>")
}

fn cells(latencies: &Latencies) -> Vec<String> {
    let micros = |value: f64| if latencies.is_empty() { "–".to_owned() } else { show_micros(value) };
    let quantiles = QUANTILES.iter().map(|(_, quantile)| micros(latencies.quantile(*quantile) as f64));
    [latencies.len().to_string(), micros(latencies.mean())].into_iter().chain(quantiles).collect()
}

/// Statuses, reasons, errors and notices by their counts.
fn write_words(results: &Results, out: &mut String) -> fmt::Result {
    let record = &results.record;
    let statuses = record.statuses.iter().map(|(status, count)| ("status", status.to_string(), *count));
    let reasons = record.reasons.iter().map(|(word, count)| ("no bid", word.clone(), *count));
    let errors = record.errors.iter().map(|(word, count)| ("error", word.clone(), *count));
    let notices = results.notices.iter().flat_map(|notices| {
        let lost = [("failed", notices.failed), ("not sent: other host", notices.elsewhere)];
        let lost = lost.into_iter().chain([("bids dropped", notices.dropped_bids)]);
        let answered = notices.answered.iter().map(|(kind, count)| (kind.as_str(), *count));
        answered.chain(lost).map(|(word, count)| ("notice", word.to_owned(), count)).collect::<Vec<_>>()
    });
    out.push_str("<section class=\"card words\"><h2>What answers said</h2>");
    open(out, "Counts over the whole run.", &["", "word", "count"])?;
    for (kind, word, count) in statuses.chain(reasons).chain(errors).chain(notices) {
        row(out, kind, [word, count.to_string()])?;
    }
    write!(out, "{CLOSE}</section>")
}

fn write_slices(results: &Results, out: &mut String) -> fmt::Result {
    out.push_str("<section class=\"card\"><details><summary>Every second in numbers</summary>");
    let heads =
        ["from", "due", "bid", "no-bid", "late", "shed", "error", "skipped", "p50", "p90", "p99", "max"];
    open(out, "Requests by the time at which they were due.", &heads)?;
    let width = results.run.window_us as f64 / 1e6;
    for (number, slice) in (0_u32..).zip(&results.record.windows) {
        let tallies = &slice.tallies;
        let outcomes = Outcome::ALL.iter().map(|outcome| *tallies.outcomes.get(*outcome));
        let counts = [tallies.due].into_iter().chain(outcomes).chain([tallies.skipped]);
        let latencies = slice.latency.to_latencies();
        let percentiles = [0.5, 0.9, 0.99, 1.0].map(|quantile| latencies.quantile(quantile) as f64);
        let cells = counts.map(|count| count.to_string()).chain(percentiles.map(show_micros));
        row(out, &format!("{:.0} s", f64::from(number) * width), cells)?;
    }
    write!(out, "{CLOSE}</details></section>")
}

fn write_machines(results: &Results, out: &mut String) -> fmt::Result {
    out.push_str("<section class=\"card\"><h2>How it was sent</h2>");
    let heads = [
        "machine",
        "rate",
        "arrivals",
        "connections",
        "threads",
        "seed",
        "requests",
        "fingerprint",
        "version",
    ];
    open(out, "The same rate, seed and fingerprint send the same load again.", &heads)?;
    for machine in &results.machines {
        row(out, &machine.host, machine_cells(machine))?;
    }
    writeln!(out, "{CLOSE}</section>")
}

fn machine_cells(machine: &Machine) -> [String; 8] {
    [
        machine.rate.clone(),
        machine.arrivals.clone(),
        format!("{} x {}", machine.connections, machine.streams),
        machine.threads.to_string(),
        machine.seed.to_string(),
        machine.requests.to_string(),
        machine.fingerprint.clone(),
        machine.version.clone(),
    ]
}
