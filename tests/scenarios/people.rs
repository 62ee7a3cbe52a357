//! People who do not want to be known: in bulk, under any of their ids, for good.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tagbid_targeting::{Expr, TagKind};
use tagbid_testkit::wait_until;
use tagbid_types::{DatasetId, TagId};

use crate::advertiser::{Shop, define_tag, in_the_usa, merge_realtime, tagged};
use crate::exchange::{banner, bid};
use crate::stack::{OPERATOR, SOON, Stack};

fn tagbid(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagbid"));
    command.args(arguments).env("TAGBID_TOKEN", OPERATOR).output().unwrap()
}

#[track_caller]
fn done(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// `tagbid users COMMAND FILE` of our own ids.
fn users(stack: &Stack, command: &str, file: &str) -> Output {
    let to = if command == "find" { stack.tags } else { stack.campaigns };
    tagbid(&["users", command, "--kind", "buyeruid", "--to", &format!("http://{to}"), file])
}

/// `tagbid users find` whose output nobody reads; how it ends, and what it says of that.
fn unheard(stack: &Stack, file: &str) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagbid"));
    let to = format!("http://{}", stack.tags);
    command.args(["users", "find", "--kind", "buyeruid", "--to", &to, file]).env("TAGBID_TOKEN", OPERATOR);
    let ended = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

fn import(stack: &Stack, dataset: DatasetId, name: &str, file: &str) -> String {
    let to = format!("http://{}", stack.tags);
    let dataset = dataset.to_string();
    let arguments =
        ["tags", "import", "--kind", "buyeruid", "--dataset", &dataset, "--to", &to, "--load", name, file];
    done(&tagbid(&arguments))
}

fn write(path: &Path, lines: impl Iterator<Item = String>) -> String {
    fs::write(path, lines.collect::<Vec<_>>().join("\n")).unwrap();
    path.display().to_string()
}

fn price(stack: &Stack, request: &Value) -> Option<f64> {
    bid(stack.http, request).bids().first().and_then(|bid| bid["price"].as_f64())
}

/// A shop that pays 2.0 for whoever has the tag, with runners 1 to 50.
fn runners(stack: &Stack, dir: &Path) -> (DatasetId, TagId, String) {
    let shop = Shop::open(stack, "shop.example");
    let (dataset, tag) = define_tag(stack, "runners");
    shop.line_item(Expr::All(vec![in_the_usa(), tagged(tag, TagKind::Any)]), 2.0);
    let user = |n: u32| format!(r#"{{"id": "runner-{n}", "tags": [{tag}]}}"#);
    let file = write(&dir.join("runners.ndjson"), (1..=50).map(user));
    import(stack, dataset, "first", &file);
    wait_until("the snapshot", SOON, || price(stack, &banner("runner-50")) == Some(2.0));
    (dataset, tag, file)
}

#[test]
fn people_are_erased_in_bulk_and_no_import_brings_them_back() {
    let stack = Stack::separate();
    let dir = tempfile::tempdir().unwrap();
    let (dataset, tag, runners) = runners(&stack, dir.path());
    merge_realtime(&stack, "runner-7", tag);
    let ids = ["kind,id".to_owned()].into_iter().chain((1..=20).map(|n| format!(",runner-{n}")));
    let ids = write(&dir.path().join("erase.csv"), ids);
    let before = users(&stack, "find", &ids);
    assert_eq!(before.status.code(), Some(0), "21 keys are there");
    assert_eq!(unheard(&stack, &ids), (Some(0), String::new()), "`head` has enough");
    assert_eq!(
        String::from_utf8(before.stdout).unwrap().lines().filter(|line| line.starts_with("o:")).count(),
        20
    );

    let bad = write(&dir.path().join("bad.ndjson"), ["{".into(), r#"{"id": "null"}"#.to_owned()].into_iter());
    let unread = users(&stack, "find", &bad);
    let problem = String::from_utf8(unread.stderr).unwrap();
    assert!(unread.status.code() == Some(2) && problem.contains("line 1"), "nobody has looked: {problem}");
    let refused = users(&stack, "erase", &bad);
    assert!(!refused.status.success(), "whoever is refused is not erased, and nobody may overlook it");
    let said = String::from_utf8(refused.stdout).unwrap();
    assert!(said.starts_with("erase: 1 person, 0 ids changed, 2 refused"), "{said}");
    let rejects = fs::read_to_string(format!("{bad}.rejects.csv")).unwrap();
    assert!(
        rejects.contains(",1,") && rejects.contains(",2,") && rejects.contains("placeholder"),
        "{rejects}"
    );

    for load in ["second", "third"] {
        let said = done(&users(&stack, "erase", &ids));
        assert!(said.starts_with("erase: 20 persons, 20 ids changed, 0 refused"), "{said}");
        wait_until("the erasure", SOON, || users(&stack, "find", &ids).status.code() == Some(1));
        // What the data team computed before, it loads again.
        import(&stack, dataset, load, &runners);
        let nobody = users(&stack, "find", &ids);
        let said = String::from_utf8(nobody.stdout).unwrap();
        assert!(said.contains("20 ids: 0 keys hold something of them"), "{said}");
        assert_eq!(nobody.status.code(), Some(1));
    }
    for (user, expected) in [("runner-7", None), ("runner-20", None), ("runner-21", Some(2.0))] {
        assert_eq!(price(&stack, &banner(user)), expected, "{user}");
    }
    // An erasure is no objection: what they do from now on counts.
    merge_realtime(&stack, "runner-7", tag);
    wait_until("a later event", SOON, || price(&stack, &banner("runner-7")) == Some(2.0));
}

#[test]
fn whoever_opts_out_under_one_id_is_met_under_no_other() {
    let stack = Stack::all();
    let dir = tempfile::tempdir().unwrap();
    let (_, _, _) = runners(&stack, dir.path());
    let phone = |id: &str| {
        let mut request = banner("");
        request["user"] = json!({});
        request["device"]["ifa"] = id.into();
        request
    };
    let ifa = |n: u32| format!("6d92078a-8246-4ba4-ae5b-{n:012}");
    assert_eq!(price(&stack, &phone(&ifa(1))), None);

    let person =
        |n: u32| format!(r#"{{"id": "runner-{n}", "also": [{{"kind": "ifa", "id": "{}"}}]}}"#, ifa(n));
    let links = write(&dir.path().join("links.ndjson"), (1..=3).map(person));
    let said = done(&users(&stack, "link", &links));
    assert!(said.starts_with("link: 3 persons, 6 ids changed, 0 refused"), "{said}");
    wait_until("the phone", SOON, || price(&stack, &phone(&ifa(1))) == Some(2.0));

    let suppress = |n: u32| {
        let line = format!(r#"{{"kind": "ifa", "id": "{}"}}"#, ifa(n));
        let file = write(&dir.path().join("suppress.ndjson"), [line].into_iter());
        done(&users(&stack, "suppress", &file))
    };
    assert!(suppress(1).starts_with("suppress: 1 person, 2 ids changed"));
    wait_until("the opt-out", SOON, || price(&stack, &phone(&ifa(1))).is_none());
    assert_eq!(price(&stack, &banner("runner-1")), None, "the other id of the person");
    assert_eq!(price(&stack, &banner("runner-2")), Some(2.0));

    // Ids that nobody has linked, together in one request.
    assert!(suppress(40).starts_with("suppress: 1 person, 1 id changed"));
    let mut both = banner("runner-40");
    both["device"]["ifa"] = ifa(40).into();
    wait_until("the opt-out", SOON, || price(&stack, &both).is_none());
    assert_eq!(price(&stack, &banner("runner-40")), Some(2.0), "without the other id nobody can know");
}

#[test]
fn a_mac_key_that_suppressions_need_cannot_be_taken_away() {
    let mut stack = Stack::all();
    let dir = tempfile::tempdir().unwrap();
    let (_, _, _) = runners(&stack, dir.path());
    let file = write(&dir.path().join("one.ndjson"), [r#"{"id": "runner-1"}"#.to_owned()].into_iter());
    done(&users(&stack, "suppress", &file));
    wait_until("the opt-out", SOON, || price(&stack, &banner("runner-1")).is_none());

    let key = |version: u8, letter: &str| format!("\"{version}:{}\"", letter.repeat(32));
    let old = "\"1:a-user-key-of-thirty-two-letters\"";
    let refused = stack.refused_with(&format!("keys.user={}", key(2, "b")));
    assert!(refused.contains("1 suppressed users") && refused.contains("keys.user_retired"), "{refused}");
    let refused = stack.refused_with(&format!("keys.user={}", key(1, "b")));
    assert!(refused.contains("version 1 has another secret"), "{refused}");

    // While keys rotate what is under the old one is found.
    let rotating = [format!("keys.user={}", key(2, "b")), format!("keys.user_previous={old}")];
    stack.restart_with_keys(&rotating);
    wait_until("the old profile", SOON, || price(&stack, &banner("runner-2")) == Some(2.0));
    assert_eq!(price(&stack, &banner("runner-1")), None);
    // Afterwards only the suppression is.
    stack.restart_with_keys(&[format!("keys.user={}", key(2, "b")), format!("keys.user_retired=[{old}]")]);
    wait_until("lookups", SOON, || price(&stack, &banner("runner-2")).is_none());
    let said = done(&users(&stack, "lift", &file));
    assert!(said.starts_with("lift: 1 person, 1 id changed"), "{said}");
}
