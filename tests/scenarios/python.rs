//! An advertiser's own tool: a Python gRPC client made from `proto/` alone.

use std::path::Path;
use std::process::Command;

use crate::stack::{ADVERTISER_1, OPERATOR, Stack};

fn python(script: &str) -> Command {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir));
    let python = target.join("venv/bin/python");
    assert!(python.exists(), "{} is missing: run `cargo xtask setup`", python.display());
    let mut command = Command::new(python);
    command.arg(root.join("tests/python").join(script));
    command
}

/// Runs it to its end; what it printed.
fn printed(mut command: Command) -> String {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

#[test]
fn a_python_client_creates_a_campaign_that_bids() {
    let stack = Stack::all();
    let mut client = python("campaign_client.py");
    client
        .args(["--grpc", &stack.campaigns.to_string(), "--token", OPERATOR])
        .args(["--bid-url", &format!("http://{}/openrtb2/demo", stack.http)])
        // The promise is one second, and the client prints what it took; a busy test machine gets more.
        .args(["--within", "10"]);
    let told = printed(client);
    assert!(told.contains("first_bid"), "{told}");
}

fn a_hostile_client_meets(stack: &Stack) {
    let mut client = python("hostile_client.py");
    let grpc = stack.campaigns.to_string();
    client.args(["--grpc", &grpc, "--operator", OPERATOR, "--advertiser", ADVERTISER_1]);
    let told = printed(client);
    assert!(told.contains(" 0 not as promised"), "{told}");
}

#[test]
fn whatever_a_hostile_client_sends_is_refused_by_field_and_remedy() {
    a_hostile_client_meets(&Stack::all());
}

/// PostgreSQL does not take every text that SQLite takes.
#[test]
fn a_hostile_client_finds_nothing_in_separate_processes_either() {
    a_hostile_client_meets(&Stack::separate());
}
