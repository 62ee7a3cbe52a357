//! One connection on its worker: HTTP/1.1 or HTTP/2 by the first bytes, with limits on all that a peer decides.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use http::header::{CONNECTION, HeaderMap, HeaderValue};
use http::{Request, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::sync::Notify;

use super::stamp::{Stamp, Stamped};
use super::{Arrival, Ended, Serve, WorkerStats};
use crate::Drain;
use crate::limits::LimitOptions;
use crate::overload::Gate;
use crate::places::Place;

/// What a peer may make us hold.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Open connections over all workers.
    pub connections: usize,
    /// Of these, from one address; 0: no limit of its own.
    pub per_peer: usize,
    /// Header lines of a request.
    pub headers: usize,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// From the first byte of an HTTP/1.1 request's head to its end.
    pub head_time: Duration,
    /// How long an HTTP/1.1 connection may be idle before and between requests.
    pub idle_time: Duration,
    /// How long what we send may stay unread.
    pub unread_time: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
    /// From the head of a request on an HTTP/2 connection to the end of its answer.
    pub stream_time: Duration,
    /// How many more requests of a connection its peer may give up than are answered.
    pub given_up: u32,
    /// How long a drain waits for requests under way.
    pub drain: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        (&LimitOptions::default()).into()
    }
}

impl From<&LimitOptions> for ConnectionLimits {
    fn from(options: &LimitOptions) -> Self {
        Self {
            connections: options.connections,
            per_peer: options.connections_per_peer,
            headers: options.headers,
            head_bytes: options.head_bytes,
            head_time: options.head_time(),
            idle_time: Duration::from_secs(options.idle_s),
            unread_time: options.unread_time(),
            streams: options.streams,
            stream_time: Duration::from_secs(options.stream_s),
            given_up: options.given_up,
            drain: Duration::from_secs(10),
        }
    }
}

/// In the extensions of an answer: the peer has given the request up, so nobody will see it.
#[derive(Clone, Copy, Debug)]
pub struct GivenUp;

/// How long a drain waits for the first request of a connection that has had none.
const FIRST_REQUEST: Duration = Duration::from_millis(500);

/// Counts a connection out when it ends, however it ends.
pub(super) struct Open {
    pub(super) load: Arc<AtomicUsize>,
    pub(super) stats: Arc<WorkerStats>,
    pub(super) _place: Place,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.load.fetch_sub(1, Ordering::Relaxed);
        self.stats.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs a connection; a panic in it is counted and costs nobody else anything.
pub(super) async fn guarded(connection: impl Future<Output = ()>, open: Open) {
    if AssertUnwindSafe(connection).catch_unwind().await.is_err() {
        open.stats.panics.fetch_add(1, Ordering::Relaxed);
        tracing::error!("connection panicked");
    }
}

/// Serves one socket until it closes or the drain ends it.
///
/// From the moment the process leaves, each HTTP/1.1 answer says `connection: close`, and HTTP/2 connections get a
/// GOAWAY: both let the peer finish what it has under way and open its next connection elsewhere. They do so from the
/// start rather than near the end, so that every connection in use is told; those idle all the while are closed by
/// the drain. The price is one connection a request for peers that come back regardless.
pub(super) async fn serve<S: Serve>(
    socket: Stamped,
    service: Rc<S>,
    stamp: Stamp,
    limits: ConnectionLimits,
    drain: Drain,
    stats: Arc<WorkerStats>,
) {
    let peer = socket.peer();
    let gate = service.gate();
    let io = TokioIo::new(socket.with_gate(gate.clone()));
    let executor = Local { stats, stamp: stamp.clone(), gate: gate.clone(), stream_time: limits.stream_time };
    let (http2, begun, leaving) = (Rc::new(Notify::new()), Rc::new(Notify::new()), drain.clone());
    let (saw_http2, saw_request) = (Rc::clone(&http2), Rc::clone(&begun));
    let answer = service_fn(move |request: Request<Incoming>| {
        let (version, leaving) = (request.version(), leaving.clone());
        saw_request.notify_one();
        if version == Version::HTTP_2 {
            saw_http2.notify_one();
        }
        let under_way = stamp.begin(version, service.is_background(&request));
        let answered = Rc::clone(&service).serve(request, Arrival { at: under_way.arrival, peer });
        async move {
            let mut response = answered.await;
            if leaving.is_leaving() {
                say_goodbye(version, response.headers_mut());
            }
            if response.extensions().get::<GivenUp>().is_none() {
                under_way.answered();
            }
            Ok::<_, Infallible>(response)
        }
    });
    let builder = builder(limits, executor.clone());
    let mut connection = std::pin::pin!(builder.serve_connection(io, answer));
    let ended = tokio::select! {
        ended = executor.metered(connection.as_mut()) => Some(ended),
        () = told_to_end(&drain, &begun, &http2) => None,
    };
    let ended = if let Some(ended) = ended {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    if let Err(error) = ended {
        // Peers that vanish or send no HTTP are everyday; the counters of the HTTP layer tell of them.
        tracing::debug!(%error, "connection ended");
    }
}

/// Resolves when the connection is to end after the requests under way: at the drain, HTTP/2 as soon as the process
/// leaves.
async fn told_to_end(drain: &Drain, begun: &Notify, http2: &Notify) {
    let go_away = async {
        drain.wait_leaving().await;
        http2.notified().await;
    };
    let drained = async {
        drain.wait().await;
        // On a connection that is new the first request is on its way; it would be reset.
        let _ = tokio::time::timeout(FIRST_REQUEST, begun.notified()).await;
    };
    tokio::select! {
        () = go_away => {}
        () = drained => {}
    }
}

/// HTTP/2 has GOAWAY for it and forbids the header.
fn say_goodbye(version: Version, headers: &mut HeaderMap) {
    if version <= Version::HTTP_11 {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Of HTTP/2's windows: a stream's is the largest body, so that a request comes without a pause; that of all streams together is
/// what a connection may make us hold.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Bytes of one answer that h2 takes from us while its peer's window is shut.
const SEND_BUFFER: usize = 64 * 1024;

/// Streams that a peer reset before we saw them (CVE-2023-44487), and that we reset because a peer broke a rule
/// (CVE-2025-8671), on one connection until it gets a GOAWAY: h2's default, and a sixteenth of it, since ours break none.
const RESET_UNSEEN: usize = 20;
const RESET_BY_US: usize = 64;

fn builder(limits: ConnectionLimits, executor: Local) -> auto::Builder<Local> {
    let mut builder = auto::Builder::new(executor);
    builder
        .http1()
        .timer(TokioTimer::new())
        // The socket counts this, from the head's first byte rather than from when it began to wait.
        .header_read_timeout(None)
        .max_headers(limits.headers)
        .max_buf_size(limits.head_bytes.max(8 * 1024));
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        // Bounds what HPACK unfolds to, too, and by that the CONTINUATION frames of a head (h2: a quarter more than it needs, at
        // least five).
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(RESET_UNSEEN)
        .max_local_error_reset_streams(RESET_BY_US)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(limits.unread_time);
    builder
}

/// Spawns hyper's HTTP/2 tasks, one a stream, on the worker itself; counts those that panic.
#[derive(Clone)]
struct Local {
    stats: Arc<WorkerStats>,
    stamp: Stamp,
    gate: Option<Rc<Gate>>,
    stream_time: Duration,
}

impl Local {
    /// Takes the time of background work out of its share.
    async fn metered<F: Future>(&self, mut work: Pin<&mut F>) -> F::Output {
        poll_fn(|cx| match &self.gate {
            Some(gate) if self.stamp.may_be_background() => {
                gate.meter(|| work.as_mut().poll(cx), || self.stamp.is_background())
            }
            _ => work.as_mut().poll(cx),
        })
        .await
    }
}

impl<F> hyper::rt::Executor<F> for Local
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, task: F) {
        let own = self.clone();
        tokio::task::spawn_local(async move {
            let task = std::pin::pin!(task);
            let guarded = AssertUnwindSafe(own.metered(task)).catch_unwind();
            match tokio::time::timeout(own.stream_time, guarded).await {
                Ok(Ok(_ended)) => {}
                Ok(Err(_panic)) => {
                    own.stats.panics.fetch_add(1, Ordering::Relaxed);
                    tracing::error!("HTTP/2 stream panicked");
                }
                // Dropped, it resets the stream.
                Err(_elapsed) => own.stats.end(Ended::LongStream),
            }
        });
    }
}
