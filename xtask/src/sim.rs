//! `sim [ARGS...]`: the simulation of budgets and notices, in release.

use crate::failure::Failure;
use crate::shell;

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let mut command = shell::cargo(&["run", "--locked", "--release", "-q", "-p", "tagbid-sim", "--"]);
    shell::run(command.args(args))
}
