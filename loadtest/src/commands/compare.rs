//! `loadtest compare`.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::compare::{DRAWS, Line, Tolerance, compare};
use crate::report;
use crate::results::Results;
use crate::slo::Metric;
use crate::units::parse_share;
use crate::view;

use super::{Failure, INVALID, THRESHOLD};

/// Says whether B is worse than A, and how sure that is.
///
/// Give several runs of each where you can: what differs between two runs of the same build is then in the spread. Runs are
/// of one steady rate and of the same requests. Method: block bootstrap over the seconds of the runs; the confidence is
/// shared out over all figures (Bonferroni).
///
/// Exit code: 0; 1 when a figure is worse by more than the tolerance; 2 for results that cannot be compared; 3 when one is
/// INVALID.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct CompareArgs {
    /// The .json files of A, separated by commas.
    #[arg(value_name = "A", value_delimiter = ',', num_args = 1, required = true)]
    a: Vec<PathBuf>,
    /// The .json files of B, separated by commas.
    #[arg(value_name = "B", value_delimiter = ',', num_args = 1, required = true)]
    b: Vec<PathBuf>,
    /// What to compare.
    #[arg(long, value_name = "FIGURES", value_delimiter = ',', default_value = "p50,p90,p99,late,failures", value_parser = Metric::parse)]
    figures: Vec<Metric>,
    /// How much worse latencies and rates may be.
    #[arg(long, value_name = "SHARE", default_value = "5%", value_parser = parse_share)]
    tolerance: f64,
    /// How much larger shares may be, of all requests.
    #[arg(long, value_name = "SHARE", default_value = "0.1%", value_parser = parse_share)]
    share_tolerance: f64,
    /// How sure to be.
    #[arg(long, value_name = "SHARE", default_value = "95%", value_parser = parse_share)]
    confidence: f64,
    /// Decides which seconds are drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Compare runs of different rates or requests all the same.
    #[arg(long)]
    force: bool,
}

/// Runs it.
pub(super) fn run(args: &CompareArgs) -> Result<ExitCode, Failure> {
    let (a, b) = (read(&args.a)?, read(&args.b)?);
    let invalid: Vec<String> = a.iter().chain(&b).flat_map(Results::invalid).collect();
    if let Some(why) = invalid.first() {
        view::note(&format!("INVALID: {why}"));
        return Ok(ExitCode::from(INVALID));
    }
    if !(0.5..1.0).contains(&args.confidence) {
        return Err(Failure::usage("--confidence", "use 50% to 99.9%"));
    }
    if !args.force {
        alike(a.iter().chain(&b))?;
    }
    let tolerance = Tolerance { relative: args.tolerance, share: args.share_tolerance };
    let comparison = compare(&a, &b, &args.figures, args.confidence, args.seed, DRAWS)
        .ok_or_else(|| Failure::Usage("too short: each side needs ten seconds at least".to_owned()))?;
    report::print(&text(&comparison, args, a.len().min(b.len())))?;
    let worse = comparison.iter().any(|line| line.is_worse(tolerance));
    Ok(if worse { ExitCode::from(THRESHOLD) } else { ExitCode::SUCCESS })
}

fn read(files: &[PathBuf]) -> Result<Vec<Results>, Failure> {
    let read = files.iter().map(|file| Results::read(file));
    read.collect::<Result<_, _>>().map_err(|error| Failure::Usage(error.to_string()))
}

/// Refuses runs whose seconds are no samples of the same thing.
fn alike<'r>(results: impl Iterator<Item = &'r Results>) -> Result<(), Failure> {
    let mut first: Option<Vec<String>> = None;
    for result in results {
        let mut loads = Vec::new();
        for machine in &result.machines {
            if machine.rate.contains("..") || machine.rate.contains(',') {
                let told = "is not one steady rate, so its seconds differ by design; --force compares";
                return Err(Failure::Usage(format!("{} {told}", machine.rate)));
            }
            loads.push(format!("{} of requests {}", machine.rate, machine.fingerprint));
        }
        // Machines are merged in any order.
        loads.sort();
        let known = first.get_or_insert_with(|| loads.clone());
        if *known != loads {
            let (known, own) = (known.join(" and "), loads.join(" and "));
            return Err(Failure::Usage(format!("{known}; {own}: different loads; --force compares")));
        }
    }
    Ok(())
}

fn text(comparison: &[Line], args: &CompareArgs, runs: usize) -> String {
    let mut out = format!("{:<10}{:>12}{:>12}  {}\n", "figure", "A", "B", "change, with its interval");
    let tolerance = Tolerance { relative: args.tolerance, share: args.share_tolerance };
    for line in comparison {
        out.push_str(&line.tell(tolerance));
    }
    let confidence = args.confidence * 100.0;
    out.push_str(&format!(
        "{confidence} % confidence for all figures together; block bootstrap of {DRAWS} draws over the seconds of the runs\n"
    ));
    if runs < 2 {
        out.push_str(
            "one run on a side: what differs between two runs of the same build is not in the intervals; give several\n",
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tests::mixed;

    fn told(results: &[Results]) -> String {
        match alike(results.iter()) {
            Ok(()) => String::new(),
            Err(Failure::Usage(told)) => told,
            Err(Failure::Other(error)) => error.to_string(),
        }
    }

    #[test]
    fn only_the_same_steady_loads_are_compared() {
        let with = |rates: &[&str]| {
            let mut results = mixed("a", 0);
            let machine = results.machines[0].clone();
            let machines = rates.iter().map(|rate| {
                let rate = (*rate).to_owned();
                crate::results::Machine { fingerprint: rate.clone(), rate, ..machine.clone() }
            });
            results.machines = machines.collect();
            results
        };
        assert_eq!(told(&[with(&["10:9s", "20:9s"]), with(&["20:9s", "10:9s"])]), "");
        assert!(told(&[with(&["10:9s"]), with(&["11:9s"])]).contains("different loads"));
        assert!(told(&[with(&["10:9s"]), with(&["10:9s", "10:9s"])]).contains("different loads"));
        assert!(told(&[with(&["1..10/9s"])]).contains("not one steady rate"));
    }
}
