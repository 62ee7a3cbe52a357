//! `loadtest merge`.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::report;
use crate::results::Results;
use crate::slo::Conditions;
use crate::view;

use super::Failure;
use super::run::verdict;

/// Adds up the results of machines that sent at the same time: exactly, bucket by bucket.
///
/// Give each machine a seed of its own. Exit code: 0; 1 when --fail-if is true; 2 when the results are of different runs; 3 when
/// one is INVALID.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct MergeArgs {
    /// The .json files of the machines.
    #[arg(required = true, num_args = 2.., value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write NAME.json, NAME.html, NAME.hgrm, NAME.raw.hgrm and NAME.hlog.
    #[arg(long, short, value_name = "NAME")]
    out: PathBuf,
    /// What must not be, as for `run`: p99>10ms,late>0.1%.
    #[arg(long, value_name = "CONDITIONS", value_parser = Conditions::parse)]
    fail_if: Option<Conditions>,
}

/// Runs it.
pub(super) fn run(args: &MergeArgs) -> Result<ExitCode, Failure> {
    let usage = |error: crate::results::ResultsError| Failure::Usage(error.to_string());
    let mut results = args.files.iter().map(|file| Results::read(file).map_err(usage));
    let mut sum = results.next().transpose()?.ok_or_else(|| Failure::Usage("no results".to_owned()))?;
    for other in results {
        sum.merge(other?).map_err(usage)?;
    }
    report::print(&report::text(&sum))?;
    for file in report::write_all(&sum, &args.out)? {
        view::note(&format!("wrote {}", file.display()));
    }
    Ok(verdict(&sum, args.fail_if.as_ref()))
}
