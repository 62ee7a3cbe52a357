//! An exchange as the bidder sees it: plain HTTP/1.1 over a socket, so that tests control every byte.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

/// An answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The bids, whatever their seats.
    pub(crate) fn bids(&self) -> Vec<Value> {
        if self.status != 200 || self.body.is_empty() {
            return Vec::new();
        }
        let seats = self.json()["seatbid"].as_array().cloned().unwrap_or_default();
        seats.iter().flat_map(|seat| seat["bid"].as_array().cloned().unwrap_or_default()).collect()
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }
}

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends one request on a connection of its own and reads the whole answer.
pub(crate) fn send(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let answer = try_send(to, method, path, headers, body);
    answer.unwrap_or_else(|problem| panic!("no answer: {problem}"))
}

/// The same of a server that may be away.
pub(crate) fn try_send(
    to: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> std::io::Result<Answer> {
    let mut socket = TcpStream::connect(to)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    socket.write_all(head.as_bytes())?;
    // A server that refuses early may close before it has read everything.
    let _ = socket.write_all(body);
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    parse(&answer).ok_or_else(|| std::io::Error::other(String::from_utf8_lossy(&answer).into_owned()))
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok())?;
    let body = &answer[end + 4..];
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    let body = if chunked { unchunk(body) } else { body.to_vec() };
    Some(Answer { status, head, body })
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(line) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(&String::from_utf8_lossy(&rest[..line]), 16).unwrap();
        if size == 0 {
            break;
        }
        whole.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 4 + size..];
    }
    whole
}

/// GET: status and text.
pub(crate) fn get(from: SocketAddr, path: &str) -> (u16, String) {
    let answer = send(from, "GET", path, &[], b"");
    (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
}

/// A bid request to exchange "demo", with reasons asked for.
pub(crate) fn bid(to: SocketAddr, request: &Value) -> Answer {
    post(to, "demo", request.to_string().as_bytes())
}

/// Any body to any exchange, with reasons asked for.
pub(crate) fn post(to: SocketAddr, exchange: &str, body: &[u8]) -> Answer {
    let headers = [("content-type", "application/json"), ("x-tagbid-debug", "1")];
    send(to, "POST", &format!("/openrtb2/{exchange}"), &headers, body)
}

/// Why there was no bid.
pub(crate) fn no_bid_reason(answer: &Answer) -> &str {
    assert_eq!(answer.status, 204, "{answer:?}");
    answer.header("x-tagbid-no-bid").unwrap()
}

/// A banner request from a German news site for a user.
pub(crate) fn banner(user: &str) -> Value {
    json!({
        "id": "auction-1",
        "at": 1,
        "cur": ["USD"],
        "imp": [{ "id": "1", "secure": 1, "bidfloor": 0.1, "banner": { "w": 300, "h": 250 } }],
        "site": { "id": "site-1", "domain": "news.example.com", "cat": ["IAB12"],
                  "publisher": { "id": "pub-1" } },
        "device": { "ua": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/120.0 Safari/537.36",
                    "devicetype": 2, "os": "Windows", "geo": { "country": "USA", "utcoffset": 60 } },
        "user": { "buyeruid": user },
        "regs": { "gdpr": 0 }
    })
}
