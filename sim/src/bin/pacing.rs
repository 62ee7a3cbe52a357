//! `pacing`: simulated days of paced line items; a table, figures for machines, and a plot.
#![expect(clippy::print_stdout, reason = "a command line tool talks to its user")]

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Parser;
use tagbid_sim::pacing::{Report, Scenario, json, plot, run, table};

/// Simulates days of paced line items in virtual time.
#[derive(Parser)]
struct Args {
    /// What traffic, auctions and notices are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the scenario of this name.
    #[arg(long)]
    only: Option<String>,
    /// Where to write the figures.
    #[arg(long, default_value = "target/bench/pacing.json")]
    out: PathBuf,
    /// Where to write the plot.
    #[arg(long, default_value = "target/bench/pacing.svg")]
    plot: PathBuf,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let scenarios = Scenario::all();
    let wanted = |one: &&Scenario| args.only.as_deref().is_none_or(|name| one.name == name);
    let reports: Vec<Report> =
        scenarios.iter().filter(wanted).map(|one| run(one, args.seed)).collect::<Result<_, _>>()?;
    print!("{}", table(&reports));
    write(&args.out, &json(&reports, args.seed))?;
    write(&args.plot, &plot(&reports))
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
    }
    fs::write(file, text).with_context(|| format!("writing {}", file.display()))
}
