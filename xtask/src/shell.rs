//! Running other programs: said aloud, output inherited, standard input closed.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context;

use crate::failure::Failure;

/// The top of the checkout.
pub(crate) fn root() -> PathBuf {
    let xtask =
        env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from);
    xtask.parent().map(PathBuf::from).unwrap_or(xtask)
}

/// Cargo's target directory.
pub(crate) fn target() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The cargo that runs us, at the top of the checkout.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    command
}

/// Prints the command and runs it. Nothing may ask questions: CI has nobody to answer.
pub(crate) fn run(command: &mut Command) -> Result<(), Failure> {
    let line = describe(command);
    eprintln!("$ {line}");
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot run {line}"))?;
    if status.success() { Ok(()) } else { Err(Failure::child(&line, status.code())) }
}

/// Runs a command for its answer; true when it ended well.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Runs a command and returns what it printed.
pub(crate) fn output(command: &mut Command) -> Result<String, Failure> {
    let line = describe(command);
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {line}"))?;
    if !output.status.success() {
        return Err(Failure::child(&line, output.status.code()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The command as one would type it; an argument of several lines, such as a script, as its first one.
fn describe(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let program = program.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let words = command.get_args().map(|arg| {
        let arg = arg.to_string_lossy();
        match arg.split_once('\n') {
            Some((first, _)) => format!("'{first} ...'"),
            None => arg.into_owned(),
        }
    });
    std::iter::once(program).chain(words).collect::<Vec<_>>().join(" ")
}

/// Where a program is on the path.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_described_as_it_would_be_typed() {
        let mut command = Command::new("/usr/bin/sh");
        command.args(["-c", "# installs\nset -e\n", "one"]);
        assert_eq!(describe(&command), "sh -c '# installs ...' one");
    }

    #[test]
    fn a_failing_command_is_named_with_its_code() {
        let failure = run(Command::new("sh").args(["-c", "exit 5"])).unwrap_err();
        assert_eq!(failure.to_string(), "sh -c exit 5 ended with exit code 5");
        assert_eq!(failure.code(), 5);
    }
}
