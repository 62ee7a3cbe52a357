use super::*;
use crate::record::{Outcome, Seen};
use std::time::Duration;

/// A valid result of some answers, a second each.
pub(crate) fn results(host: &str, answers: &[(u64, u64, Outcome)]) -> Results {
    let second = Duration::from_secs(1);
    let mut record = Record::new(3);
    for (due_ms, latency_us, outcome) in answers {
        let (due, corrected) = (Duration::from_millis(*due_ms), Duration::from_micros(*latency_us));
        record.plan(due, Duration::from_micros(5), false, second);
        record.see(Seen { due, corrected, raw: corrected, outcome: *outcome }, second);
        *record.statuses.entry(200).or_default() += 1;
    }
    record.elapsed = 3 * second;
    let machine = Machine {
        host: host.to_owned(),
        version: "0".to_owned(),
        started_ms: 1_790_000_000_000,
        rate: "10:3s".to_owned(),
        arrivals: "even".to_owned(),
        seed: 1,
        requests: 10,
        fingerprint: "00".to_owned(),
        connections: 1,
        streams: 1,
        in_flight: 10,
        threads: 1,
        invalid: Vec::new(),
    };
    let run = Run {
        url: "http://127.0.0.1:1/<b>".to_owned(),
        encoding: "json".to_owned(),
        open_loop: true,
        duration_us: 3_000_000,
        warmup_us: 0,
        window_us: 1_000_000,
        tmax_us: 100_000,
        timeout_us: 2_000_000,
    };
    Results { schema: SCHEMA.to_owned(), run, machines: vec![machine], record, notices: None }
}

pub(crate) fn mixed(host: &str, from: u64) -> Results {
    let answers: Vec<_> = (from..from + 300)
        .map(|n| (n * 10 % 3_000, 100 + n * n % 90_000, Outcome::ALL[n as usize % 5]))
        .collect();
    results(host, &answers)
}

fn through_a_file(results: &Results) -> Results {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.json");
    fs::write(&file, results.to_json().to_string()).unwrap();
    Results::read(&file).unwrap()
}

#[test]
fn a_file_keeps_everything() {
    let results = mixed("a", 0);
    assert_eq!(through_a_file(&results), results);
}

#[test]
fn machines_add_up_to_what_one_would_have_seen() {
    let mut sum = through_a_file(&mixed("a", 0));
    sum.merge(through_a_file(&mixed("b", 300))).unwrap();
    let mut whole = mixed("a", 0).record;
    whole.add(&mixed("b", 300).record);
    assert_eq!(sum.record, whole);
    assert_eq!(sum.record.tallies().due, 600);
    assert_eq!(sum.machines.len(), 2);
    sum.machines[1].invalid.push("late".to_owned());
    assert_eq!(sum.invalid(), ["b: late"]);
}

#[test]
fn different_runs_and_the_same_result_twice_do_not_merge() {
    let mut sum = mixed("a", 0);
    assert!(matches!(sum.merge(mixed("a", 0)), Err(ResultsError::Twice { .. })));
    let mut longer = mixed("b", 0);
    longer.run.duration_us += 1;
    let told = sum.merge(longer).unwrap_err().to_string();
    assert!(told.contains("the length in µs is 3000000 in one and 3000001 in another"), "{told}");
}

#[test]
fn a_file_of_something_else_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.json");
    assert!(matches!(Results::read(&file), Err(ResultsError::Io { .. })));
    fs::write(&file, "{}").unwrap();
    let told = Results::read(&file).unwrap_err().to_string();
    assert!(told.contains("x.json: not a result of loadtest (tagbid-loadtest/1)"), "{told}");
}

#[test]
fn plain_figures_stand_beside_the_histograms() {
    let json = mixed("a", 0).to_json();
    assert_eq!(json["figures"]["due"], 300);
    assert_eq!(json["figures"]["late"], 60);
    assert_eq!(json["figures"]["latency_us"]["corrected"]["count"], 180);
    assert!(json["figures"]["latency_us"]["corrected"]["p99"].as_u64() > Some(1_000));
}

#[test]
fn a_wait_for_connections_is_noted() {
    let mut results = mixed("a", 0);
    assert_eq!(results.notes(), [""; 0]);
    results.record.wait.record(Duration::from_millis(20));
    assert!(results.notes()[0].starts_with("requests waited up to 20.0"), "{:?}", results.notes());
}

#[test]
fn machines_that_began_apart_are_noted() {
    let (mut sum, mut late) = (mixed("a", 0), mixed("b", 0));
    late.machines[0].started_ms += 4_200;
    sum.merge(late).unwrap();
    assert!(sum.notes()[0].contains("4.2 s apart"), "{:?}", sum.notes());
}
