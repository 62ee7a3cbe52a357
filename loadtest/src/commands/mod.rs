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
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;

use crate::{bench, busy, cpu, floor};

use compare::CompareArgs;
use merge::MergeArgs;
use report::ReportArgs;
use run::RunArgs;
use search::SearchArgs;

/// A threshold was crossed.
const THRESHOLD: u8 = 1;
/// The command line says something that cannot be done.
const USAGE: u8 = 2;
/// Figures that must not be used, or none.
const INVALID: u8 = 3;

/// Why a command ended early.
#[derive(Debug)]
enum Failure {
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
    fn usage(argument: &str, problem: impl Display) -> Self {
        Self::Usage(format!("{argument}: {problem}"))
    }
}

/// Measures bidders.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version)]
enum Cli {
    Run(Box<RunArgs>),
    Search(Box<SearchArgs>),
    Compare(CompareArgs),
    Merge(MergeArgs),
    Report(ReportArgs),
    /// Serve the transport floor: read each request's body, parse nothing, answer a canned bid.
    Floor {
        /// Where to listen; port 0 picks a free one, which the first line of output names.
        #[arg(long, default_value = "127.0.0.1:0")]
        listen: SocketAddr,
        /// Worker threads.
        #[arg(long, default_value_t = 1)]
        workers: usize,
    },
    /// CPU per request of the bid path beside the floor, in one run; writes target/bench/path.json.
    BenchPath(bench::Args),
    /// What is left of the bid path's goodput at 1.5, 2 and 3 times the load that it can serve; what `cargo xtask faults overload` runs.
    BenchOverload(bench::overload::Args),
    /// Closed-loop throughput beside wrk's, against a server with 200 µs of work; writes target/bench/loadtest.json.
    #[command(hide = true)]
    BenchWrk(bench::wrk::Args),
    /// Serve with so many microseconds of work for each request.
    #[command(hide = true)]
    Busy {
        /// The work.
        #[arg(long, default_value_t = 200)]
        micros: u64,
    },
    /// Run a command on one core.
    #[command(hide = true)]
    Pin {
        /// The core's number.
        core: usize,
        /// The command and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<String>,
    },
}

/// The process's command; its exit code.
pub fn main() -> ExitCode {
    let other = |ended: anyhow::Result<ExitCode>| ended.map_err(Failure::Other);
    end(match Cli::parse() {
        Cli::Run(args) => run::run(&args),
        Cli::Search(args) => search::run(&args),
        Cli::Compare(args) => compare::run(&args),
        Cli::Merge(args) => merge::run(&args),
        Cli::Report(args) => report::run(&args),
        Cli::Floor { listen, workers } => other(floor::run(listen, workers)),
        Cli::BenchPath(args) => other(bench::run(&args)),
        Cli::BenchOverload(args) => other(bench::overload::run(&args)),
        Cli::BenchWrk(args) => other(bench::wrk::run(&args)),
        Cli::Busy { micros } => other(busy::run(micros)),
        Cli::Pin { core, command } => other(cpu::exec_pinned(core, &command)),
    })
}

/// Says what went wrong, if something did; the exit code.
fn end(outcome: Result<ExitCode, Failure>) -> ExitCode {
    let (told, code) = match outcome {
        Ok(code) => return code,
        Err(Failure::Usage(told)) => (told, USAGE),
        Err(Failure::Other(error)) => (format!("{error:#}"), INVALID),
    };
    // Standard error is the last resort.
    let _told = writeln!(io::stderr(), "loadtest: {told}");
    ExitCode::from(code)
}
