//! The result in a screenful.

use std::fmt::Write;

use crate::record::{Latencies, Outcome};
use crate::results::{QUANTILES, Results};
use crate::units::{show_micros, show_share};

/// What the two rows of latencies are.
pub(super) const BOTH: &str = "Corrected counts from the moment at which a request was due, raw from the moment at which it was \
     sent: what a stalled server keeps waiting shows in the first alone.";

/// And in closed loop.
pub(super) const CLOSED: &str = "closed loop: a request was sent when the last was answered, so that a stall delays one request on each connection and \
     the rest never shows; use a rate to learn about latency.";

/// Why a run must not be used, and then what it saw.
pub fn text(results: &Results) -> String {
    let mut out = String::new();
    // Writing to a string cannot fail.
    let _written = write(results, &mut out);
    out
}

fn write(results: &Results, out: &mut String) -> std::fmt::Result {
    let (record, tallies) = (&results.record, results.record.tallies());
    write_head(results, out)?;
    let per_second = |count: u64| count as f64 / results.seconds().max(0.001);
    writeln!(
        out,
        "requests    {} due ({:.0}/s), {} answered in time ({:.0}/s), {} skipped",
        tallies.due,
        per_second(tallies.due),
        tallies.good(),
        per_second(tallies.good()),
        tallies.skipped
    )?;
    let shares = Outcome::ALL.iter().map(|outcome| {
        format!("{} {}", outcome.as_str(), show_share(tallies.share(*tallies.outcomes.get(*outcome))))
    });
    writeln!(out, "outcomes    {}", shares.collect::<Vec<_>>().join(", "))?;
    words(out, "no bid", &record.reasons)?;
    words(out, "errors", &record.errors)?;
    write_latencies(results, out)?;
    if let Some(notices) = &results.notices {
        words(out, "notices", &notices.answered)?;
        let (failed, elsewhere, dropped) = (notices.failed, notices.elsewhere, notices.dropped_bids);
        writeln!(
            out,
            "            {failed} failed, {elsewhere} to other hosts not sent, {dropped} bids dropped"
        )?;
    }
    Ok(())
}

fn write_head(results: &Results, out: &mut String) -> std::fmt::Result {
    for why in results.invalid() {
        writeln!(out, "INVALID     {why}")?;
    }
    for note in results.notes() {
        writeln!(out, "NOTE        {note}")?;
    }
    writeln!(out, "to          {} in {}", results.run.url, results.run.encoding)?;
    for machine in &results.machines {
        let (rate, arrivals) = (&machine.rate, &machine.arrivals);
        let (seed, fingerprint) = (machine.seed, &machine.fingerprint);
        writeln!(
            out,
            "from        {}: {rate}, {arrivals}, seed {seed}, fingerprint {fingerprint}",
            machine.host
        )?;
    }
    Ok(())
}

fn write_latencies(results: &Results, out: &mut String) -> std::fmt::Result {
    let record = &results.record;
    let heads: Vec<String> = QUANTILES.iter().map(|(name, _)| format!("{name:>10}")).collect();
    writeln!(out, "latency     {}", heads.concat())?;
    row(out, "corrected", &record.served())?;
    row(out, "raw", &record.raw)?;
    writeln!(out, "            {}", if results.run.open_loop { BOTH } else { CLOSED })?;
    for outcome in Outcome::ALL {
        let latencies = record.latency.get(outcome);
        if !latencies.is_empty() {
            row(out, outcome.as_str(), latencies)?;
        }
    }
    row(out, "send lag", &record.lag)?;
    row(out, "conn. wait", &record.wait)
}

fn row(out: &mut String, name: &str, latencies: &Latencies) -> std::fmt::Result {
    let cell = |quantile: f64| {
        let shown = if latencies.is_empty() {
            "-".to_owned()
        } else {
            show_micros(latencies.quantile(quantile) as f64)
        };
        format!("{shown:>10}")
    };
    let cells: Vec<String> = QUANTILES.iter().map(|(_, quantile)| cell(*quantile)).collect();
    writeln!(out, "  {name:<10}{}", cells.concat())
}

fn words(out: &mut String, head: &str, words: &std::collections::BTreeMap<String, u64>) -> std::fmt::Result {
    if words.is_empty() {
        return Ok(());
    }
    let mut words: Vec<(&String, &u64)> = words.iter().collect();
    words.sort_by(|a, b| b.1.cmp(a.1));
    let told: Vec<String> = words.iter().take(8).map(|(word, count)| format!("{word} {count}")).collect();
    writeln!(out, "{head:<12}{}", told.join(", "))
}
