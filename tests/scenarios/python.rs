//! An advertiser's own tool: a Python gRPC client made from `proto/` alone.

use std::path::Path;
use std::process::Command;

use crate::stack::{OPERATOR, Stack};

#[test]
fn a_python_client_creates_a_campaign_that_bids() {
    let stack = Stack::all();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = root.join("target/venv/bin/python");
    assert!(python.exists(), "{} is missing: run `cargo xtask setup`", python.display());
    let output = Command::new(python)
        .arg(root.join("tests/python/campaign_client.py"))
        .args(["--grpc", &stack.campaigns.to_string(), "--token", OPERATOR])
        .args(["--bid-url", &format!("http://{}/openrtb2/demo", stack.http)])
        // The promise is one second, and the client prints what it took; a busy test machine gets more.
        .args(["--within", "10"])
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("first_bid"), "{}", text(&output.stdout));
}
