//! What happened to bids, read with the command line from the event log of a running bidder.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tagbid_testkit::{Process, wait_for, wait_until};

use crate::advertiser::{Shop, in_the_usa};
use crate::bidding::wait_for_bid;
use crate::exchange::{Answer, banner, bid};
use crate::stack::{OPERATOR, SOON, Stack};

fn events(log: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagbid"));
    command.arg("events").args(arguments).arg("--dir").arg(log);
    command
}

/// Lines of `tagbid events cat`, and whether everything could be read.
pub(crate) fn cat(log: &Path, arguments: &[&str]) -> (Vec<Value>, Output) {
    let output = events(log, &[&["cat"], arguments].concat()).output().unwrap();
    let lines = String::from_utf8(output.stdout.clone()).unwrap();
    (lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), output)
}

fn id(answer: &Answer) -> String {
    answer.bids()[0]["id"].as_str().unwrap().to_owned()
}

/// Whether a logged bid has its user's key; none: it is not in the log yet.
fn has_key(log: &Path, bid: &str) -> Option<bool> {
    Some(cat(log, &["--bid", bid]).0.pop()?.get("user").is_some())
}

/// The id of a bid that is logged with its user's key: bids are contextual while the tags role does not answer in time.
fn sent_with_key(stack: &Stack, log: &Path, user: &str) -> String {
    wait_for("a bid with its user", SOON, || {
        let sent = id(&wait_for_bid(stack, &banner(user)));
        wait_for("the bid in the log", SOON, || has_key(log, &sent)).then_some(sent)
    })
}

/// `tagbid users erase` of one of our own ids.
pub(crate) fn erase(stack: &Stack, user: &str) {
    let mut file = tempfile::NamedTempFile::with_suffix(".csv").unwrap();
    write!(file, "id\n{user}\n").unwrap();
    let mut erase = Command::new(env!("CARGO_BIN_EXE_tagbid"));
    erase.args(["users", "erase", "--kind", "buyeruid", "--to", &format!("http://{}", stack.campaigns)]);
    assert!(erase.arg(file.path()).env("TAGBID_TOKEN", OPERATOR).status().unwrap().success());
}

/// A stack that logs this share of auctions, and a shop that bids 2.0 in the USA.
fn given_a_log(log: &Path, share: &str) -> Stack {
    let settings = format!("[events]\ndir = \"{}\"\nbid_sample = {share}\n", log.display());
    let stack = Stack::all_with(&settings);
    Shop::open(&stack, "shop.example").line_item(in_the_usa(), 2.0);
    stack
}

#[test]
fn a_bid_is_in_the_log_until_after_its_user_is_erased() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("events");
    let stack = given_a_log(&log, "1.0");
    let sent = sent_with_key(&stack, &log, "user-1");
    let logged = || cat(&log, &["--bid", &sent, "--from", "1h", "--kind", "bid"]).0.pop();
    let event = wait_for("the bid in the log", SOON, logged);
    assert_eq!((&event["kind"], &event["currency"]), (&"bid".into(), &"USD".into()));
    assert_eq!((&event["bid_price_micros"], &event["test"]), (&2_000_000.into(), &false.into()));

    let mut command = events(&log, &["tail"]);
    let tail = Process::start("tail", command.env("RUST_BACKTRACE", "0")).unwrap();
    wait_until("the tail to show a bid", SOON, || {
        bid(stack.http, &banner("user-2"));
        tail.log().contains("\"kind\":\"bid\"")
    });
    assert!(!tail.log().contains(&sent), "a tail begins with what comes");
    drop(tail);

    erase(&stack, "user-1");
    wait_until("the key to be hidden", SOON, || has_key(&log, &sent) == Some(false));
    wait_until("the metric", SOON, || {
        stack.admin_get("/metrics").1.contains("\ntagbid_events_hidden_users 1\n")
    });
}

#[test]
fn a_bidder_of_its_own_hears_of_erasures_before_and_after_a_restart() {
    let mut stack = Stack::separate();
    Shop::open(&stack, "shop.example").line_item(in_the_usa(), 2.0);
    let log = stack.events();
    let sent = ["user-1", "user-2"].map(|user| sent_with_key(&stack, &log, user));
    erase(&stack, "user-1");
    wait_until("the key to be hidden", SOON, || has_key(&log, &sent[0]) == Some(false));
    stack.bidder.kill();
    stack.bidder.wait_exit(SOON);
    erase(&stack, "user-2");
    assert_eq!(has_key(&log, &sent[1]), Some(true));
    stack.restart_with(None);
    wait_until("the key to be hidden", SOON, || has_key(&log, &sent[1]) == Some(false));
}

#[test]
fn a_log_is_exported_once_and_what_is_damaged_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("events");
    let stack = given_a_log(&log, "1.0");
    wait_for_bid(&stack, &banner("user-1"));
    for n in 0..20 {
        bid(stack.http, &banner(&format!("user-{n}")));
    }
    wait_until("the bids in the log", SOON, || cat(&log, &[]).0.len() > 20);
    let sent = cat(&log, &[]).0.len();
    stack.bidder.terminate();
    assert_eq!(stack.bidder.wait_exit(SOON), 0);

    let file = dir.path().join("events.parquet");
    let export = || events(&log, &["export", "--parquet", file.to_str().unwrap()]).output().unwrap();
    let output = export();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && said.starts_with(&format!("{sent} events in ")), "{output:?}");
    assert!(fs::read(&file).unwrap().starts_with(b"PAR1"));
    let again = String::from_utf8(export().stderr).unwrap();
    assert!(again.contains("it exists; name another file"), "{again}");

    let entries = fs::read_dir(&log).unwrap().map(|entry| entry.unwrap().path());
    let segment = entries.filter(|path| path.extension().is_some_and(|end| end == "seg")).min().unwrap();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[400] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let (events, output) = cat(&log, &[]);
    assert_eq!((events.len(), output.status.code()), (sent - 1, Some(1)));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("are damaged") && said.contains("records"), "{said}");
}

#[test]
fn an_auction_that_is_not_in_the_sample_is_not_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("events");
    let stack = given_a_log(&log, "0.0");
    wait_for_bid(&stack, &banner("user-1"));
    stack.bidder.terminate();
    assert_eq!(stack.bidder.wait_exit(SOON), 0);
    let (events, output) = cat(&log, &[]);
    assert!(events.is_empty() && output.status.success(), "{output:?}");
    let nowhere = cat(&dir.path().join("none"), &[]).1;
    let said = String::from_utf8(nowhere.stderr).unwrap();
    assert!(!nowhere.status.success() && said.contains("none"), "{said}");
}
