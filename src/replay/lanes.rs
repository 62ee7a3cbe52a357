//! Sends requests on a few connections.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use tagbid_exchange::net::Connection;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::Input;
use super::answer::{Answered, Outcome};

/// Where requests go, and how fast.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) host: Authority,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) timeout: Duration,
    pub(super) rate: Option<f64>,
}

/// Starts as many lanes. They end when the queue does.
pub(super) fn start(
    tasks: &mut JoinSet<()>,
    count: u16,
    target: Target,
    queue: mpsc::Receiver<Input>,
    outcomes: mpsc::Sender<Answered>,
) {
    let queue = Arc::new(Mutex::new(queue));
    let (target, start) = (Arc::new(target), Instant::now());
    for _ in 0..count {
        tasks.spawn(run(Arc::clone(&target), start, Arc::clone(&queue), outcomes.clone()));
    }
}

async fn run(
    target: Arc<Target>,
    start: Instant,
    queue: Arc<Mutex<mpsc::Receiver<Input>>>,
    outcomes: mpsc::Sender<Answered>,
) {
    let mut connection = Connection::new(target.host.clone(), target.timeout);
    loop {
        // The lock covers the wait, so that requests leave in the order of the files.
        let input = {
            let mut queue = queue.lock().await;
            let Some(input) = queue.recv().await else { return };
            if let Some(rate) = target.rate {
                sleep_until(start + Duration::from_secs_f64(input.number as f64 / rate)).await;
            }
            input
        };
        let sent = Instant::now();
        let outcome = match connection.send(&request(&target, input.body.clone())).await {
            Ok(answer) => Outcome::read(&input.body, &answer, sent.elapsed()),
            Err(error) => Outcome::Failed(error.to_string()),
        };
        let answered = Answered { origin: input.origin, source: input.source, outcome };
        if outcomes.send(answered).await.is_err() {
            return;
        }
    }
}

fn request(target: &Target, body: Bytes) -> Request<Bytes> {
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    // Path and host come out of a URL that was parsed: neither fallback is ever taken.
    *request.uri_mut() = target.path.parse().unwrap_or_default();
    *request.headers_mut() = target.headers.clone();
    if let Ok(host) = HeaderValue::from_str(target.host.as_str()) {
        request.headers_mut().entry(header::HOST).or_insert(host);
    }
    request
}
