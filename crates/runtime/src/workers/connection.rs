//! One connection on its worker: HTTP/1.1 or HTTP/2 by the first bytes, with limits on all that a peer decides.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt;
use http::header::{CONNECTION, HeaderMap, HeaderValue};
use http::{Request, Version};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::TcpStream;
use tokio::sync::Notify;

use super::stamp::{Stamp, Stamped};
use super::{Arrival, Serve, WorkerStats};
use crate::Drain;

/// What a peer may make us hold.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// Open connections over all workers.
    pub connections: usize,
    /// Header lines of a request.
    pub headers: usize,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// From the first byte of an HTTP/1.1 request's head to its end.
    pub head_time: Duration,
    /// How long an HTTP/1.1 connection may be idle before and between requests.
    pub idle_time: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
    /// How long a drain waits for requests under way.
    pub drain: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            headers: 64,
            head_bytes: 32 * 1024,
            head_time: Duration::from_secs(10),
            idle_time: Duration::from_secs(60),
            streams: 256,
            drain: Duration::from_secs(10),
        }
    }
}

/// How long a drain waits for the first request of a connection that has had none.
const FIRST_REQUEST: Duration = Duration::from_millis(500);

/// Counts a connection out when it ends, however it ends.
pub(super) struct Open {
    pub(super) load: Arc<AtomicUsize>,
    pub(super) stats: Arc<WorkerStats>,
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
    socket: TcpStream,
    service: Rc<S>,
    stamp: Stamp,
    limits: ConnectionLimits,
    drain: Drain,
    stats: Arc<WorkerStats>,
) {
    let peer = socket.peer_addr().ok().map(|peer| peer.ip());
    let io = TokioIo::new(Stamped::new(socket, stamp.clone(), limits));
    let (http2, begun, leaving) = (Rc::new(Notify::new()), Rc::new(Notify::new()), drain.clone());
    let (saw_http2, saw_request) = (Rc::clone(&http2), Rc::clone(&begun));
    let answer = service_fn(move |request: Request<Incoming>| {
        let (version, leaving) = (request.version(), leaving.clone());
        saw_request.notify_one();
        if version == Version::HTTP_2 {
            saw_http2.notify_one();
        }
        let under_way = stamp.begin(version);
        let answered = Rc::clone(&service).serve(request, Arrival { at: under_way.arrival, peer });
        async move {
            let mut response = answered.await;
            if leaving.is_leaving() {
                say_goodbye(version, response.headers_mut());
            }
            drop(under_way);
            Ok::<_, Infallible>(response)
        }
    });
    let builder = builder(limits, stats);
    let mut connection = std::pin::pin!(builder.serve_connection(io, answer));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
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

fn builder(limits: ConnectionLimits, stats: Arc<WorkerStats>) -> auto::Builder<Local> {
    let mut builder = auto::Builder::new(Local(stats));
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
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .keep_alive_interval(Duration::from_secs(30));
    builder
}

/// Spawns hyper's HTTP/2 tasks, one a stream, on the worker itself; counts those that panic.
#[derive(Clone)]
struct Local(Arc<WorkerStats>);

impl<F> hyper::rt::Executor<F> for Local
where
    F: Future + 'static,
    F::Output: 'static,
{
    fn execute(&self, task: F) {
        let stats = Arc::clone(&self.0);
        tokio::task::spawn_local(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                stats.panics.fetch_add(1, Ordering::Relaxed);
                tracing::error!("HTTP/2 stream panicked");
            }
        });
    }
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It is longer than allowed; not all of it was kept, and of a very long one not all was read.
    TooLarge,
    /// The peer broke off.
    Broken,
}

/// Of a body that is too long, so many times the limit is still read and thrown away: a peer that is sending does not
/// see the answer before it is done, and loses it when the connection or the HTTP/2 stream closes over the rest.
const DISCARD: usize = 4;

async fn discard<B: Body<Data = Bytes> + Unpin>(body: &mut B, most: usize) {
    let mut seen = 0;
    while seen <= most
        && let Some(Ok(frame)) = body.frame().await
    {
        seen += frame.data_ref().map_or(0, Bytes::len);
    }
}

/// Reads a body of at most `limit` bytes. A body that came in one piece is not copied.
pub async fn read_body<B>(mut body: B, limit: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Unpin,
{
    let most = limit.saturating_mul(DISCARD);
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        if announced <= most as u64 {
            discard(&mut body, most).await;
        }
        return Err(BodyError::TooLarge);
    }
    let mut first = Bytes::new();
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BodyError::Broken)?.into_data() else {
            continue;
        };
        if first.len() + whole.len() + data.len() > limit {
            discard(&mut body, most).await;
            return Err(BodyError::TooLarge);
        }
        if first.is_empty() && whole.is_empty() {
            first = data;
        } else {
            whole.extend_from_slice(&std::mem::take(&mut first));
            whole.extend_from_slice(&data);
        }
    }
    Ok(if whole.is_empty() { first } else { whole.freeze() })
}
