//! A Python with gRPC for the scenarios: `target/venv` (or where `CARGO_TARGET_DIR` says), exactly what `tests/python/requirements.txt` pins.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::failure::Failure;
use crate::shell;

/// Debian splits `ensurepip` off into python3-venv; grpcio needs 3.10.
const USABLE: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))";

/// A Python that can create virtual environments.
pub(crate) fn find() -> Option<PathBuf> {
    let candidates = [shell::which("python3"), Some("/usr/bin/python3".into())];
    candidates.into_iter().flatten().find(|python| shell::succeeds(Command::new(python).args(["-c", USABLE])))
}

/// Brings `target/venv` to what the requirements say; does nothing when it is there already.
pub(crate) fn prepare() -> Result<(), Failure> {
    let root = shell::root();
    let requirements = root.join("tests/python/requirements.txt");
    let venv = shell::target().join("venv");
    let wanted = stamp(&requirements, &venv)?;
    let stamp_file = venv.join("installed.txt");
    if venv.join("bin/python").exists() && fs::read_to_string(&stamp_file).is_ok_and(|found| found == wanted)
    {
        return Ok(());
    }
    create(&venv, &requirements)?;
    fs::write(&stamp_file, wanted).with_context(|| format!("cannot write {}", stamp_file.display()))?;
    Ok(())
}

/// What makes an environment the right one: the requirements, and its place, since it holds absolute paths.
fn stamp(requirements: &Path, venv: &Path) -> Result<String, Failure> {
    let text = fs::read_to_string(requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    Ok(format!("{}\n{text}", venv.display()))
}

fn create(venv: &Path, requirements: &Path) -> Result<(), Failure> {
    let python =
        find().ok_or_else(|| Failure::unavailable("no python3 with venv: apt-get install python3-venv"))?;
    shell::run(Command::new(python).args(["-m", "venv", "--clear"]).arg(venv))?;
    let install = || {
        let mut pip = Command::new(venv.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
        shell::run(pip.args(["--prefer-binary", "-r"]).arg(requirements))
    };
    // Once more, for the net's sake.
    install().or_else(|_| install()).map_err(|failure| Failure::unavailable(failure.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_requirements_or_another_place_make_another_environment() {
        let dir = tempfile::tempdir().unwrap();
        let requirements = dir.path().join("requirements.txt");
        fs::write(&requirements, "grpcio==1\n").unwrap();
        let here = stamp(&requirements, Path::new("/a/venv")).unwrap();
        assert_eq!(here, stamp(&requirements, Path::new("/a/venv")).unwrap());
        assert_ne!(here, stamp(&requirements, Path::new("/b/venv")).unwrap());

        fs::write(&requirements, "grpcio==2\n").unwrap();
        assert_ne!(here, stamp(&requirements, Path::new("/a/venv")).unwrap());
    }

    #[test]
    fn requirements_that_are_not_there_are_named() {
        let failure = stamp(Path::new("/nowhere/requirements.txt"), Path::new("/a")).unwrap_err();
        assert!(failure.to_string().starts_with("cannot read /nowhere/requirements.txt"));
    }
}
