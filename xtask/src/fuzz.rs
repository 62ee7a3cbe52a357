//! `fuzz NAME [CASES]`: the bolero targets that `cargo test` runs briefly, in release and for long.

use std::fs;

use anyhow::Context;

use crate::failure::Failure;
use crate::shell;

/// Some minutes for a reader of small inputs.
const CASES: &str = "1000000";
/// What bolero's random engine reads (bolero-engine 0.13, `rng.rs`); it wins over a target's own number.
const VARIABLE: &str = "BOLERO_RANDOM_ITERATIONS";

pub(crate) fn run(args: &[String]) -> Result<(), Failure> {
    let (name, cases) = match args {
        [name] => (name, CASES),
        [name, cases] if cases.parse::<u64>().is_ok() => (name, cases.as_str()),
        _ => return Err(Failure::usage("usage: cargo xtask fuzz NAME [CASES]")),
    };
    let mut test = vec!["test".to_owned(), "--locked".into(), "--release".into(), "--no-fail-fast".into()];
    test.extend(packages()?);
    test.push(name.clone());
    let test: Vec<_> = test.iter().map(String::as_str).collect();
    // A name that no test has would pass at once.
    let listed = shell::output(shell::cargo(&test).args(["--", "--list"]))?;
    if !listed.lines().any(|line| line.ends_with(": test")) {
        return Err(Failure::usage(format!("no test has {name} in its name")));
    }
    shell::run(shell::cargo(&test).args(["--", "--nocapture"]).env(VARIABLE, cases))
}

/// `-p NAME` of each package that has fuzz targets: the others need not be built in release.
fn packages() -> Result<Vec<String>, Failure> {
    let mut packages = Vec::new();
    for folder in ["crates", "services"] {
        let folder = shell::root().join(folder);
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))?;
        for manifest in entries.flatten().map(|entry| entry.path().join("Cargo.toml")) {
            let text = fs::read_to_string(manifest).unwrap_or_default();
            let name =
                text.lines().find_map(|line| line.strip_prefix("name = ")).map(|name| name.trim_matches('"'));
            if let Some(name) = name.filter(|_| text.contains("\nbolero.workspace = true")) {
                packages.extend(["-p".to_owned(), name.to_owned()]);
            }
        }
    }
    Ok(packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_with_fuzz_targets_are_found() {
        let packages = packages().unwrap();
        assert!(packages.iter().any(|package| package == "tagbid-targeting"), "{packages:?}");
        assert!(!packages.iter().any(|package| package == "tagbid-types"), "{packages:?}");
    }
}
