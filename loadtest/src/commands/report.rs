//! `loadtest report`.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::report;
use crate::results::Results;
use crate::slo::Conditions;
use crate::view;

use super::Failure;
use super::run::verdict;

/// Prints a result again, and makes its reports anew where a name is given.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ReportArgs {
    /// A .json file of `run` or `merge`.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write NAME.json, NAME.html, NAME.hgrm, NAME.raw.hgrm and NAME.hlog.
    #[arg(long, short, value_name = "NAME")]
    out: Option<PathBuf>,
    /// What must not be, as for `run`: p99>10ms,late>0.1%.
    #[arg(long, value_name = "CONDITIONS", value_parser = Conditions::parse)]
    fail_if: Option<Conditions>,
}

/// Runs it.
pub(super) fn run(args: &ReportArgs) -> Result<ExitCode, Failure> {
    let results = Results::read(&args.file).map_err(|error| Failure::Usage(error.to_string()))?;
    report::print(&report::text(&results))?;
    if let Some(out) = &args.out {
        for file in report::write_all(&results, out)? {
            view::note(&format!("wrote {}", file.display()));
        }
    }
    Ok(verdict(&results, args.fail_if.as_ref()))
}
