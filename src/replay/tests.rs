use super::*;
use clap::Parser;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: Args,
}

fn args(more: &[&str]) -> Args {
    Cli::try_parse_from(std::iter::once(&"replay").chain(more)).unwrap().args
}

/// A server that answers each request with the status that its `test_status` member asks for.
async fn server() -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/openrtb2/test", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((socket, _)) = listener.accept().await {
            connections.spawn(serve(socket));
        }
    });
    (url, tasks)
}

async fn serve(mut socket: tokio::net::TcpStream) {
    let mut seen = Vec::new();
    while socket.read_buf(&mut seen).await.is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&seen).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let Ok(request) = serde_json::from_str::<Value>(body) else {
            continue;
        };
        let status = request["test_status"].as_u64().unwrap_or(204);
        let debug = head.contains("x-tagbid-debug: 1");
        let body = match status {
            200 => format!(r#"{{"id":{},"seatbid":[{{"bid":[{{"impid":"9"}}]}}]}}"#, request["id"]),
            400 if debug => r#"{"nbr":2,"reason":"imp is empty"}"#.to_owned(),
            _ => String::new(),
        };
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        socket.write_all(answer.as_bytes()).await.unwrap();
        seen.clear();
    }
}

fn request(status: u16) -> String {
    format!(r#"{{"id":"r","imp":[{{"id":"1"}}],"test_status":{status}}}"#)
}

fn file(folder: &Path, name: &str, content: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

async fn replay_of(more: &[&str]) -> (Summary, String) {
    let mut out = Vec::new();
    let summary = replay(&args(more), &mut out).await.unwrap();
    (summary, String::from_utf8(out).unwrap())
}

#[tokio::test]
async fn every_form_of_file_is_read() {
    let (url, _server) = server().await;
    let folder = tempfile::tempdir().unwrap();
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(format!("{}\n", request(204)).as_bytes()).unwrap();
    let sourced = format!(r#"{{"source":"somewhere","request":{}}}"#, request(200));
    let files = [
        file(folder.path(), "one.json", format!("\u{feff}{}", request(204).replace(',', ",\n")).as_bytes()),
        file(folder.path(), "array.json", format!("[{},\n{}]", request(204), request(204)).as_bytes()),
        file(folder.path(), "lines.ndjson", format!("{}\n\n{}\n", request(204), request(400)).as_bytes()),
        file(folder.path(), "corpus.ndjson", sourced.as_bytes()),
        file(folder.path(), "packed.ndjson.gz", &gz.finish().unwrap()),
    ];
    let mut more: Vec<&str> = files.iter().map(String::as_str).collect();
    more.extend(["--to", &url, "--debug"]);
    let (summary, out) = replay_of(&more).await;
    assert_eq!(summary.statuses, BTreeMap::from([(200, 1), (204, 5), (400, 1)]), "{out}");
    assert_eq!((summary.bids, summary.unreadable, summary.failed), (1, 0, 0));
    assert!(out.contains("array.json[1]: 204, 0 bids"), "{out}");
    assert!(out.contains("lines.ndjson:3: 400, 0 bids") && out.contains("imp is empty"), "{out}");
    assert!(out.contains("corpus.ndjson:1 (somewhere): 200, 1 bid,"), "{out}");
    assert!(out.contains("breaks imp_id"), "an invalid answer names the rule: {out}");
    assert!(!summary.is_failure(false) && summary.is_failure(true));
}

#[tokio::test]
async fn bad_lines_are_told_by_place_and_the_rest_is_sent() {
    let (url, _server) = server().await;
    let folder = tempfile::tempdir().unwrap();
    let content = [b"{broken\n7\n\xff\n".as_slice(), request(204).as_bytes()].concat();
    let lines = file(folder.path(), "lines.ndjson", &content);
    let (summary, out) = replay_of(&[&lines, "/does/not/exist", "--to", &url]).await;
    assert_eq!((summary.unreadable, summary.statuses.get(&204)), (4, Some(&1)), "{out}");
    for place in [":1: not sent: not JSON", ":2: not sent: not a JSON object", ":3: not sent: not UTF-8"] {
        assert!(out.contains(place), "{place} is missing in {out}");
    }
    assert!(out.contains("/does/not/exist: not sent: cannot be read"), "{out}");
}

#[tokio::test]
async fn errors_of_the_server_fail_the_run() {
    let (url, _server) = server().await;
    let folder = tempfile::tempdir().unwrap();
    let lines = file(folder.path(), "lines.ndjson", request(503).as_bytes());
    let (summary, _) = replay_of(&[&lines, "--to", &url]).await;
    assert!(summary.is_failure(false));
    let (summary, out) = replay_of(&[&lines, "--to", "http://127.0.0.1:1/"]).await;
    assert!(summary.failed == 1 && summary.is_failure(false), "{out}");
    let refused = replay(&args(&[&lines, "--to", "https://127.0.0.1/"]), &mut Vec::new()).await;
    assert!(refused.unwrap_err().to_string().contains("--to"));
}

#[tokio::test]
async fn machines_get_one_json_object_a_line() {
    let (url, _server) = server().await;
    let folder = tempfile::tempdir().unwrap();
    let lines = file(folder.path(), "lines.ndjson", format!("{}\n{{\n", request(204)).as_bytes());
    let (_, out) = replay_of(&[&lines, "--to", &url, "--json", "--rate", "1000"]).await;
    let objects: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(objects.len(), 3);
    assert!(objects.iter().any(|line| line["status"] == 204 && line["time_ms"].is_f64()));
    assert_eq!(objects[2]["summary"]["unreadable"], 1);
}
