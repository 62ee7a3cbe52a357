//! When a request arrived. A socket that became readable while the worker was busy has waited for as long as the
//! worker's loop took; that wait counts against `tmax` like any other, so it is subtracted from the moment of the
//! first read.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Version;
use tagbid_types::{Clock, Monotonic};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::ConnectionLimits;
use crate::Drain;

/// With what an HTTP/2 connection begins (RFC 9113 section 3.4).
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How often the loop's lag is measured.
const LAG_EVERY: Duration = Duration::from_millis(10);

/// How long the worker's loop takes to come round, in microseconds: the last measurement.
pub(super) type Lag = Rc<Cell<u64>>;

/// Measures the calling worker's loop until the drain: a task that yields is run again after everything that was
/// ready, so the time until then is the wait that a readable socket had.
pub(super) fn measure_lag(clock: Arc<dyn Clock>, drain: Drain) -> Lag {
    let lag = Lag::default();
    let measured = Rc::clone(&lag);
    tokio::task::spawn_local(async move {
        while !drain.started() {
            tokio::time::sleep(LAG_EVERY).await;
            let before = clock.monotonic();
            tokio::task::yield_now().await;
            let took = clock.monotonic().since(before);
            measured.set(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
    });
    lag
}

/// A connection's clock: remembers the first read after the connection was idle.
#[derive(Clone)]
pub(super) struct Stamp(Rc<Inner>);

struct Inner {
    clock: Arc<dyn Clock>,
    lag: Lag,
    first_read: Cell<Option<Monotonic>>,
    /// Requests under way: bytes that come meanwhile belong to a body, or to a request that queues behind.
    busy: Cell<usize>,
    /// Changes whenever another wait begins: for a head, for its end, for an answer.
    turn: Cell<u64>,
    http2: Cell<bool>,
}

impl Stamp {
    pub(super) fn new(clock: Arc<dyn Clock>, lag: Lag) -> Self {
        Self(Rc::new(Inner {
            clock,
            lag,
            first_read: Cell::new(None),
            busy: Cell::new(0),
            turn: Cell::new(0),
            http2: Cell::new(false),
        }))
    }

    /// The head of a request is complete: when its first byte arrived. Under HTTP/2 that cannot be told: control
    /// frames come at any time, so only the wait in this worker's loop is known.
    pub(super) fn begin(&self, version: Version) -> UnderWay {
        let inner = &self.0;
        inner.busy.set(inner.busy.get() + 1);
        inner.next_turn();
        if version == Version::HTTP_2 {
            inner.http2.set(true);
        }
        let first_read = inner.first_read.take().filter(|_| version <= Version::HTTP_11);
        let arrival = first_read.unwrap_or_else(|| inner.now_less_lag());
        UnderWay { arrival, stamp: self.clone() }
    }

    fn saw_bytes(&self, bytes: &[u8]) {
        if self.0.busy.get() == 0 && self.0.first_read.get().is_none() {
            self.0.first_read.set(Some(self.0.now_less_lag()));
            self.0.next_turn();
            if bytes.starts_with(HTTP2) {
                self.0.http2.set(true);
            }
        }
    }

    /// How long the peer may let us wait now; none: as long as it likes. HTTP/2 has pings for that.
    fn patience(&self, limits: &ConnectionLimits) -> Option<Duration> {
        let inner = &self.0;
        if inner.busy.get() > 0 || inner.http2.get() {
            None
        } else if inner.first_read.get().is_some() {
            Some(limits.head_time)
        } else {
            Some(limits.idle_time)
        }
    }
}

impl Inner {
    fn next_turn(&self) {
        self.turn.set(self.turn.get().wrapping_add(1));
    }

    fn now_less_lag(&self) -> Monotonic {
        Monotonic(self.clock.monotonic().0.saturating_sub(self.lag.get()))
    }
}

/// A request under way; it ends when this is dropped, also when the peer gave it up.
pub(super) struct UnderWay {
    pub(super) arrival: Monotonic,
    stamp: Stamp,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let busy = &self.stamp.0.busy;
        busy.set(busy.get().saturating_sub(1));
        self.stamp.0.next_turn();
    }
}

/// A socket that tells its [`Stamp`] of reads and fails when the peer keeps it waiting too long.
pub(super) struct Stamped<T> {
    socket: T,
    stamp: Stamp,
    limits: ConnectionLimits,
    /// When the wait of this turn is over.
    timer: Option<(u64, Pin<Box<Sleep>>)>,
}

impl<T> Stamped<T> {
    pub(super) fn new(socket: T, stamp: Stamp, limits: ConnectionLimits) -> Self {
        Self { socket, stamp, limits, timer: None }
    }

    /// Whether the peer has kept us waiting too long; else the task is woken when it has.
    fn is_late(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(patience) = self.stamp.patience(&self.limits) else {
            return false;
        };
        let turn = self.stamp.0.turn.get();
        let (set_in, timer) = self.timer.get_or_insert_with(|| (turn, Box::pin(sleep(patience))));
        if *set_in != turn {
            *set_in = turn;
            timer.as_mut().reset(Instant::now() + patience);
        }
        timer.as_mut().poll(cx).is_ready()
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Stamped<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buf);
        match buf.filled().get(before..) {
            Some(read) if polled.is_ready() && !read.is_empty() => self.stamp.saw_bytes(read),
            _ if polled.is_pending() && self.is_late(cx) => {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            _ => {}
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Stamped<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }
}
