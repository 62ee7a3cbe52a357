//! `ci`: all that a change must pass. `audit`: what changes without us.

use std::path::PathBuf;
use std::process::Command;

use crate::failure::Failure;
use crate::{shell, test, tidy};

/// Pinned, so that a new release cannot fail an old commit.
const DENY: &str = "0.20.2";

/// Cheap checks first; the tests last, so that their summary closes the output.
pub(crate) fn run() -> Result<(), Failure> {
    shell::run(&mut shell::cargo(&["fmt", "--all", "--check"]))?;
    tidy::run()?;
    deny(&["bans", "licenses", "sources"])?;
    let clippy = ["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"];
    shell::run(&mut shell::cargo(&clippy))?;
    test::run(&[])
}

/// Known vulnerabilities. Not in `ci`: it needs the net, and a new advisory must not fail an old commit.
pub(crate) fn audit() -> Result<(), Failure> {
    deny(&["advisories"])
}

fn deny(checks: &[&str]) -> Result<(), Failure> {
    let program = deny_program()?;
    let mut command = Command::new(program);
    command.current_dir(shell::root()).args(["--workspace", "--locked", "check"]).args(checks);
    shell::run(&mut command)
}

/// cargo-deny of the pinned version, built into `target/tools` the first time: about two minutes on two cores.
fn deny_program() -> Result<PathBuf, Failure> {
    let tools = shell::root().join("target/tools");
    let program = tools.join("bin/cargo-deny");
    let version = Command::new(&program).arg("--version").output();
    if version.is_ok_and(|output| output.stdout == format!("cargo-deny {DENY}\n").as_bytes()) {
        return Ok(program);
    }
    let mut install =
        shell::cargo(&["install", "--quiet", "--locked", "--force", "cargo-deny", "--version", DENY]);
    shell::run(install.arg("--root").arg(tools))?;
    Ok(program)
}
