//! What `deploy/` says of the binary: the metrics that alerts and dashboards ask for, the settings that the deployments
//! start it with, and what it tells systemd. A misspelt metric never fires, and nobody notices.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tagbid_testkit::{Process, wait_until};

use crate::stack::{START, Stack};

/// Labels that the scrape configuration gives to every series.
const OF_TARGETS: [&str; 3] = ["job", "role", "instance"];

/// The label sets of each series' name, over all processes.
type Exposed = BTreeMap<String, Vec<BTreeMap<String, String>>>;

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(path)
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn files(dir: &str, end: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(deploy(dir)).unwrap();
    let files: Vec<_> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(end))
        .collect();
    assert!(!files.is_empty(), "no {end} in {dir}");
    files
}

/// The expressions of all rules and dashboards, each with where it stands.
fn expressions() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for file in files("prometheus", ".rules.yml") {
        // Comments name settings and alerts; expressions are all else.
        let lines = read(&file);
        let code = lines.lines().filter(|line| !line.trim_start().starts_with('#'));
        found.push((file.display().to_string(), code.collect::<Vec<_>>().join("\n")));
    }
    for file in files("grafana/dashboards", ".json") {
        let board: Value = serde_json::from_str(&read(&file)).unwrap();
        for panel in board["panels"].as_array().unwrap() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let place = format!("{}: {}", file.display(), panel["title"]);
                found.push((place, target["expr"].as_str().unwrap().to_owned()));
            }
        }
    }
    found
}

/// Each metric of ours in an expression, with the text of its selector. Names that rules record have a colon.
fn metrics(expression: &str) -> Vec<(&str, &str)> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(is_name) {
        let word = &rest[start..];
        let end = word.find(|c| !is_name(c)).unwrap_or(word.len());
        let (name, behind) = word.split_at(end);
        rest = behind;
        if name.starts_with("tagbid_") || name.starts_with("process_") {
            let selector = behind.strip_prefix('{').and_then(|text| text.split_once('}'));
            found.push((name, selector.map_or("", |(selector, _)| selector)));
        }
    }
    found
}

/// The labels of a selector that are compared with words: key and alternatives.
fn matchers(selector: &str) -> Vec<(&str, Vec<&str>)> {
    let mut found = Vec::new();
    for part in selector.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let matcher = part.split_once("=~").or_else(|| part.split_once('='));
        let (key, value) = matcher.unwrap_or_else(|| panic!("{part:?} is no matcher that is known here"));
        let words: Vec<&str> = value.trim_matches('"').split('|').collect();
        if !OF_TARGETS.contains(&key) {
            found.push((key, words));
        }
    }
    found
}

/// Reads what a process exposes. A family without a series yet is there by its name alone.
fn scrape(admin: SocketAddr, into: &mut Exposed) {
    let (status, text) = crate::exchange::get(admin, "/metrics");
    assert_eq!(status, 200);
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').unwrap();
            let ends: &[&str] = match kind {
                "counter" => &["_total"],
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            for end in ends {
                into.entry(format!("{name}{end}")).or_default();
            }
        } else if !line.starts_with('#') {
            let (series, _) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels = labels.trim_end_matches('}').split(',').filter_map(|label| label.split_once('='));
            let labels =
                labels.map(|(key, value)| (key.to_owned(), value.trim_matches('"').to_owned())).collect();
            into.entry(name.to_owned()).or_default().push(labels);
        }
    }
}

#[test]
fn every_metric_and_label_that_alerts_and_dashboards_name_is_exposed() {
    let (separate, all) = (Stack::separate(), Stack::all());
    let mut exposed = Exposed::new();
    let others = separate.others.iter().map(|(_, process)| process.listening("admin", START));
    for admin in others.chain([separate.admin, all.admin]) {
        scrape(admin, &mut exposed);
    }
    let mut named = BTreeSet::new();
    for (place, expression) in expressions() {
        for (name, selector) in metrics(&expression) {
            let series = exposed.get(name).unwrap_or_else(|| panic!("{place}: nobody exposes {name}"));
            for (key, words) in matchers(selector) {
                for word in words {
                    let there =
                        series.iter().any(|labels| labels.get(key).is_some_and(|value| value == word));
                    assert!(there, "{place}: no series of {name} has {key}={word:?}");
                }
            }
            named.insert(name.to_owned());
        }
    }
    assert!(named.len() > 50, "only these are found: {named:?}");
}

#[test]
fn the_settings_of_every_deployment_are_understood() {
    let dir = tempfile::tempdir().unwrap();
    let made = Command::new("sh").arg(copied("compose/make-secrets.sh", dir.path())).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let compose = vec![deploy("compose/tagbid.toml"), dir.path().join("secrets/tagbid.toml")];
    let systemd = |role: &str| {
        ["tagbid", role, "secrets"].map(|name| deploy(&format!("systemd/etc/{name}.toml"))).to_vec()
    };
    for role in ["campaigns", "tags", "ledger", "bidder"] {
        for files in [compose.clone(), systemd(role)] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tagbid"));
            command.arg(role).arg("--dump-config");
            for file in &files {
                command.arg("--config").arg(file);
            }
            let output = command.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{role}, {files:?}: {said}");
            let settings = String::from_utf8_lossy(&output.stdout);
            assert!(settings.contains("[bidder.exchanges.acme]") && settings.contains("key = \"***\""));
        }
    }
}

fn copied(script: &str, to: &Path) -> PathBuf {
    let copy = to.join("script.sh");
    std::fs::copy(deploy(script), &copy).unwrap();
    copy
}

#[test]
fn secrets_are_made_once_and_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let script = copied("compose/make-secrets.sh", dir.path());
    let make = || {
        assert!(Command::new("sh").arg(&script).status().unwrap().success());
        read(&dir.path().join("secrets/tagbid.toml"))
    };
    let made = make();
    assert_eq!(make(), made, "what is there stays");
    let mode = std::fs::metadata(dir.path().join("secrets")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let password = read(&dir.path().join("secrets/postgres-password"));
    assert!(password.len() == 43 && made.contains(&format!("postgres://tagbid:{password}@postgres/ledger")));
}

#[test]
fn systemd_hears_when_a_role_is_ready_and_when_it_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("notify");
    let manager = UnixDatagram::bind(&at).unwrap();
    manager.set_read_timeout(Some(START)).unwrap();
    let hear = || {
        let mut message = [0; 1024];
        let length = manager.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagbid"));
    command.arg("campaigns").current_dir(dir.path()).env("NOTIFY_SOCKET", &at);
    let key = "keys.user=1:a-user-key-of-thirty-two-letters";
    let port = |name: &str| format!("listen.{name}=\"127.0.0.1:0\"");
    for setting in [key.to_owned(), port("grpc"), port("admin")] {
        command.arg("--set").arg(setting);
    }
    let process = Process::start("campaigns", &command).unwrap();
    let mut heard = vec![hear()];
    while heard.last().is_some_and(|last| last != "READY=1") {
        heard.push(hear());
    }
    let admin = process.listening("admin", START);
    assert_eq!(crate::exchange::get(admin, "/readyz").0, 200);
    process.terminate();
    wait_until("the word that it leaves", START, || hear().starts_with("STOPPING=1"));
    assert_eq!(process.wait_exit(START), 0);
}

#[test]
fn metrics_and_matchers_are_found_in_expressions() {
    let found =
        metrics("sum(rate(tagbid_a_total{x=\"1|2\", role=\"b\"}[5m])) / tagbid:late:ratio > tagbid_b");
    assert_eq!(found, [("tagbid_a_total", "x=\"1|2\", role=\"b\""), ("tagbid_b", "")]);
    assert_eq!(matchers(found[0].1), [("x", vec!["1", "2"])]);
}
