//! `loadtest report`.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::report;
use crate::results::Results;
use crate::view;

use super::{Failure, INVALID};

/// Prints a result again, and makes its reports anew where a name is given.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct ReportArgs {
    /// A .json file of `run` or `merge`.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Write NAME.json, NAME.html, NAME.hgrm, NAME.raw.hgrm and NAME.hlog.
    #[arg(long, short, value_name = "NAME")]
    out: Option<PathBuf>,
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
    Ok(if results.invalid().is_empty() { ExitCode::SUCCESS } else { ExitCode::from(INVALID) })
}
