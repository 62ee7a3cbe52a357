//! What the binary does. Exit codes: 0 done, 1 a threshold was crossed or a comparison says worse, 2 wrong usage, 3 INVALID:
//! the generator did not do what it promised, or there was nothing to measure.

mod compare;
mod load_args;
mod merge;
mod report;
mod run;
mod search;

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

pub use compare::{CompareArgs, run as compare};
pub use merge::{MergeArgs, run as merge};
pub use report::{ReportArgs, run as report};
pub use run::{RunArgs, run};
pub use search::{SearchArgs, run as search};

/// A threshold was crossed.
pub const THRESHOLD: u8 = 1;
/// The command line says something that cannot be done.
pub const USAGE: u8 = 2;
/// Figures that must not be used, or none.
pub const INVALID: u8 = 3;

/// Why a command ended early.
#[derive(Debug)]
pub enum Failure {
    /// What to write instead.
    Usage(String),
    /// What went wrong.
    Other(anyhow::Error),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

impl Failure {
    /// An argument that cannot be used, by its name.
    pub(crate) fn usage(argument: &str, problem: impl Display) -> Self {
        Self::Usage(format!("{argument}: {problem}"))
    }
}

/// Says what went wrong, if something did; the exit code.
pub fn end(outcome: Result<ExitCode, Failure>) -> ExitCode {
    let (told, code) = match outcome {
        Ok(code) => return code,
        Err(Failure::Usage(told)) => (told, USAGE),
        Err(Failure::Other(error)) => (format!("{error:#}"), INVALID),
    };
    // Standard error is the last resort.
    let _told = writeln!(io::stderr(), "loadtest: {told}");
    ExitCode::from(code)
}
