//! `sim`: runs seeds, says what was found, and writes it down.
#![expect(clippy::print_stdout, reason = "a command line tool talks to its user")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use tagbid_sim::{report, run, run_all};

/// Runs budgets and notices among machines that fail, one world a seed.
#[derive(Parser)]
struct Args {
    /// How many seeds.
    #[arg(long, default_value_t = 10_000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Run this seed alone and print its trace.
    #[arg(long)]
    seed: Option<u64>,
    /// Where to write the figures.
    #[arg(long, default_value = "target/bench/sim.json")]
    out: PathBuf,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    if let Some(seed) = args.seed {
        let outcome = run(seed, None, true);
        print!("{}", outcome.trace.unwrap_or_default());
        return Ok(if outcome.violation.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let begun = Instant::now();
    let (totals, found) = run_all(args.first..args.first.saturating_add(args.seeds));
    for (seed, violation) in &found {
        println!("seed {seed}: at {} us {}", violation.at, violation.what);
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!("{} seeds in {seconds:.0} s, {} with a violation: {totals:?}", args.seeds, found.len());
    write(&args.out, &report(args.first, args.seeds, &totals, &found, seconds))?;
    Ok(if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn write(file: &Path, json: &str) -> anyhow::Result<()> {
    if let Some(parent) = file.parent() {
        fs::create_dir_all(parent).with_context(|| format!("creating {}", parent.display()))?;
    }
    fs::write(file, json).with_context(|| format!("writing {}", file.display()))
}
