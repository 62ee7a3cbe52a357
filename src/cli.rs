//! The command line. Settings that cannot be used go to standard error by name and end with exit code 64
//! (EX_USAGE); a role that cannot start ends with 1. A command whose output nobody reads any more ends with 0.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tagbid_runtime::settings::{Sources, dump};
use tagbid_runtime::telemetry::start_logging;
use tokio::runtime::{Builder, Runtime};

use crate::compose::{Roles, Running};
use crate::out::{is_closed, out};
use crate::settings::Settings;
use crate::{demo, events, replay, report, snapshots, users};

/// EX_USAGE of sysexits.h.
const USAGE: u8 = 64;

/// A distributed ad-matching and bidding server.
#[derive(Debug, Parser)]
#[command(name = "tagbid", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// TOML file of settings; `tagbid --dump-config` prints all keys. May be given several times, such as for secrets (the
    /// environment: with commas between): the later wins.
    #[arg(long, global = true, env = "TAGBID_CONFIG", value_name = "FILE", value_delimiter = ',')]
    config: Vec<PathBuf>,
    /// One setting, over file and environment; may be given several times.
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Print the settings in force, secrets masked, and end.
    #[arg(long, global = true)]
    dump_config: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer bid requests.
    Bidder,
    /// Answer what is known of users; with a command: snapshots of offline tags, events.
    #[command(args_conflicts_with_subcommands = true)]
    Tags {
        #[command(subcommand)]
        command: Option<snapshots::Command>,
    },
    /// Let advertisers configure what is bid.
    Campaigns,
    /// Take notices and count spend.
    Ledger,
    /// Every role in one process.
    All,
    /// Every role, with example data and a simulated exchange.
    Demo(demo::Args),
    /// Send bid requests from files.
    Replay(replay::Args),
    /// Suppress, erase and link people by files of their ids.
    Users {
        #[command(subcommand)]
        command: users::Command,
    },
    /// What was bought and what came of it: spend, impressions, clicks, conversions, wins, losses.
    Report(Box<report::Args>),
    /// Read the event log: bids, wins, billings, losses, impressions, clicks, conversions.
    Events {
        #[command(subcommand)]
        command: events::Command,
    },
}

/// Runs the process's command.
pub(crate) fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let asked = !error.use_stderr();
            // Nobody reads it: nothing is left to tell.
            let _ = error.print();
            return if asked { ExitCode::SUCCESS } else { ExitCode::from(USAGE) };
        }
    };
    match execute(cli) {
        Ok(code) => code,
        Err(Failure::Usage(problem)) => complain(&problem, ExitCode::from(USAGE)),
        Err(Failure::Other(_)) if is_closed() => ExitCode::SUCCESS,
        Err(Failure::Other(error)) => complain(&format!("{error:#}"), ExitCode::FAILURE),
    }
}

enum Failure {
    Usage(String),
    Other(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

/// Says what went wrong; the exit code.
pub(crate) fn complain(problem: &str, code: ExitCode) -> ExitCode {
    // Standard error is the last resort.
    let _ = writeln!(std::io::stderr(), "tagbid: {problem}");
    code
}

fn execute(cli: Cli) -> Result<ExitCode, Failure> {
    let sources = Sources::of_process(cli.config, cli.set);
    let mut settings: Settings = sources.load().map_err(|error| Failure::Usage(error.to_string()))?;
    let demo = match &cli.command {
        Some(Command::Demo(args)) => Some(demo::prepare(args, &mut settings)?),
        _ => None,
    };
    if cli.dump_config {
        return write_out(&dump(&settings));
    }
    let roles = match cli.command {
        None => {
            return Err(Failure::Usage("name a command; `tagbid --help` lists them".into()));
        }
        Some(Command::Replay(args)) => return Ok(runtime()?.block_on(replay::run(args))?),
        Some(Command::Report(args)) => return Ok(runtime()?.block_on(report::run(*args))?),
        Some(Command::Users { command }) => return Ok(runtime()?.block_on(users::run(command))?),
        Some(Command::Events { command }) => return Ok(events::run(command, &settings.events)?),
        Some(Command::Bidder) => Roles { bidder: true, ..Roles::NONE },
        Some(Command::Tags { command: Some(command) }) => {
            return Ok(runtime()?.block_on(snapshots::run(command))?);
        }
        Some(Command::Tags { command: None }) => Roles { tags: true, ..Roles::NONE },
        Some(Command::Campaigns) => Roles { campaigns: true, ..Roles::NONE },
        Some(Command::Ledger) => Roles { ledger: true, ..Roles::NONE },
        Some(Command::All | Command::Demo(_)) => Roles::ALL,
    };
    start_logging(&settings.log).map_err(Failure::Usage)?;
    serve(roles, settings, demo)
}

/// Runs the roles until a signal, or until the demo has ended.
fn serve(roles: Roles, settings: Settings, demo: Option<demo::Prepared>) -> Result<ExitCode, Failure> {
    let runtime = runtime()?;
    let running = runtime.block_on(Running::start(roles, settings)).map_err(|problem| match problem {
        crate::compose::StartError::Settings(problem) => Failure::Usage(problem),
        crate::compose::StartError::Role(error) => Failure::Other(error),
    })?;
    let ended = runtime.block_on(async {
        match &demo {
            Some(demo) => demo.run(&running).await,
            None => running.until_signal().await,
        }
    });
    runtime.block_on(running.drain());
    ended?;
    Ok(ExitCode::SUCCESS)
}

/// Small: gRPC, SQL and the admin port live here; bids have workers of their own.
fn runtime() -> anyhow::Result<Runtime> {
    Ok(Builder::new_multi_thread().worker_threads(2).thread_name("control").enable_all().build()?)
}

fn write_out(text: &str) -> Result<ExitCode, Failure> {
    let mut out = out();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(anyhow::Error::from)?;
    Ok(ExitCode::SUCCESS)
}
