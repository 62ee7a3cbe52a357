//! `loadtest`: the command line. [`commands`] has the exit codes.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use tagbid_loadtest::commands::{self, CompareArgs, Failure, MergeArgs, ReportArgs, RunArgs, SearchArgs};
use tagbid_loadtest::{bench, cpu, floor};

/// The bidder's allocator, so that the floor and the path differ in their work alone.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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

fn main() -> ExitCode {
    let outcome = match Cli::parse() {
        Cli::Run(args) => commands::run(&args),
        Cli::Search(args) => commands::search(&args),
        Cli::Compare(args) => commands::compare(&args),
        Cli::Merge(args) => commands::merge(&args),
        Cli::Report(args) => commands::report(&args),
        Cli::Floor { listen, workers } => floor::run(listen, workers).map_err(Failure::Other),
        Cli::BenchPath(args) => bench::run(&args).map_err(Failure::Other),
        Cli::Pin { core, command } => cpu::exec_pinned(core, &command).map_err(Failure::Other),
    };
    commands::end(outcome)
}
