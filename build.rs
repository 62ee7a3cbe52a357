//! Which commit and compiler make this build, for `tagbid_build_info`.

use std::env;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-env-changed=TAGBID_COMMIT");
    println!("cargo::rerun-if-changed=build.rs");
    // A checkout that is a worktree keeps them elsewhere; where there is none, the builder says it.
    for name in ["HEAD", "logs/HEAD"] {
        if let Some(path) = said_by("git", &["rev-parse", "--git-path", name]) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let told = env::var("TAGBID_COMMIT").ok().filter(|told| !told.is_empty());
    let commit = told.or_else(|| said_by("git", &["rev-parse", "--short=12", "HEAD"]));
    println!("cargo::rustc-env=TAGBID_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
    let rustc = said_by(&env::var("RUSTC").unwrap_or_else(|_| "rustc".into()), &["--version"]);
    let version = rustc.as_deref().and_then(|said| said.split(' ').nth(1));
    println!("cargo::rustc-env=TAGBID_RUSTC={}", version.unwrap_or("unknown"));
}

/// The first line that a command says; none when it fails.
fn said_by(command: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(command).args(arguments).output().ok().filter(|output| output.status.success())?;
    let said = String::from_utf8(output.stdout).ok()?;
    said.lines().next().map(str::to_owned)
}
