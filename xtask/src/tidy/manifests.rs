//! Cargo.toml files: lints inherited, versions in one place.

use super::Complaint;
use super::tree::File;

pub(super) fn check(file: &File) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut section = String::new();
    let mut inherits = false;
    let mut is_package = false;
    for (index, line) in file.text.lines().enumerate() {
        let line = line.split(" #").next().unwrap_or(line).trim();
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
            is_package |= section == "package";
            if lists_dependencies(&section).is_some_and(|one| one) {
                complaints.push(at(file, index, "write a dependency on one line, as `x.workspace = true`"));
            }
        } else if section == "lints" && line == "workspace = true" {
            inherits = true;
        } else if lists_dependencies(&section).is_some() && is_own_version(line) {
            complaints.push(at(
                file,
                index,
                "versions stand in [workspace.dependencies]: `x.workspace = true`",
            ));
        }
    }
    if is_package && !inherits {
        complaints.push(format!("{}: does not inherit the lints: [lints] workspace = true", file.path));
    }
    complaints
}

/// None when a section lists no dependencies of a package; true when it describes a single one.
fn lists_dependencies(section: &str) -> Option<bool> {
    let parts: Vec<&str> = section.split('.').collect();
    let place = parts.iter().position(|part| part.ends_with("dependencies"))?;
    let of_workspace = parts.first() == Some(&"workspace");
    (!of_workspace).then_some(place + 1 < parts.len())
}

fn is_own_version(line: &str) -> bool {
    let shares = line.contains(".workspace = true") || line.contains("workspace = true");
    !line.is_empty() && !line.starts_with('#') && !shares
}

fn at(file: &File, index: usize, text: &str) -> Complaint {
    format!("{}:{}: {text}", file.path, index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<Complaint> {
        check(&File { path: "Cargo.toml".to_owned(), text: text.to_owned() })
    }

    const GOOD: &str = "[package]\nname = \"x\"\n[lints]\nworkspace = true\n";

    #[test]
    fn lints_are_inherited() {
        assert!(complaints(GOOD).is_empty());
        let expected = ["Cargo.toml: does not inherit the lints: [lints] workspace = true"];
        assert_eq!(complaints("[package]\nname = \"x\"\n[lints.rust]\nunsafe_code = \"deny\"\n"), expected);
    }

    #[test]
    fn versions_stand_in_the_workspace_alone() {
        let deps = "[workspace.dependencies]\nserde = \"1\"\n[dependencies]\nserde.workspace = true # why\n\
                    tokio = { workspace = true, features = [\"fs\"] }\n";
        assert!(complaints(&format!("{GOOD}{deps}")).is_empty());

        for section in ["dependencies", "dev-dependencies", "target.'cfg(unix)'.dependencies"] {
            let found = complaints(&format!("{GOOD}[{section}]\nserde = \"1\"\n"));
            assert_eq!(
                found,
                ["Cargo.toml:6: versions stand in [workspace.dependencies]: `x.workspace = true`"]
            );
        }
        assert_eq!(complaints(&format!("{GOOD}[dependencies.serde]\nworkspace = true\n")).len(), 1);
    }
}
