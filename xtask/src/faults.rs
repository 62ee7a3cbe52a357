//! `faults [NAME]`: what faults cost, with real processes, one after the other.

use std::fs;

use crate::failure::Failure;
use crate::{setup, shell};

/// The experiment that the load tester does by itself.
const OVERLOAD: &str = "overload";

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    setup::run()?;
    let file = shell::root().join("target/bench/faults.json");
    let name = args.first().map(String::as_str).unwrap_or_default();
    let wanted = format!("faults::{name}");
    // Lines while it runs: what was seen before a failure is worth reading.
    let lines = file.with_extension("lines");
    let _none_before = fs::remove_file(&lines);
    let failed = |error: std::io::Error| Failure::check(format!("{}: {error}", file.display()));
    fs::create_dir_all(shell::root().join("target/bench")).map_err(failed)?;
    let mut outcome = Ok(());
    if name != OVERLOAD {
        let mut command = shell::cargo(&["test", "--locked", "--test", "scenarios", &wanted, "--"]);
        command.args(["--ignored", "--nocapture", "--test-threads=1"]).env("TAGBID_BENCH_FILE", &lines);
        outcome = shell::run(&mut command);
    }
    if name.is_empty() || name == OVERLOAD {
        // As it is shipped: what turning away costs beside serving is the point.
        let bench = ["run", "--locked", "--release", "-p", "tagbid-loadtest", "--", "bench-overload"];
        let overloaded = shell::run(shell::cargo(&bench).env("TAGBID_BENCH_FILE", &lines));
        outcome = outcome.and(overloaded);
    }
    let seen = fs::read_to_string(&lines).unwrap_or_default();
    let figures: Vec<&str> = seen.lines().collect();
    fs::write(&file, format!("[\n{}\n]\n", figures.join(",\n"))).map_err(failed)?;
    let _written = fs::remove_file(&lines);
    outcome
}
