//! Sends notices when they are due.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::auction::Notice;
use crate::markup::is_local;
use crate::net::{Connection, authority};

use super::Shared;

/// Notices that wait for their time in one lane. When they are as many, the lane takes no more and the senders wait:
/// a slow notice endpoint slows the exchange down instead of filling its memory.
const WAITING: usize = 20_000;

/// How long a notice may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// A notice and when to send it.
pub(super) type Due = (Instant, Notice);

/// Sends what comes in until the senders are gone and nothing waits.
pub(super) async fn run(mut inbox: mpsc::Receiver<Due>, shared: Arc<Shared>) {
    let mut waiting: BTreeMap<(Instant, u64), Notice> = BTreeMap::new();
    let mut connections = HashMap::new();
    let (mut open, mut sequence) = (true, 0);
    while open || !waiting.is_empty() {
        let next = waiting.keys().next().map(|(due, _)| *due);
        tokio::select! {
            got = inbox.recv(), if open && waiting.len() < WAITING => match got {
                Some((due, notice)) => {
                    sequence += 1;
                    waiting.insert((due, sequence), notice);
                }
                None => open = false,
            },
            () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {
                if let Some((_due, notice)) = waiting.pop_first() {
                    call(&notice, &mut connections, &shared).await;
                }
            }
        }
    }
}

async fn call(notice: &Notice, connections: &mut HashMap<String, Connection>, shared: &Shared) {
    if !is_local(&notice.url) {
        shared.report().notices_elsewhere += 1;
        return;
    }
    let answered = get(&notice.url, connections).await.unwrap_or(false);
    let mut report = shared.report();
    if answered {
        *report.notices.entry(notice.kind).or_default() += 1;
    } else {
        report.notice_failures += 1;
    }
}

/// Whether the answer was a success or, for clicks, a redirect, which is not followed.
async fn get(url: &str, connections: &mut HashMap<String, Connection>) -> Option<bool> {
    let uri: Uri = url.parse().ok()?;
    let host = authority(&uri).ok()?;
    let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let request = Request::get(target).header(http::header::HOST, host.as_str()).body(Bytes::new()).ok()?;
    let connection = connections.entry(host.to_string()).or_insert_with(|| Connection::new(host, TIMEOUT));
    let answer = connection.send(&request).await.ok()?;
    Some(answer.status.is_success() || answer.status.is_redirection())
}
