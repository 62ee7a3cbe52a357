//! What the rules look at: packages as cargo sees them, and the text files of the checkout.

use std::fs;
use std::path::Path;

use anyhow::Context;
use serde_json::Value;

use crate::failure::Failure;
use crate::shell;

/// Directories that hold nothing written by us.
const SKIPPED: [&str; 4] = ["target", ".git", "node_modules", "__pycache__"];

/// Files that are looked at.
const TEXT: [&str; 8] = ["rs", "md", "toml", "proto", "sh", "py", "yml", "yaml"];

/// A package of the workspace.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) dependencies: Vec<Dependency>,
    /// Integration test binaries: files or directories of its `tests/`.
    pub(super) test_binaries: Vec<String>,
}

/// One line of a package's dependencies.
#[derive(Debug)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// From `[dev-dependencies]`.
    pub(super) dev: bool,
}

/// A text file; its path is relative to the top, with slashes.
#[derive(Debug)]
pub(super) struct File {
    pub(super) path: String,
    pub(super) text: String,
}

/// The checkout.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: std::path::PathBuf,
    pub(super) packages: Vec<Package>,
    pub(super) files: Vec<File>,
}

impl Tree {
    pub(super) fn load(root: &Path) -> Result<Self, Failure> {
        let metadata = shell::output(&mut shell::cargo(&["metadata", "--no-deps", "--format-version", "1"]))?;
        let packages = packages(&metadata).context("cannot read the answer of cargo metadata")?;
        let mut files = Vec::new();
        collect(root, root, &mut files)?;
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self { root: root.to_owned(), packages, files })
    }
}

fn packages(metadata: &str) -> anyhow::Result<Vec<Package>> {
    let metadata: Value = serde_json::from_str(metadata)?;
    let packages = metadata["packages"].as_array().context("no packages")?;
    Ok(packages.iter().map(package).collect())
}

fn package(value: &Value) -> Package {
    let list = |field: &str| value[field].as_array().cloned().unwrap_or_default();
    let name = |value: &Value| value["name"].as_str().unwrap_or_default().to_owned();
    Package {
        name: name(value),
        dependencies: list("dependencies")
            .iter()
            .map(|dependency| Dependency { name: name(dependency), dev: dependency["kind"] == "dev" })
            .collect(),
        test_binaries: list("targets")
            .iter()
            .filter(|target| target["kind"][0] == "test")
            .map(name)
            .collect(),
    }
}

fn collect(root: &Path, dir: &Path, files: &mut Vec<File>) -> Result<(), Failure> {
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                collect(root, &path, files)?;
            }
        } else if is_text(&path) {
            let text =
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let relative = path.strip_prefix(root).unwrap_or(&path);
            files.push(File { path: relative.to_string_lossy().into_owned(), text });
        }
    }
    Ok(())
}

fn is_text(path: &Path) -> bool {
    path.extension().and_then(|ext| ext.to_str()).is_some_and(|ext| TEXT.contains(&ext))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_read_with_their_dependencies_and_test_binaries() {
        let metadata = r#"{"packages": [{"name": "tagbid-tags",
            "dependencies": [{"name": "tokio", "kind": null}, {"name": "proptest", "kind": "dev"}],
            "targets": [{"name": "tagbid_tags", "kind": ["lib"]}, {"name": "stores", "kind": ["test"]}]}]}"#;
        let packages = packages(metadata).unwrap();
        assert_eq!(packages[0].name, "tagbid-tags");
        let kinds: Vec<_> = packages[0].dependencies.iter().map(|d| (d.name.as_str(), d.dev)).collect();
        assert_eq!(kinds, [("tokio", false), ("proptest", true)]);
        assert_eq!(packages[0].test_binaries, ["stores"]);
    }
}
