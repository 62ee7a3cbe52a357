//! What a fault may cost in money: real processes, one fault each, and figures. They take minutes and want a quiet machine, so
//! `cargo xtask faults [NAME]` runs them one after the other, and the other tests leave them out.

mod bidders;
mod ledgers;
mod lookups;
mod market;
mod starving;

use std::fmt::Display;
use std::io::Write;

/// Prints a figure, and adds it to the file that the environment names.
fn figure(fault: &str, what: &str, value: impl Display, unit: &str) {
    println!("{fault:<20} {what:<58} {value:>12} {unit}");
    if let Some(file) = std::env::var_os("TAGBID_BENCH_FILE") {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(file).unwrap();
        let line =
            serde_json::json!({ "fault": fault, "what": what, "value": value.to_string(), "unit": unit });
        writeln!(file, "{line}").unwrap();
    }
}
