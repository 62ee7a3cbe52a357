//! `fuzz NAME [CASES]`: the bolero targets that `cargo test` runs briefly, in release and for long.

use crate::failure::Failure;
use crate::shell;

/// Some minutes for a reader of small inputs.
const CASES: &str = "1000000";

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let (name, cases) = match args {
        [name] => (name, CASES),
        [name, cases] if cases.parse::<u64>().is_ok() => (name, cases.as_str()),
        _ => return Err(Failure::usage("usage: cargo xtask fuzz NAME [CASES]")),
    };
    let mut command = shell::cargo(&["test", "--locked", "--release", "--workspace", "--no-fail-fast", name]);
    shell::run(command.args(["--", "--nocapture"]).env("BOLERO_RANDOM_ITERATIONS", cases))
}
