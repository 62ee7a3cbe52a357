//! What Rust sources may hold, by the place they stand in.

use super::rust::{Blank, blank, test_lines};
use super::tree::File;
use super::{Complaint, levels};

/// Longer files are listed, so that they are split before they must be.
const LONG: usize = 400;

/// No file is longer.
const MOST: usize = 600;

/// `main.rs` composes; what it composes lives elsewhere.
const MOST_IN_MAIN: usize = 60;

/// What a pure crate does without, so that its results follow from its arguments.
const IMPURE: [&str; 8] = [
    "SystemTime::now",
    "Instant::now",
    "std::net",
    "std::fs",
    "std::thread",
    "std::env",
    "std::process",
    "thread_rng",
];

/// Written apart, so that this file passes its own rule.
const UNFINISHED: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// A line for the list of files that grow too long.
pub(super) fn long(file: &File) -> Option<String> {
    let lines = file.text.lines().count();
    let listed = file.path.ends_with(".rs") && lines > LONG && lines <= MOST;
    listed.then(|| format!("{} has {lines} lines; split it before it has {MOST}", file.path))
}

/// In every text file: unfinished work has an owner, as in `(name)` behind the word.
pub(super) fn owners(file: &File) -> Vec<Complaint> {
    let unowned = |line: &str| {
        UNFINISHED.iter().any(|word| {
            line.split_once(word).is_some_and(|(before, after)| {
                let whole = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
                let ends = !after.starts_with(|c: char| c.is_alphanumeric() || c == '_');
                whole && ends && !after.starts_with('(')
            })
        })
    };
    complain(file, &file.text, |line| unowned(line).then_some("unfinished work without an owner"))
}

/// All rules for a Rust source.
pub(super) fn check(file: &File) -> Vec<Complaint> {
    let code = blank(&file.text, Blank::CommentsAndStrings);
    let tests = test_lines(&file.path, &code);
    let mut complaints = Vec::from_iter(size(file));
    complaints.extend(attributes(file, &code));
    if is_pure(&file.path) {
        complaints.extend(purity(file, &code, &tests));
    }
    if !may_see_generated(&file.path) {
        complaints.extend(generated(file, &code, &tests));
    }
    complaints
}

fn size(file: &File) -> Option<Complaint> {
    let lines = file.text.lines().count();
    let is_main = file.path.ends_with("src/main.rs");
    let most = if is_main { MOST_IN_MAIN } else { MOST };
    (lines > most).then(|| format!("{}: has {lines} lines; {most} are allowed", file.path))
}

/// Experiments that a command of its own runs, one after the other on a quiet machine.
const EXPERIMENTS: &str = "tests/scenarios/faults/";

fn attributes(file: &File, code: &str) -> Vec<Complaint> {
    let mut complaints = complain(file, code, |line| {
        let ignored = line.trim_start().starts_with("#[ignore") && !file.path.starts_with(EXPERIMENTS);
        ignored.then_some("an ignored test is no test: fix it or remove it")
    });
    let lines: Vec<&str> = code.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        let allows = ["#[allow(", "#![allow(", "#[expect(", "#![expect("];
        if !allows.iter().any(|start| line.trim_start().starts_with(start)) {
            continue;
        }
        let rest: String = lines.iter().skip(index).take(8).copied().collect();
        let attribute = rest.split(")]").next().unwrap_or(&rest);
        if !attribute.contains("reason =") {
            complaints.push(format!("{}:{}: an exception to a lint needs a reason", file.path, index + 1));
        }
    }
    complaints
}

fn is_pure(path: &str) -> bool {
    path.strip_prefix("crates/")
        .and_then(|rest| rest.split_once("/src/"))
        .is_some_and(|(name, _)| levels::is_pure(name))
}

fn purity(file: &File, code: &str, tests: &[bool]) -> Vec<Complaint> {
    let used = |line: &str| IMPURE.into_iter().find(|token| line.contains(token));
    outside_tests(code, tests)
        .filter_map(|(number, line)| {
            used(line).map(|token| format!("{}:{number}: a pure crate does without {token}", file.path))
        })
        .collect()
}

/// Generated types stay in `wire`. Its clients call generated stubs, and a service implements a generated trait, so
/// `clients` and the file or directory `grpc` of a service may name them too; they convert at once.
fn may_see_generated(path: &str) -> bool {
    let own = path.starts_with("crates/wire/") || path.starts_with("crates/clients/");
    let edge = path.starts_with("services/") && (path.ends_with("/grpc.rs") || path.contains("/grpc/"));
    own || edge
}

fn generated(file: &File, code: &str, tests: &[bool]) -> Vec<Complaint> {
    const WIRE: &str = "tagbid_wire::";
    let lines: Vec<&str> = code.lines().collect();
    // An import may go over several lines: look up to the end of its statement.
    let names_pb = |number: usize, line: &str| {
        let rest = line.split_once(WIRE).map(|(_, rest)| rest);
        let following = lines.iter().skip(number).copied();
        let statement = rest.map(|rest| std::iter::once(rest).chain(following).collect::<Vec<_>>().join(" "));
        statement.is_some_and(|text| {
            let path = text.split(';').next().unwrap_or_default();
            path.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "pb")
        })
    };
    outside_tests(code, tests)
        .filter(|(number, line)| names_pb(*number, line))
        .map(|(number, _)| format!("{}:{number}: generated types stay in crates/wire", file.path))
        .collect()
}

fn outside_tests<'a>(code: &'a str, tests: &'a [bool]) -> impl Iterator<Item = (usize, &'a str)> {
    let numbered = code.lines().enumerate();
    numbered.filter(|(index, _)| tests.get(*index) != Some(&true)).map(|(index, line)| (index + 1, line))
}

fn complain(file: &File, text: &str, find: impl Fn(&str) -> Option<&'static str>) -> Vec<Complaint> {
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| find(line).map(|what| format!("{}:{}: {what}", file.path, index + 1)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn long_files_are_listed_and_longer_ones_refused() {
        let of = |path: &str, lines: usize| file(path, &"x\n".repeat(lines));
        assert!(long(&of("src/a.rs", 400)).is_none() && check(&of("src/a.rs", 600)).is_empty());
        assert_eq!(long(&of("src/a.rs", 401)).unwrap(), "src/a.rs has 401 lines; split it before it has 600");
        assert_eq!(check(&of("src/a.rs", 601)), ["src/a.rs: has 601 lines; 600 are allowed"]);
        assert_eq!(check(&of("src/main.rs", 61)), ["src/main.rs: has 61 lines; 60 are allowed"]);
    }

    #[test]
    fn pure_crates_read_no_clock_outside_tests() {
        let text =
            "fn a() { Instant::now(); } // Instant::now\n#[cfg(test)]\nmod tests {\n    Instant::now();\n}\n";
        let expected = ["crates/pricing/src/a.rs:1: a pure crate does without Instant::now"];
        assert_eq!(check(&file("crates/pricing/src/a.rs", text)), expected);
        assert!(check(&file("crates/runtime/src/a.rs", text)).is_empty());
    }

    #[test]
    fn generated_types_are_named_at_the_grpc_edge_only() {
        let text = "use tagbid_wire::pb::tags::v1 as pb;\n";
        let expected = ["services/tags/src/store.rs:1: generated types stay in crates/wire"];
        assert_eq!(check(&file("services/tags/src/store.rs", text)), expected);
        for path in ["crates/wire/src/tags.rs", "crates/clients/src/tags.rs", "services/tags/src/grpc.rs"] {
            assert!(check(&file(path, text)).is_empty(), "{path}");
        }
        assert!(check(&file("tests/scenarios/tags.rs", text)).is_empty());

        let list = "use tagbid_wire::{\n    DESCRIPTORS,\n    pb::tags,\n};\n";
        assert_eq!(check(&file("services/tags/src/store.rs", list)), expected);
        let other = "use tagbid_wire::DESCRIPTORS;\nlet pb = 1;\n";
        assert!(check(&file("services/tags/src/store.rs", other)).is_empty());
    }

    #[test]
    fn exceptions_carry_reasons_and_tests_run() {
        let expected = ["src/a.rs:1: an exception to a lint needs a reason"];
        assert_eq!(check(&file("src/a.rs", "#[allow(dead_code)]\n")), expected);
        let reasoned = "#[expect(\n    clippy::panic,\n    reason = \"a bug\"\n)]\nfn a() {}\n";
        assert!(check(&file("src/a.rs", reasoned)).is_empty());
        let ignored = check(&file("src/a.rs", "#[ignore = \"slow\"]\n"));
        assert_eq!(ignored, ["src/a.rs:1: an ignored test is no test: fix it or remove it"]);
        assert!(check(&file("tests/scenarios/faults/disks.rs", "#[ignore = \"slow\"]\n")).is_empty());
    }

    #[test]
    fn unfinished_work_has_an_owner() {
        let word = UNFINISHED[0];
        let unowned = owners(&file("a.md", &format!("fine\n{word}: later\n")));
        assert_eq!(unowned, ["a.md:2: unfinished work without an owner"]);
        assert!(owners(&file("a.md", &format!("{word}(ann): later; a{word}b\n"))).is_empty());
    }
}
