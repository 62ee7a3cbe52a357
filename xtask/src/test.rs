//! `test`: the whole test suite, or the part that the arguments choose.

use crate::failure::Failure;
use crate::{setup, shell};

/// Sets up, then runs cargo's tests. Every failure shows in one run, hence `--no-fail-fast`.
pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    setup::run()?;
    let mut command = shell::cargo(&["test", "--locked", "--no-fail-fast"]);
    if !chooses_packages(args) {
        command.arg("--workspace");
    }
    shell::run(command.args(args))
}

fn chooses_packages(args: &[String]) -> bool {
    let ours = args.iter().take_while(|arg| *arg != "--");
    ours.into_iter().any(|arg| arg.starts_with("-p") || arg.starts_with("--package"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_package_is_tested_alone() {
        let args = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert!(chooses_packages(&args("-p tagbid-types")));
        assert!(chooses_packages(&args("--package=tagbid-types money")));
        assert!(!chooses_packages(&args("money -- -p")));
        assert!(!chooses_packages(&[]));
    }
}
