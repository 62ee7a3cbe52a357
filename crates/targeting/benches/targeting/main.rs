//! `cargo xtask bench targeting`: every engine on the reference and the broad workload, in one run on one machine.
//!
//! - Each engine answers the same seeded requests in whole passes, shuffled anew each time, so that no request ever
//!   comes back to back with itself. A request's time is the least of its passes; mean and percentiles are over
//!   requests. Clocks are read around each search, which adds some 40 ns to it.
//! - *Cold* is one more search for each of some requests, after a walk through more memory than the last cache holds:
//!   what a search costs when everything else that a bidder does has evicted it.
//! - Our figures include resolving the request's attributes ([`Engine::probe`](tagbid_targeting::Engine::probe)); the
//!   table also gives that alone. Those of `a-tree` are its search alone: its events are made beforehand.
//! - All answers of all engines are compared with the oracle scan's; a difference fails the run.
//! - Bytes an item are what the allocator handed out while the engine was built and still holds.
//!
//! The scan answers fewer requests where it is slow, so that a whole run takes some minutes.
#![expect(clippy::print_stdout, reason = "a bench talks to a person")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench that cannot go on says so loudly")]

mod catalog;
mod measure;
mod memory;
mod ours;
mod report;
mod run;
#[expect(dead_code, reason = "the tests use more forms of values")]
#[path = "../../tests/targeting/second.rs"]
mod second;
mod subject;
mod updates;

use std::path::PathBuf;

use clap::Parser;

/// Where the repository's root is, for `cargo bench` starts a bench in its package's folder.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Measures targeting engines.
#[derive(Debug, Parser)]
struct Args {
    /// Line items of each measurement.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000, 1_000_000])]
    items: Vec<u32>,
    /// Measure `a-tree` at 100,000 line items too, not at 10,000 alone: it takes minutes to build.
    #[arg(long)]
    a_tree_100k: bool,
    /// Measure searches while line items change instead; writes targeting-updates.json.
    #[arg(long)]
    updates: bool,
    /// Where to write the JSON, from the repository's root.
    #[arg(long, value_name = "FOLDER", default_value = "target/bench")]
    out: PathBuf,
    /// Given by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let out = PathBuf::from(ROOT).join(&args.out);
    if args.updates {
        return updates::run()?.report(&out.join("targeting-updates.json"));
    }
    let report = run::run(&args)?;
    report.write(&out.join("targeting.json"))
}
