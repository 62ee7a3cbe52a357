//! `tidy`: the rules of ARCHITECTURE.md and CONTRIBUTING.md that no compiler checks, as code.
//!
//! Every rule is a function from what it looks at to complaints, so that its tests need no checkout: a small bad
//! input goes in, the complaint comes out.

mod alerts;
mod documents;
mod functions;
mod levels;
mod manifests;
mod rust;
mod sources;
mod tree;

use crate::failure::Failure;
use crate::shell;
use tree::{File, Tree};

/// Where what is wrong: `path: text`, or `path:line: text`.
type Complaint = String;

/// Checks the checkout and lists every complaint.
pub(crate) fn run() -> Result<(), Failure> {
    eprintln!("$ xtask tidy");
    let tree = Tree::load(&shell::root())?;
    for note in tree.files.iter().filter_map(sources::long) {
        eprintln!("note: {note}");
    }
    let complaints = check(&tree);
    if complaints.is_empty() {
        return Ok(());
    }
    for complaint in &complaints {
        eprintln!("{complaint}");
    }
    Err(Failure::check(format!("tidy: {} complaints", complaints.len())))
}

fn check(tree: &Tree) -> Vec<Complaint> {
    let mut complaints = levels::check(&tree.packages);
    complaints.extend(alerts::check(&tree.files));
    for file in &tree.files {
        complaints.extend(check_file(tree, file));
    }
    complaints
}

fn check_file(tree: &Tree, file: &File) -> Vec<Complaint> {
    let mut complaints = sources::owners(file);
    if file.path.ends_with(".rs") {
        complaints.extend(sources::check(file));
        complaints.extend(functions::check(file));
    } else if file.path.ends_with("Cargo.toml") {
        complaints.extend(manifests::check(file));
    } else if file.path.ends_with(".md") {
        complaints.extend(documents::check(tree, file));
    }
    complaints
}
