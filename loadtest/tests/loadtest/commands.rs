//! The binary: what it says, what it writes, how it ends.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use crate::servers::{no_bid, serve};

/// Ends with this code and gives what it said, both outputs together.
fn loadtest(args: &[&str], code: i32) -> String {
    let (ended, said) = end_of(args);
    assert_eq!(ended, Some(code), "{args:?} said {said}");
    said
}

fn end_of(args: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_loadtest")).args(args).output().unwrap();
    (status.code(), String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr))
}

/// A run of half a second at 100/s, on however busy a machine.
fn run(host: &str, more: &[&str], code: i32) -> String {
    let to = format!("http://{host}/bid");
    let mut args = vec!["run", "--to", &to, "--requests=50", "--users=100", "--warmup=0s", "--connections=8"];
    if !more.iter().any(|arg| arg.starts_with("--replay")) {
        args.extend(["--rate=100:500ms"]);
    }
    if !more.iter().any(|arg| arg.starts_with("--max-lag")) {
        args.push("--max-lag=10s");
    }
    loadtest(&[&args, more].concat(), code)
}

fn silent() -> String {
    serve(|_, _, _| (Duration::ZERO, no_bid()))
}

fn json(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap()
}

#[test]
fn a_run_says_what_it_saw_and_writes_every_report() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("deep/a");
    let said = run(&silent(), &["--out", name.to_str().unwrap(), "--fail-if=errors>0%"], 0);
    for part in ["50 due (100/s)", "no-bid", "Corrected counts from the moment", "fingerprint", "answered"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    for end in ["json", "html", "hgrm", "raw.hgrm", "hlog"] {
        let file = folder.path().join(format!("deep/a.{end}"));
        assert!(std::fs::metadata(&file).unwrap().len() > 100, "{}", file.display());
    }
    assert_eq!(json(&folder.path().join("deep/a.json"))["figures"]["due"], 50);
    let again = loadtest(&["report", folder.path().join("deep/a.json").to_str().unwrap()], 0);
    assert!(again.contains("50 due (100/s)"), "{again}");
}

#[test]
fn the_interval_log_is_what_hdrhistogram_reads() {
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("a");
    run(&silent(), &["--out", name.to_str().unwrap()], 0);
    let log = std::fs::read(folder.path().join("a.hlog")).unwrap();
    let entries = IntervalLogIterator::new(&log).map(Result::unwrap);
    let mut answers = 0;
    for entry in entries {
        if let LogEntry::Interval(interval) = entry {
            use base64::Engine;
            let text = interval.encoded_histogram();
            let bytes = base64::engine::general_purpose::STANDARD.decode(text).unwrap();
            let histogram: hdrhistogram::Histogram<u64> =
                hdrhistogram::serialization::Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
            answers += histogram.len();
        }
    }
    assert_eq!(answers, 50);
}

#[test]
fn exit_codes_tell_a_threshold_from_wrong_usage_from_an_invalid_run() {
    let host = silent();
    let said = run(&host, &["--fail-if=bids<1%"], 1);
    assert!(said.contains("FAILED bids<1%: 0 %"), "{said}");
    let said = run(&host, &["--fail-if=p99<10"], 2);
    assert!(said.contains("--fail-if") && said.contains("write 10s, 250ms"), "{said}");
    let said = run(&host, &["--duration=3s"], 2);
    assert!(said.contains("leave --duration out"), "{said}");
    // Nobody is on time to a microsecond at the 99th percentile of fifty.
    let said = run(&host, &["--max-lag=1us", "--arrivals=poisson", "--fail-if=bids<1%"], 3);
    assert!(said.contains("INVALID     the generator itself was"), "{said}");
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let said = run(&nobody, &[], 3);
    assert!(said.contains("cannot connect to"), "{said}");
    let said = loadtest(&["run", "--to", "https://example.com/"], 2);
    assert!(said.contains("--to: use http://HOST"), "{said}");
}

#[test]
fn results_of_machines_merge_and_different_runs_do_not() {
    let (host, folder) = (silent(), tempfile::tempdir().unwrap());
    let name = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    run(&host, &["--out", &name("a"), "--seed=1"], 0);
    run(&host, &["--out", &name("b"), "--seed=2"], 0);
    run(&host, &["--out", &name("c"), "--tmax=50ms"], 0);
    let said = loadtest(&["merge", &name("a.json"), &name("b.json"), "--out", &name("sum")], 0);
    assert!(said.contains("100 due (200/s)"), "{said}");
    let (a, b, sum) =
        (json(name("a.json").as_ref()), json(name("b.json").as_ref()), json(name("sum.json").as_ref()));
    let count = |of: &Value| of["figures"]["latency_us"]["corrected"]["count"].as_u64().unwrap();
    assert_eq!(count(&a) + count(&b), count(&sum));
    let said = loadtest(&["report", &name("sum.json"), "--fail-if=rate<1000"], 1);
    assert!(said.contains("FAILED rate<1000"), "{said}");
    let said = loadtest(&["merge", &name("a.json"), &name("c.json"), "--out", &name("no")], 2);
    assert!(said.contains("--tmax in µs is 100000 in one and 50000 in another"), "{said}");
    let said = loadtest(&["compare", &name("a.json"), &name("a.json")], 2);
    assert!(said.contains("ten seconds at least"), "{said}");
}

#[test]
fn a_recording_is_sent_as_it_was_at_its_own_times() {
    let (folder, bodies) =
        (tempfile::tempdir().unwrap(), std::sync::Arc::new(std::sync::Mutex::new(Vec::new())));
    let seen = std::sync::Arc::clone(&bodies);
    let host = serve(move |_, _, body| {
        seen.lock().unwrap().push(body.to_vec());
        (Duration::ZERO, no_bid())
    });
    let file = folder.path().join("r.ndjson");
    let line = |at: u32| format!("{{\"at_ms\":{at},\"request\":{{\"id\" : \"{at}\",\"imp\":[]}}}}\n");
    std::fs::write(&file, [0, 100, 2_900].map(line).concat()).unwrap();
    let replay = format!("--replay={}", file.display());
    let said = run(&host, &[&replay, "--speed=2", "--json"], 0);
    let (from, to) = (said.find('{').unwrap(), said.rfind("\n}").unwrap() + 2);
    let result: Value = serde_json::from_str(&said[from..to]).unwrap();
    let due: Vec<u64> = result["record"]["windows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|window| window["due"].as_u64().unwrap())
        .collect();
    assert_eq!(due, [2, 1]);
    let mut bodies = bodies.lock().unwrap().clone();
    bodies.sort();
    assert_eq!(bodies[0], b"{\"id\" : \"0\",\"imp\":[]}");
    assert_eq!(bodies.len(), 3);
}

#[test]
fn a_search_finds_where_a_server_breaks() {
    // It has time for one request in 20 ms on each of eight connections: 400 a second.
    let host = serve(|_, _, _| (Duration::from_millis(20), no_bid()));
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("s");
    let to = format!("http://{host}/bid");
    let (code, said) = end_of(&[
        "search",
        "--to",
        &to,
        "--slo=p90<1s,errors<1%",
        "--from=50",
        "--most=3200",
        "--precision=40%",
        "--step=1s",
        "--confirm=1",
        "--confirm-time=1s",
        "--rest=0s",
        "--warmup=0s",
        "--connections=8",
        "--requests=50",
        "--users=100",
        "--max-lag=10s",
        "--out",
        name.to_str().unwrap(),
    ]);
    let found = json(&folder.path().join("s.search.json"));
    let runs = found["runs"].as_array().unwrap();
    match code {
        // At 1,600 a second the last tenth of a second's requests waits for 2.7 s or more: that breaks on any machine. A
        // busy one may hold much less.
        Some(0) => {
            let rate = found["rate"].as_f64().unwrap();
            assert!(rate > 0.0 && rate < 1_600.0, "{said}");
            assert!(said.contains("is the largest rate that holds p90<1s,errors<1%"), "{said}");
            assert!(said.contains("held in 1 of 1 runs"), "{said}");
            assert!(runs.iter().any(|run| run["verdict"] == "breaks"), "{said}");
        }
        // One that is too busy even to send says that, and nothing else.
        Some(1 | 3) => assert!(runs.iter().any(|run| run["verdict"] == "INVALID"), "{said}"),
        code => panic!("{code:?}: {said}"),
    }
}
