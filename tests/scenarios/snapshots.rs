//! A data team's day: import, look, import again, roll back, drop, send events, with the command line.

use std::fmt::Display;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::Value;
use tagbid_catalog::{Dataset, DatasetKind, Entity, UnknownNames};
use tagbid_runtime::SystemClock;
use tagbid_targeting::{Expr, TagKind};
use tagbid_testkit::wait_until;
use tagbid_types::Clock;

use crate::advertiser::{Shop, create_as, define_tag, in_the_usa, tagged};
use crate::exchange::{banner, bid};
use crate::stack::{OPERATOR, SOON, Stack};

/// `tagbid tags ...` as the operator.
fn tags(stack: &Stack, dataset: impl Display, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagbid"));
    command.arg("tags").args(arguments).args(["--dataset", &dataset.to_string()]);
    command.args(["--to", &format!("http://{}", stack.tags)]).env("TAGBID_TOKEN", OPERATOR);
    command.output().unwrap()
}

/// `tagbid tags get` as the operator, the id by standard input.
fn get(stack: &Stack, user: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagbid"));
    command.args(["tags", "get", "--kind", "buyeruid", "-", "--to", &format!("http://{}", stack.tags)]);
    command.env("TAGBID_TOKEN", OPERATOR).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(user.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[track_caller]
fn done(output: Output) -> String {
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

fn write(path: &Path, lines: impl Iterator<Item = String>) -> String {
    fs::write(path, lines.collect::<Vec<_>>().join("\n")).unwrap();
    path.display().to_string()
}

fn price(stack: &Stack, user: &str) -> Option<f64> {
    let request: Value = banner(user);
    bid(stack.http, &request).bids().first().and_then(|bid| bid["price"].as_f64())
}

#[test]
fn a_data_team_imports_switches_and_rolls_back() {
    let stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    let (dataset, tag) = define_tag(&stack, "runners");
    shop.line_item(Expr::All(vec![in_the_usa(), tagged(tag, TagKind::Offline)]), 2.0);
    let dir = tempfile::tempdir().unwrap();

    let user =
        |n: u32| format!(r#"{{"id": "runner-{n}", "tags": ["RUNNERS", {{"tag": {tag}, "weight": 9}}]}}"#);
    let good = |n: u32| user(n).replace("\"RUNNERS\", ", "");
    let bad = ["{".to_owned(), user(9_998).replace("9}", "900}"), good(9_999).replace("runner-9999", "null")];
    // The first says the tag by name and by id, which is once.
    let users = [user(1)].into_iter().chain((2..1_200).map(good));
    let monday = write(&dir.path().join("monday.ndjson"), users.chain(bad));
    let said = done(tags(&stack, dataset, &["import", "--kind", "buyeruid", &monday]));
    assert!(said.starts_with("version 1 is active: 1199 users, 3 refused"), "{said}");
    let rejects = fs::read_to_string(format!("{monday}.rejects.csv")).unwrap();
    let lines: Vec<_> = rejects.lines().skip(1).collect();
    assert_eq!(lines.len(), 3, "{rejects}");
    assert!(lines.iter().any(|line| line.contains(",1201,") && line.contains("tags[1].weight")), "{rejects}");
    assert!(!rejects.contains("runner-"), "ids are nobody's business: {rejects}");
    wait_until("the first snapshot", SOON, || price(&stack, "runner-7") == Some(2.0));

    let tuesday = ["id,tags".to_owned(), "runner-7,".into(), "walker-1,Runners=80".into()];
    let tuesday = write(&dir.path().join("tuesday.csv"), tuesday.into_iter());
    let arguments = ["import", "--kind", "buyeruid", "--no-activate", &tuesday];
    let said = done(tags(&stack, dataset, &arguments));
    assert!(said.starts_with("version 2 is loaded, not active: 2 users, 0 refused"), "{said}");
    assert_eq!(price(&stack, "runner-7"), Some(2.0));
    done(tags(&stack, dataset, &["activate", "2"]));
    wait_until("the second snapshot", SOON, || price(&stack, "walker-1") == Some(2.0));
    assert_eq!(price(&stack, "runner-7"), None, "missing from it is having no tags");

    let said = done(get(&stack, "walker-1"));
    let told = said
        .lines()
        .any(|line| line.contains("runners") && line.contains("80") && line.contains("offline: "));
    assert!(told && said.contains("version 2, as of ") && !said.contains("walker"), "{said}");
    assert!(done(get(&stack, "runner-7")).contains("no tags"));
    let refused = String::from_utf8(get(&stack, "null").stderr).unwrap();
    assert!(refused.contains("user.id"), "{refused}");

    let wednesday = write(
        &dir.path().join("wednesday.csv"),
        ["id,tags".into(), "walker-1,Unheard of".into()].into_iter(),
    );
    let doubted = tags(&stack, dataset, &["import", "--kind", "buyeruid", &wednesday]);
    let said = String::from_utf8(doubted.stdout).unwrap();
    assert!(
        !doubted.status.success() && said.contains("not active") && said.contains("activate 3"),
        "{said}"
    );
    assert_eq!(price(&stack, "walker-1"), Some(2.0), "an empty version takes nobody's tags away by itself");

    let said = done(tags(&stack, " Runners MODEL", &["rollback"]));
    assert!(said.lines().any(|line| line.contains("active") && line.contains("monday.ndjson")), "{said}");
    wait_until("the first snapshot again", SOON, || price(&stack, "runner-7") == Some(2.0));
    let twice = String::from_utf8(tags(&stack, dataset, &["rollback"]).stderr).unwrap();
    assert!(twice.contains("no version before 1"), "{twice}");
    let refused = tags(&stack, dataset, &["drop", "1"]);
    let problem = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && problem.contains("activate another version"), "{problem}");
    done(tags(&stack, dataset, &["drop", "2"]));
    assert!(done(tags(&stack, dataset, &["list"])).contains("dropping"));

    let nobody = String::from_utf8(tags(&stack, "walkers", &["list"]).stderr).unwrap();
    assert!(nobody.contains(&format!("{dataset} (\"runners model\", of the operator)")), "{nobody}");
    // Tags by names that the dataset does not know, in a file as DuckDB writes it.
    let parquet = dir.path().join("users.parquet").display().to_string();
    fs::write(&parquet, include_bytes!("../../src/snapshots/lines/parquet/data/duckdb-structs.parquet"))
        .unwrap();
    let arguments = ["import", "--kind", "buyeruid", "--unthrottled", "--max-rejects", "1", &parquet];
    let said = done(tags(&stack, "runners model", &arguments));
    assert!(said.starts_with("version 4 is active: 2 users, 1 refused"), "{said}");
    let rejects = fs::read_to_string(format!("{parquet}.rejects.csv")).unwrap();
    assert!(rejects.contains("parquet\",1,\"tags[1].name"), "by row: {rejects}");
}

#[test]
fn a_file_that_is_none_makes_no_version_and_another_file_is_not_gone_on_with() {
    let stack = Stack::all();
    let (dataset, _) = define_tag(&stack, "runners");
    let dir = tempfile::tempdir().unwrap();
    let import =
        |file: &str| tags(&stack, dataset, &["import", "--kind", "buyeruid", "--load", "night", file]);
    let refused = [
        ("semicolons.csv", "id;tags\na;runners", "names no column"),
        ("empty.ndjson", "", "nobody in it"),
        ("bad.ndjson", "{\n[]\n", "2 were refused: see "),
        ("not.ndjson.gz", "{}", "no gzip file"),
    ];
    for (name, text, problem) in refused {
        let file = write(&dir.path().join(name), [text.to_owned()].into_iter());
        let output = import(&file);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(problem), "{name}: {said}");
        assert!(!said.contains("goes on from there"), "nothing was begun: {said}");
    }
    assert_eq!(done(tags(&stack, dataset, &["list"])).lines().count(), 1, "a head and no version");

    // What an attempt noted of this load, when the file had other users in it.
    let file = write(
        &dir.path().join("users.csv"),
        ["id,tags".into(), "a,runners".into(), "b,runners".into()].into_iter(),
    );
    let noted = format!(
        r#"{{"dataset":{dataset},"load":"night","files":[[9,9]],"position":1,"stored":1,"lines":1,"rejects":{{"count":0,"bytes":0}}}}"#
    );
    fs::write(format!("{file}.import.json"), noted).unwrap();
    let said = done(import(&file));
    assert!(said.starts_with("version 1 is active: 2 users, 0 refused"), "{said}");
}

/// A Parquet file of users, each with these names of tags.
fn write_parquet(path: &Path, users: &[(&str, &[&str])]) -> String {
    let schema = "message users { required binary id (UTF8); repeated binary tags (UTF8); }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut writer =
        SerializedFileWriter::new(fs::File::create(path).unwrap(), schema, Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let texts = |texts: &[&str]| texts.iter().map(|text| ByteArray::from(*text)).collect::<Vec<_>>();
    let mut column = group.next_column().unwrap().unwrap();
    let ids: Vec<_> = users.iter().map(|(id, _)| *id).collect();
    column.typed::<ByteArrayType>().write_batch(&texts(&ids), None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    let (mut names, mut defined, mut repeats) = (Vec::new(), Vec::new(), Vec::new());
    for (_, tags) in users {
        names.extend(texts(tags));
        defined.extend(vec![i16::from(!tags.is_empty()); tags.len().max(1)]);
        repeats.extend((0..tags.len().max(1)).map(|place| i16::from(place > 0)));
    }
    column.typed::<ByteArrayType>().write_batch(&names, Some(&defined), Some(&repeats)).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
    path.display().to_string()
}

#[test]
fn a_parquet_file_becomes_a_version() {
    let stack = Stack::all();
    let (dataset, _) = define_tag(&stack, "runners");
    let dir = tempfile::tempdir().unwrap();
    let users: [(&str, &[&str]); 4] = [
        ("runner-1", &["Runners"]),
        ("null", &["Runners"]),
        ("walker-1", &[]),
        ("runner-2", &["runners", "RUNNERS"]),
    ];
    let file = write_parquet(&dir.path().join("users.parquet"), &users);
    let said = done(tags(&stack, dataset, &["import", "--kind", "buyeruid", "--max-rejects", "1", &file]));
    assert!(said.starts_with("version 1 is active: 3 users, 1 refused"), "{said}");
    let rejects = fs::read_to_string(format!("{file}.rejects.csv")).unwrap();
    assert!(rejects.contains("parquet\",2,\"user.id"), "by row: {rejects}");
    for (user, expected) in [("runner-1", "runners"), ("runner-2", "runners"), ("walker-1", "no tags")] {
        let said = done(get(&stack, user));
        assert!(said.contains(expected), "{user}: {said}");
    }
}

#[test]
fn events_from_files_and_pipes_become_tags_that_decay() {
    let stack = Stack::all();
    let dataset = Dataset {
        name: "events".into(),
        kind: DatasetKind::Realtime,
        unknown_names: UnknownNames::Register { most: 10 },
        half_life_s: 3_600,
        ..Dataset::default()
    };
    create_as(OPERATOR, stack.campaigns, Entity::Dataset(dataset.into()));
    let dir = tempfile::tempdir().unwrap();
    let an_hour_ago = SystemClock.now().secs() - 3_600;
    let event = |id: &str, tag: &str, more: &str| format!(r#"{{"id": "{id}", "tag": "{tag}"{more}}}"#);
    let lines = [
        event("u-1", "Visited a shop", &format!(r#", "weight": 200, "time": {an_hour_ago}"#)),
        event("u-2", "VISITED a shop", ""),
        event("u-3", "Visited a shop", r#", "weight": 256"#),
        "{".to_owned(),
    ];
    let file = write(&dir.path().join("events.ndjson"), lines.into_iter());
    // The tags role may not have heard of the dataset yet.
    let mut refused = None;
    wait_until("the dataset", SOON, || {
        let output = tags(&stack, " Events ", &["ingest", "--kind", "buyeruid", &file]);
        let heard = !String::from_utf8_lossy(&output.stderr).contains("no dataset");
        refused = heard.then_some(output);
        heard
    });
    let refused = refused.unwrap();
    let said = String::from_utf8(refused.stdout).unwrap();
    assert!(!refused.status.success() && said.starts_with("2 events taken in, 2 refused"), "{said}");
    let rejects = fs::read_to_string(format!("{file}.rejects.csv")).unwrap();
    assert!(rejects.contains(",3,\"weight 256") && rejects.contains(",4,\"not JSON"), "{rejects}");

    let said = done(get(&stack, "u-1"));
    // Called as the first of the two was.
    let tag = said.lines().find(|line| line.to_lowercase().contains("visited a shop")).unwrap();
    let weight: u32 = tag.split_ascii_whitespace().nth(1).unwrap().parse().unwrap();
    assert!((90..=100).contains(&weight), "half of 200 after an hour: {said}");

    let mut piped = Command::new(env!("CARGO_BIN_EXE_tagbid"));
    piped.args(["tags", "ingest", "-", "--kind", "buyeruid", "--dataset", "events"]);
    piped.args(["--to", &format!("http://{}", stack.tags)]).env("TAGBID_TOKEN", OPERATOR);
    let mut piped = piped.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut pipe = piped.stdin.take().unwrap();
    writeln!(pipe, "{}", event("u-4", "Visited a shop", "")).unwrap();
    // It is sent though the pipe stays open.
    wait_until("the event", SOON, || done(get(&stack, "u-4")).contains("realtime"));
    drop(pipe);
    assert_eq!(done(piped.wait_with_output().unwrap()), "1 event taken in, 0 refused\n");
}
