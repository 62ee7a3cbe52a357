//! One page that needs nothing else: no script, no request to anywhere, light or dark as the reader's system is.

mod plot;
mod plots;
mod tables;

use std::fmt::{self, Write};

use jiff::Timestamp;

use crate::results::Results;
use crate::units::{show_micros, show_share};

/// The style of the page.
const STYLE: &str = include_str!("style.css");

/// What the page may load: nothing but its own style.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// The page.
pub fn html(results: &Results) -> String {
    let mut out = String::with_capacity(1 << 16);
    // Writing to a string cannot fail.
    let _written = write(results, &mut out);
    out
}

fn write(results: &Results, out: &mut String) -> fmt::Result {
    let url = escape(&results.run.url);
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><title>Load test of {url}</title>\
         <style>{STYLE}</style></head>\n<body><main><header><h1>Load test</h1>\
         <p class=\"soft address\">{url} · {} · {}</p></header>\n",
        escape(&results.run.encoding),
        escape(&began(results)),
    )?;
    write_verdict(results, out)?;
    write_tiles(results, out)?;
    out.push_str("<section class=\"plots\" aria-label=\"Plots\">\n");
    for plot in plots::all(results) {
        plot.write(out)?;
        out.push('\n');
    }
    out.push_str("</section>\n");
    tables::write(results, out)?;
    out.push_str("</main></body></html>\n");
    Ok(())
}

/// When the first machine began, as far as its clock knew.
fn began(results: &Results) -> String {
    let first = results.machines.iter().map(|machine| machine.started_ms).min();
    let time = first.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    time.map_or_else(String::new, |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

fn write_verdict(results: &Results, out: &mut String) -> fmt::Result {
    let reasons = results.invalid();
    if reasons.is_empty() {
        out.push_str(
            "<p class=\"verdict\"><strong>Valid.</strong> The generator kept its rate and was in time.</p>\n",
        );
        for note in results.notes() {
            writeln!(out, "<p class=\"verdict note\"><strong>Note.</strong> {}</p>", escape(&note))?;
        }
        return Ok(());
    }
    out.push_str(
        "<div class=\"verdict invalid\" role=\"alert\"><strong>INVALID: do not use these figures.</strong><ul>",
    );
    for why in reasons {
        write!(out, "<li>{}</li>", escape(&why))?;
    }
    out.push_str("</ul></div>\n");
    Ok(())
}

fn write_tiles(results: &Results, out: &mut String) -> fmt::Result {
    let (served, tallies) = (results.record.served(), results.record.tallies());
    let seconds = results.seconds().max(0.001);
    let latency = |quantile: f64| {
        if served.is_empty() { "–".to_owned() } else { show_micros(served.quantile(quantile) as f64) }
    };
    let share = |count: u64| show_share(tallies.share(count));
    let tiles = [
        ("Due", format!("{:.0}/s", tallies.due as f64 / seconds)),
        ("Answered in time", format!("{:.0}/s", tallies.good() as f64 / seconds)),
        ("p50", latency(0.5)),
        ("p99", latency(0.99)),
        ("p99.9", latency(0.999)),
        ("Late", share(tallies.outcomes.late)),
        ("Shed", share(tallies.outcomes.shed)),
        ("Errors and skipped", share(tallies.errors())),
    ];
    out.push_str("<dl class=\"tiles\">");
    for (name, value) in tiles {
        write!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>")?;
    }
    out.push_str("</dl>\n");
    Ok(())
}

/// Text for HTML, attributes included.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
