//! Developer commands, run as `cargo xtask COMMAND`. Kept light: every test run builds it first.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool talks to its user")]

mod bench;
mod ci;
mod deploy;
mod failure;
mod faults;
mod fuzz;
mod python;
mod setup;
mod shell;
mod sim;
mod test;
mod tidy;

use std::env;
use std::process::ExitCode;

use failure::Failure;

const USAGE: &str = include_str!("usage.txt");

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

fn run(args: &[String]) -> Result<(), Failure> {
    let Some((command, rest)) = args.split_first() else {
        return Err(Failure::usage(USAGE));
    };
    match (command.as_str(), rest) {
        ("setup", []) => setup::run(),
        ("test", rest) => test::run(rest),
        ("tidy", []) => tidy::run(),
        ("ci", []) => ci::run(),
        ("audit", []) => ci::audit(),
        ("bench", rest) => bench::run(rest),
        ("fuzz", rest) => fuzz::run(rest),
        ("deploy-check", []) => deploy::run(),
        ("faults", rest) => faults::run(rest),
        ("sim", rest) => sim::run(rest),
        ("help" | "--help" | "-h", _) => {
            print!("{USAGE}");
            Ok(())
        }
        _ => Err(Failure::usage(format!("unknown command: {}\n\n{USAGE}", args.join(" ")))),
    }
}
