//! `setup`: everything the tests need beyond Rust. Quick when all is there; safe to repeat.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use crate::failure::Failure;
use crate::{python, shell};

/// Something the tests run, and the Debian package that brings it.
struct Need {
    package: &'static str,
    found: fn() -> bool,
}

const NEEDS: [Need; 4] = [
    Need { package: "redis-server", found: || shell::which("redis-server").is_some() },
    Need { package: "postgresql", found: has_postgres },
    Need { package: "chromium", found: has_browser },
    Need { package: "python3-venv", found: || python::find().is_some() },
];

/// Finds or installs the servers and Python, then prepares the virtual environment.
pub(crate) fn run() -> Result<(), Failure> {
    let missing = missing();
    if !missing.is_empty() {
        install(&missing)?;
        let still = self::missing();
        if !still.is_empty() {
            let text = format!("still not found after installing: {}", still.join(" "));
            return Err(Failure::unavailable(text));
        }
    }
    python::prepare()
}

/// Finds or installs a program that one command alone needs.
pub(crate) fn program(name: &str) -> Result<(), Failure> {
    if shell::which(name).is_some() {
        return Ok(());
    }
    install(&[name])?;
    let found = shell::which(name).is_some();
    if found {
        Ok(())
    } else {
        Err(Failure::unavailable(format!("still not found after installing: {name}")))
    }
}

fn missing() -> Vec<&'static str> {
    NEEDS.iter().filter(|need| !(need.found)()).map(|need| need.package).collect()
}

/// For the reports of load tests, which are pages.
fn has_browser() -> bool {
    ["chromium", "chromium-browser", "google-chrome"].iter().any(|name| shell::which(name).is_some())
}

/// The server, the tool that creates clusters and the client. Debian keeps them off the path, per version.
fn has_postgres() -> bool {
    let complete =
        |dir: &Path| ["initdb", "postgres", "psql"].iter().all(|program| dir.join(program).is_file());
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let on_path = shell::which("initdb").and_then(|file| fs::canonicalize(file).ok());
    versions.map(|version| version.path().join("bin")).any(|bin| complete(&bin))
        || on_path.is_some_and(|file| file.parent().is_some_and(complete))
}

fn install(packages: &[&str]) -> Result<(), Failure> {
    let by_hand = format!("missing: {0}; run\n  sudo apt-get install {0}", packages.join(" "));
    if shell::which("apt-get").is_none() {
        return Err(Failure::unavailable(format!("{by_hand}\nor its like on this system")));
    }
    let Some(mut command) = as_root() else {
        return Err(Failure::unavailable(by_hand));
    };
    command.args(["-c", include_str!("install.sh"), "install.sh"]).args(packages);
    shell::run(&mut command).map_err(|failure| Failure::unavailable(format!("{failure}; {by_hand}")))
}

/// A shell as root: ours when we are root, else through sudo when that asks for no password.
fn as_root() -> Option<Command> {
    if fs::metadata("/proc/self").is_ok_and(|myself| myself.uid() == 0) {
        return Some(Command::new("sh"));
    }
    shell::succeeds(Command::new("sudo").args(["-n", "true"])).then(|| {
        let mut command = Command::new("sudo");
        command.args(["-n", "sh"]);
        command
    })
}
