//! A writer that is killed, and one whose disk is full.

use std::path::Path;
use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, prlimit};
use tagbid_eventlog::{Query, Reader, Start};
use tagbid_testkit::{Process, wait_for, wait_until};
use tagbid_types::Timestamp;

use crate::fixture::{SOON, numbers, read_on, segments};

const WRITER: &str = env!("CARGO_BIN_EXE_eventlog-writer");

/// The last position that a writer said to be durable.
fn durable(writer: &Process) -> u64 {
    writer
        .log()
        .lines()
        .filter_map(|line| line.strip_prefix("durable ")?.parse().ok())
        .next_back()
        .unwrap_or(0)
}

fn numbers_in(dir: &Path) -> Vec<u64> {
    let mut reader = Reader::open(dir, Query::default(), Start::First, Timestamp(i64::MIN)).unwrap();
    let (events, damage) = read_on(&mut reader);
    assert_eq!(damage, []);
    numbers(&events)
}

#[test]
fn whoever_kills_the_writer_finds_all_that_was_acknowledged_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Process::start("writer", Command::new(WRITER).arg(dir.path()).arg("65536")).unwrap();
    let mut acknowledged = 0;
    for round in 0..8_u64 {
        // Killed at another point of its work each time.
        let goal = acknowledged + 50 + 170 * round;
        wait_until("more to be durable", SOON, || durable(&writer) > goal);
        writer.kill();
        acknowledged = durable(&writer);
        let found = numbers_in(dir.path());
        assert_eq!(found, (1..=found.len() as u64).collect::<Vec<_>>());
        assert!(found.len() as u64 >= acknowledged, "{} of {acknowledged}", found.len());
        writer.restart().unwrap();
    }
    wait_until("the last start", SOON, || durable(&writer) > acknowledged);
    writer.kill();
    assert!(segments(dir.path()).len() > 2);
}

#[test]
fn a_full_disk_refuses_and_loses_nothing_and_goes_on_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    // A limit on files that can be raised stands for the disk: writes are cut in the middle, then fail.
    let script = r#"trap "" XFSZ; ulimit -S -f 200; exec "$0" "$@""#;
    let mut command = Command::new("sh");
    command.args(["-c", script, WRITER]).arg(dir.path()).arg("10000000");
    let writer = Process::start("writer", &command).unwrap();
    writer.wait_line("refused after ", SOON);
    let before = durable(&writer);
    assert!(before > 0);
    assert_eq!(numbers_in(dir.path()).len() as u64, before, "what was refused is not there in part");

    // What "sh" becomes keeps its process id; the supervisor's child is the writer itself.
    let pid = wait_for("the writer", SOON, || writer.pid());
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    prlimit(Some(pid), Resource::Fsize, Rlimit { current: None, maximum: None }).unwrap();
    wait_until("it to go on", SOON, || durable(&writer) > before + 1_000);
    writer.kill();
    let found = numbers_in(dir.path());
    assert_eq!(found, (1..=found.len() as u64).collect::<Vec<_>>());
    assert!(found.len() as u64 >= durable(&writer));
}
