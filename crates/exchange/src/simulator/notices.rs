//! Sends notices when they are due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::auction::Notice;
use crate::markup::is_local;
use crate::net::Caller;

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
    let mut caller = Caller::new(TIMEOUT);
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
                    call(&notice, &mut caller, &shared).await;
                }
            }
        }
    }
}

async fn call(notice: &Notice, caller: &mut Caller, shared: &Shared) {
    if !is_local(&notice.url) {
        shared.report().notices_elsewhere += 1;
        return;
    }
    let answered = caller.get(&notice.url).await;
    let mut report = shared.report();
    if answered {
        *report.notices.entry(notice.kind).or_default() += 1;
    } else {
        report.notice_failures += 1;
    }
}
