//! What operators see: settings, health, metrics, and a process that goes away in an orderly way.

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tagbid_testkit::wait_until;

use crate::advertiser::{Shop, in_the_usa};
use crate::bidding::wait_for_bid;
use crate::exchange::{banner, bid, get, post, send, try_send};
use crate::stack::{START, Stack};

fn tagbid(arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_tagbid")).args(arguments).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_wrong_setting_is_named_and_ends_with_64() {
    for (flags, name) in [
        (vec!["all", "--set", "bidder.workrs=2"], "workrs"),
        (vec!["all", "--set", "bidder.workers=many"], "bidder.workers"),
        (vec!["all", "--set", "keys.user=short"], "keys.user"),
        (vec!["all", "--config", "/no/such/file.toml"], "/no/such/file.toml"),
        (vec!["bidder", "--set", "keys.user=1:a-user-key-of-thirty-two-letters"], "keys.notice"),
        (vec!["all", "--set", "peers.tags=[\"nonsense\"]"], "peers.tags[0]"),
        (
            bidder_with("bidder.catalog_copy=/dev/null/copy"),
            "bidder.catalog_copy: /dev/null/copy cannot be written",
        ),
        (bidder_with("bidder.catalog_copy=/"), "bidder.catalog_copy: / is a directory"),
        (bidder_with("bidder.notice_url=http://n.example.com"), "bidder.notice_url: use https"),
        (tags_with("tags.memory_file=/dev/null/tags"), "tags.memory_file: /dev/null/tags cannot be written"),
        (vec!["alle"], "alle"),
        (vec![], "command"),
    ] {
        let (code, _, errors) = tagbid(&flags);
        assert_eq!(code, 64, "{flags:?}: {errors}");
        assert!(errors.contains(name), "{flags:?}: {errors}");
    }
}

const USER_KEY: &str = "keys.user=1:a-user-key-of-thirty-two-letters";
const NOTICE_KEY: &str = "keys.notice=1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
/// Nobody is there; a process need not have reached it to look at its settings.
const CAMPAIGNS: &str = "peers.campaigns=http://127.0.0.1:1";

fn bidder_with(setting: &str) -> Vec<&str> {
    let tags = "peers.tags=[\"http://127.0.0.1:1\"]";
    vec![
        "bidder", "--set", USER_KEY, "--set", NOTICE_KEY, "--set", CAMPAIGNS, "--set", tags, "--set", setting,
    ]
}

fn tags_with(setting: &str) -> Vec<&str> {
    vec!["tags", "--set", USER_KEY, "--set", CAMPAIGNS, "--set", setting]
}

#[test]
fn a_dump_shows_every_key_and_no_secret() {
    let secret = "1:a-user-key-of-thirty-two-letters";
    let (code, dumped, _) = tagbid(&["all", "--set", &format!("keys.user={secret}"), "--dump-config"]);
    assert_eq!(code, 0);
    assert!(dumped.contains("catalog_max_age_s") && dumped.contains("***"), "{dumped}");
    assert!(!dumped.contains(secret));
}

#[test]
fn a_command_whose_output_nobody_reads_any_more_ends_in_silence() {
    for arguments in [vec!["all", "--set", USER_KEY, "--dump-config"], vec!["--help"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagbid"));
        let output = command.args(&arguments).stdout(writer).stderr(Stdio::piped()).spawn().unwrap();
        let output = output.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.as_str()), (Some(0), ""), "{arguments:?}");
    }
}

#[test]
fn metrics_count_what_happened() {
    let mut stack = Stack::all_with("[bidder.exchanges.locked]\nkey = \"a-long-secret-path\"");
    stack.bidder.terminate();
    stack.bidder.wait_exit(START);
    stack.restart_with(Some("bidder.slo_ms=12"));
    let shop = Shop::open(&stack, "shop.example");
    shop.line_item(in_the_usa(), 2.0);
    wait_for_bid(&stack, &banner("user-1"));
    let mut blocked = banner("user-1");
    blocked["badv"] = serde_json::json!(["shop.example"]);
    bid(stack.http, &blocked);
    for (stranger, status) in [("locked", 403), ("nobody", 400)] {
        assert_eq!(post(stack.http, stranger, blocked.to_string().as_bytes()).status, status);
    }
    let (status, metrics) = stack.admin_get("/metrics");
    assert_eq!(status, 200);
    for line in [
        "tagbid_bids_total 1",
        "tagbid_no_bids_total{reason=\"blocked_advertiser\"} 1",
        "tagbid_bid_stage_seconds_bucket{le=\"0.01\",stage=\"total\"}",
        "tagbid_bid_seconds_bucket{le=\"0.012\",exchange=\"demo\",outcome=\"no_bid\"}",
        "tagbid_bid_seconds_count{exchange=\"demo\",outcome=\"bid\"} 1",
        "tagbid_no_bids_late_total{exchange=\"demo\"} 0",
        "tagbid_door_refused_total{exchange=\"locked\",why=\"stranger\"} 1",
        "tagbid_door_refused_total{exchange=\"\",why=\"unknown_exchange\"} 1",
        "tagbid_ready{role=\"ledger\"} 1.0",
        "tagbid_catalog_followed_revision{role=\"bidder\"} ",
        "tagbid_catalog_age_seconds{role=\"tags\"}",
        "tagbid_disk_free_bytes{data=\"campaigns\"}",
        "tagbid_build_info{version=\"0.1.0\",commit=\"",
        "process_cpu_seconds_total ",
        "process_start_time_seconds ",
        "tagbid_panics_total 0",
        "# EOF",
    ] {
        assert!(metrics.contains(line), "{line} is missing in:\n{metrics}");
    }
    let (status, settings) = stack.admin_get("/config");
    assert!(status == 200 && !settings.contains("operator-token-for-tests"), "{settings}");
}

#[test]
fn what_is_for_operators_is_on_no_port_that_others_reach() {
    let stack = Stack::all();
    for path in ["/metrics", "/config", "/readyz", "/healthz", "/debug/pprof/profile"] {
        assert_eq!(get(stack.http, path).0, 404, "{path}");
    }
    // A gRPC port hangs up on whoever does not speak HTTP/2.
    assert!(try_send(stack.bidding, "GET", "/metrics", &[], b"").is_err());
    assert_eq!(stack.admin_get("/config").0, 200);
}

#[test]
fn a_profile_names_what_a_busy_process_does() {
    let stack = Stack::all();
    assert_eq!(stack.admin_get("/debug/pprof/profile?seconds=0").0, 400);
    assert_eq!(stack.admin_get("/debug/pprof/profile?seconds=61").0, 400);
    let ended = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                bid(stack.http, &banner("user-1"));
            }
        });
        let path = "/debug/pprof/profile?seconds=2";
        let taken = send(stack.admin, "GET", path, &[], b"");
        ended.store(true, Ordering::Relaxed);
        assert_eq!(taken.status, 200);
        // Texts of the format stand in it as they are.
        let text = String::from_utf8_lossy(&taken.body);
        for name in ["nanoseconds", "tagbid_runtime::workers", "tokio::runtime"] {
            assert!(text.contains(name), "{name} is missing in a profile of {} bytes", taken.body.len());
        }
    });
    assert!(!stack.bidder.log().contains("panicked"));
}

#[test]
fn a_log_that_no_person_watches_has_no_colours() {
    let stack = Stack::all();
    let log = stack.bidder.log();
    assert!(log.contains("http listening on") && !log.contains('\u{1b}'), "{log}");
}

#[test]
fn a_leaving_process_says_so_and_goes_on_serving_for_a_while() {
    let mut stack = Stack::all();
    stack.bidder.terminate();
    stack.bidder.wait_exit(START);
    stack.restart_with(Some("listen.leave_s=3"));
    stack.bidder.terminate();
    wait_until("the readiness to turn", START, || stack.admin_get("/readyz").0 == 503);
    assert_eq!(bid(stack.http, &banner("user-1")).status, 204, "it still answers");
    assert_eq!(stack.bidder.wait_exit(START), 0);
}

#[test]
fn a_terminated_process_drains_and_keeps_what_it_had() {
    let mut stack = Stack::all();
    let shop = Shop::open(&stack, "shop.example");
    shop.line_item(in_the_usa(), 2.0);
    wait_for_bid(&stack, &banner("user-1"));
    stack.bidder.terminate();
    assert_eq!(stack.bidder.wait_exit(START), 0);
    stack.restart_with(None);
    wait_for_bid(&stack, &banner("user-1"));
}
