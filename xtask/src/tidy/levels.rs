//! The order of the packages: who may know whom.

use super::Complaint;
use super::tree::{Dependency, Package};

/// From the bottom up. A package depends only on packages of lower lines, in tests too: a test that reaches up
/// would make every change above rebuild and retest what is below.
const LEVELS: [&[&str]; 12] = [
    &["tagbid-types"],
    &["tagbid-testkit"],
    &[
        "tagbid-openrtb",
        "tagbid-consent",
        "tagbid-targeting",
        "tagbid-tagset",
        "tagbid-notice",
        "tagbid-budget",
    ],
    &["tagbid-pricing"],
    &["tagbid-catalog"],
    &["tagbid-ports"],
    &["tagbid-wire"],
    &["tagbid-runtime"],
    &["tagbid-clients", "tagbid-eventlog", "tagbid-exchange"],
    &SERVICES,
    &["tagbid-loadtest", "tagbid-sim", "xtask"],
    &["tagbid"],
];

/// Known to each other only through ports.
const SERVICES: [&str; 4] = ["tagbid-bidder", "tagbid-tags", "tagbid-campaigns", "tagbid-ledger"];

/// Values in, values out: what they compute can be replayed from their arguments.
const PURE: [&str; 9] = [
    "tagbid-types",
    "tagbid-openrtb",
    "tagbid-consent",
    "tagbid-targeting",
    "tagbid-tagset",
    "tagbid-notice",
    "tagbid-pricing",
    "tagbid-budget",
    "tagbid-catalog",
];

/// Dependencies that bring async, sockets or stores.
const IMPURE: [&str; 8] = ["tokio", "hyper", "hyper-util", "tonic", "axum", "sqlx", "redis", "socket2"];

/// True for the directory of a pure crate.
pub(super) fn is_pure(crate_dir: &str) -> bool {
    PURE.iter().any(|name| name.strip_prefix("tagbid-") == Some(crate_dir))
}

pub(super) fn check(packages: &[Package]) -> Vec<Complaint> {
    packages.iter().flat_map(check_package).collect()
}

fn check_package(package: &Package) -> Vec<Complaint> {
    let name = &package.name;
    let Some(level) = level(name) else {
        return vec![format!("{name}: has no level; give it one in xtask/src/tidy/levels.rs")];
    };
    let mut complaints: Vec<Complaint> = package
        .dependencies
        .iter()
        .filter_map(|dependency| check_dependency(name, level, dependency))
        .map(|text| format!("{name}: {text}"))
        .collect();
    if package.test_binaries.len() > 1 {
        let list = package.test_binaries.join(", ");
        complaints
            .push(format!("{name}: more than one integration test binary ({list}): each is linked anew"));
    }
    complaints
}

fn check_dependency(package: &str, own: usize, dependency: &Dependency) -> Option<Complaint> {
    let name = dependency.name.as_str();
    if name == "tagbid-testkit" && !dependency.dev {
        return Some("tagbid-testkit is for [dev-dependencies]".to_owned());
    }
    if PURE.contains(&package) && IMPURE.contains(&name) && !dependency.dev {
        return Some(format!("a pure crate must not depend on {name}"));
    }
    if SERVICES.contains(&name) && package != "tagbid" {
        return Some(format!("only the package tagbid may depend on the service {name}"));
    }
    let other = level(name)?;
    (other >= own).then(|| format!("{name} is not on a lower level"))
}

fn level(package: &str) -> Option<usize> {
    LEVELS.iter().position(|level| level.contains(&package))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(package: &str, dependency: &str, dev: bool) -> Vec<Complaint> {
        let dependencies = vec![Dependency { name: dependency.to_owned(), dev }];
        check(&[Package { name: package.to_owned(), dependencies, test_binaries: Vec::new() }])
    }

    #[test]
    fn dependencies_go_down_and_tests_too() {
        assert!(complaints("tagbid-catalog", "tagbid-types", false).is_empty());
        let up = ["tagbid-types: tagbid-catalog is not on a lower level"];
        assert_eq!(complaints("tagbid-types", "tagbid-catalog", false), up);
        assert_eq!(complaints("tagbid-types", "tagbid-catalog", true), up);
    }

    #[test]
    fn services_are_known_to_the_binary_alone() {
        assert!(complaints("tagbid", "tagbid-tags", false).is_empty());
        let expected = ["tagbid-bidder: only the package tagbid may depend on the service tagbid-tags"];
        assert_eq!(complaints("tagbid-bidder", "tagbid-tags", false), expected);
        assert_eq!(complaints("tagbid-loadtest", "tagbid-tags", true).len(), 1);
    }

    #[test]
    fn pure_crates_do_without_async_and_stores() {
        let expected = ["tagbid-pricing: a pure crate must not depend on tokio"];
        assert_eq!(complaints("tagbid-pricing", "tokio", false), expected);
        assert!(complaints("tagbid-pricing", "tokio", true).is_empty());
        assert!(complaints("tagbid-runtime", "tokio", false).is_empty());
    }

    #[test]
    fn the_testkit_never_ships() {
        let expected = ["tagbid-bidder: tagbid-testkit is for [dev-dependencies]"];
        assert_eq!(complaints("tagbid-bidder", "tagbid-testkit", false), expected);
        assert!(complaints("tagbid-bidder", "tagbid-testkit", true).is_empty());
    }

    #[test]
    fn a_new_package_needs_a_level() {
        assert!(complaints("tagbid-new", "serde", false)[0].starts_with("tagbid-new: has no level"));
    }

    #[test]
    fn a_package_links_one_integration_test() {
        let test_binaries = vec!["stores".to_owned(), "grpc".to_owned()];
        let package = Package { name: "tagbid-tags".to_owned(), dependencies: Vec::new(), test_binaries };
        let expected = "tagbid-tags: more than one integration test binary (stores, grpc)";
        assert!(check(&[package])[0].starts_with(expected));
    }
}
