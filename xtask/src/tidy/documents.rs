//! What documents name must exist: a map that lies is worse than none.

use std::path::Path;

use super::Complaint;
use super::tree::{File, Tree};

/// Where our paths begin, at the top of the checkout.
const TOPS: [&str; 12] = [
    "crates/",
    "services/",
    "proto/",
    "xtask/",
    "tests/",
    "src/",
    "loadtest/",
    "sim/",
    "deploy/",
    "docs/",
    ".ci/",
    ".cargo/",
];

pub(super) fn check(tree: &Tree, file: &File) -> Vec<Complaint> {
    let here = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    let exists = |path: &str| tree.root.join(path).exists() || tree.root.join(here).join(path).exists();
    let packages: Vec<&str> = tree.packages.iter().map(|package| package.name.as_str()).collect();
    let mut complaints = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let missing_paths = paths(line).into_iter().filter(|path| !exists(path));
        let missing_crates = crates(line).into_iter().filter(|name| !packages.contains(&name.as_str()));
        for missing in missing_paths.chain(missing_crates) {
            complaints.push(format!("{}:{}: {missing} does not exist", file.path, index + 1));
        }
    }
    complaints
}

/// Paths of ours in backticks, and targets of relative links. Wildcards and placeholders cut a path short.
fn paths(line: &str) -> Vec<String> {
    let quoted = code_spans(line).into_iter().filter(|span| TOPS.iter().any(|top| span.starts_with(top)));
    let links = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#', ' ']).next());
    let local = links.filter(|link| !link.is_empty() && !link.contains(':') && !link.starts_with('/'));
    quoted.map(known_part).chain(local.map(str::to_owned)).collect()
}

fn known_part(span: &str) -> String {
    let path = span.split([' ', ':', '*', '<', '{']).next().unwrap_or(span);
    let cut = path.len() < span.len() && !span[path.len()..].starts_with([' ', ':']);
    let whole = if cut { path.rsplit_once('/').map_or(path, |(dir, _)| dir) } else { path };
    whole.trim_end_matches(['/', '.', ',']).to_owned()
}

/// Crates of ours: alone in backticks, or behind `-p`.
fn crates(line: &str) -> Vec<String> {
    let is_crate = |word: &&str| {
        word.strip_prefix("tagbid-")
            .is_some_and(|rest| rest.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
    };
    let chosen = line.split("-p ").skip(1).filter_map(|rest| rest.split([' ', '`', ',', ';', ')']).next());
    code_spans(line).into_iter().chain(chosen).filter(is_crate).map(str::to_owned).collect()
}

/// What stands between pairs of backticks.
fn code_spans(line: &str) -> Vec<&str> {
    if line.trim_start().starts_with("```") {
        return Vec::new();
    }
    line.split('`').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::Package;
    use std::fs;

    fn complaints(text: &str) -> Vec<Complaint> {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("crates/types/src")).unwrap();
        fs::write(root.path().join("crates/types/src/money.rs"), "").unwrap();
        let package =
            Package { name: "tagbid-types".to_owned(), dependencies: vec![], test_binaries: vec![] };
        let tree = Tree { root: root.path().to_owned(), packages: vec![package], files: vec![] };
        check(&tree, &File { path: "README.md".to_owned(), text: text.to_owned() })
    }

    #[test]
    fn paths_in_backticks_exist() {
        assert!(
            complaints("see `crates/types/src/money.rs:12` and `crates/types/`, not `target/x`").is_empty()
        );
        assert_eq!(
            complaints("\nsee `crates/types/src/cash.rs`"),
            ["README.md:2: crates/types/src/cash.rs does not exist"]
        );
    }

    #[test]
    fn wildcards_and_placeholders_are_checked_up_to_their_directory() {
        assert!(complaints("`crates/types/src/*.rs`, `crates/types/<name>.rs`").is_empty());
        assert_eq!(complaints("`crates/gone/*.rs`"), ["README.md:1: crates/gone does not exist"]);
    }

    #[test]
    fn links_lead_somewhere() {
        assert!(
            complaints("[m](crates/types/src/money.rs#top) [w](https://example.com) [s](#part)").is_empty()
        );
        assert_eq!(complaints("[gone](docs/gone.md)"), ["README.md:1: docs/gone.md does not exist"]);
    }

    #[test]
    fn crates_exist() {
        assert!(complaints("`tagbid-types`, x-tagbid-debug, `tagbid-types::Cpm`").is_empty());
        assert_eq!(complaints("`tagbid-cash`"), ["README.md:1: tagbid-cash does not exist"]);
        assert_eq!(complaints("cargo test -p tagbid-cash"), ["README.md:1: tagbid-cash does not exist"]);
    }
}
