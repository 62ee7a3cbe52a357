//! When a request arrived, and what its connection is at. A socket that becomes readable while the worker is busy waits
//! until the worker comes to it; that wait counts against `tmax` like any other. So each socket has a bell that the
//! runtime's I/O driver rings, and what is read afterwards arrived when the bell says.

use std::cell::Cell;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::Version;
use tagbid_types::Monotonic;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep};

use super::bell::{Bell, Looks};
use super::{ConnectionLimits, Ended, WorkerStats};
use crate::guarded::{Guarded, Unread};
use crate::overload::Gate;

/// With what an HTTP/2 connection begins (RFC 9113 section 3.4).
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A connection's state: when what was read arrived, how many requests are under way, of which kind they are.
#[derive(Clone)]
pub(super) struct Stamp(Rc<Inner>);

struct Inner {
    /// The first read after the connection was idle.
    first_read: Cell<Option<Monotonic>>,
    last_read: Cell<Monotonic>,
    /// Requests under way: bytes that come meanwhile belong to a body, or to a request that queues behind.
    busy: Cell<usize>,
    /// Changes whenever another wait begins: for a head, for its end, for an answer.
    turn: Cell<u64>,
    http2: Cell<bool>,
    /// Whether its last request was background work.
    background: Cell<bool>,
    /// How many more requests were given up than answered.
    given_up: Cell<u32>,
}

impl Stamp {
    /// Of a connection that was accepted then.
    pub(super) fn new(accepted: Monotonic) -> Self {
        Self(Rc::new(Inner {
            first_read: Cell::new(None),
            last_read: Cell::new(accepted),
            busy: Cell::new(0),
            turn: Cell::new(0),
            http2: Cell::new(false),
            background: Cell::new(false),
            given_up: Cell::new(0),
        }))
    }

    /// The head of a request is complete: when its first byte arrived. Under HTTP/2, where control frames come at any
    /// time, when that arrived of which the head's end is a part.
    pub(super) fn begin(&self, version: Version, background: bool) -> UnderWay {
        let inner = &self.0;
        inner.busy.set(inner.busy.get() + 1);
        inner.next_turn();
        inner.background.set(background);
        if version == Version::HTTP_2 {
            inner.http2.set(true);
        }
        let first_read = inner.first_read.take().filter(|_| version <= Version::HTTP_11);
        let arrival = first_read.unwrap_or_else(|| inner.last_read.get());
        UnderWay { arrival, answered: false, stamp: self.clone() }
    }

    /// Whether the connection's last request was background work.
    pub(super) fn is_background(&self) -> bool {
        self.0.background.get()
    }

    /// The same, or that nothing is known of it yet.
    pub(super) fn may_be_background(&self) -> bool {
        self.0.background.get() || self.0.turn.get() < 2
    }

    fn saw_bytes(&self, bytes: &[u8], arrived: Monotonic) {
        self.0.last_read.set(arrived);
        if self.0.busy.get() == 0 && self.0.first_read.get().is_none() {
            self.0.first_read.set(Some(arrived));
            self.0.next_turn();
            if bytes.starts_with(HTTP2) {
                self.0.http2.set(true);
            }
        }
    }

    /// How long the peer may let us wait now, and what it is then ended for; none: as long as it likes. HTTP/2 has pings
    /// for that.
    fn patience(&self, limits: &ConnectionLimits) -> Option<(Duration, Ended)> {
        let inner = &self.0;
        if inner.busy.get() > 0 || inner.http2.get() {
            None
        } else if inner.first_read.get().is_some() {
            Some((limits.head_time, Ended::SlowHead))
        } else {
            Some((limits.idle_time, Ended::Idle))
        }
    }

    /// Whether reading on may wait: of HTTP/1.1 not in the middle of a request.
    fn is_between(&self) -> bool {
        self.0.busy.get() == 0 || self.0.http2.get()
    }
}

impl Inner {
    fn next_turn(&self) {
        self.turn.set(self.turn.get().wrapping_add(1));
    }
}

/// A request under way; it ends when this is dropped, also when the peer gave it up.
pub(super) struct UnderWay {
    pub(super) arrival: Monotonic,
    answered: bool,
    stamp: Stamp,
}

impl UnderWay {
    /// Ends it with an answer.
    pub(super) fn answered(mut self) {
        self.answered = true;
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let inner = &self.stamp.0;
        inner.busy.set(inner.busy.get().saturating_sub(1));
        let given_up = inner.given_up.get();
        inner.given_up.set(if self.answered { given_up.saturating_sub(1) } else { given_up + 1 });
        inner.next_turn();
    }
}

/// A socket that tells its [`Stamp`] of reads and fails when the peer keeps it waiting too long.
pub(super) struct Stamped {
    socket: Guarded,
    stamp: Stamp,
    limits: ConnectionLimits,
    bell: Arc<Bell>,
    /// Rings the bell.
    waker: Waker,
    /// When the wait of this turn is over.
    timer: Option<(u64, Pin<Box<Sleep>>)>,
    /// Whose share background work is taken out of; none: there is no background work.
    gate: Option<Rc<Gate>>,
    /// Runs while background work has to wait.
    pause: Option<Pin<Box<Sleep>>>,
    stats: Arc<WorkerStats>,
}

impl Stamped {
    pub(super) fn new(
        socket: TcpStream,
        stamp: Stamp,
        limits: ConnectionLimits,
        looks: &Arc<Looks>,
        stats: Arc<WorkerStats>,
    ) -> Self {
        let bell = Bell::new(Arc::clone(looks), stamp.0.last_read.get());
        let waker = Waker::from(Arc::clone(&bell));
        let socket = Guarded::new(socket, limits.unread_time);
        Self { socket, stamp, limits, bell, waker, timer: None, gate: None, pause: None, stats }
    }

    /// The same, with a share of the worker's time for background work.
    pub(super) fn with_gate(self, gate: Option<Rc<Gate>>) -> Self {
        Self { gate, ..self }
    }

    /// Who holds the other end; none when that is gone already.
    pub(super) fn peer(&self) -> Option<IpAddr> {
        self.socket.socket().peer_addr().ok().map(|peer| peer.ip())
    }

    /// What the peer has kept us waiting for too long; else the task is woken when it has.
    fn is_late(&mut self, cx: &mut Context<'_>) -> Option<Ended> {
        let (patience, what) = self.stamp.patience(&self.limits)?;
        let turn = self.stamp.0.turn.get();
        let (set_in, timer) = self.timer.get_or_insert_with(|| (turn, Box::pin(sleep(patience))));
        if *set_in != turn {
            *set_in = turn;
            timer.as_mut().reset(Instant::now() + patience);
        }
        timer.as_mut().poll(cx).is_ready().then_some(what)
    }

    /// Whether background work has had its share, and the next has to wait; the task is woken when it may go on.
    fn has_to_pause(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(gate) = self.gate.as_ref().filter(|_| self.stamp.is_background() && self.stamp.is_between())
        else {
            return false;
        };
        loop {
            if let Some(pause) = &mut self.pause
                && pause.as_mut().poll(cx).is_pending()
            {
                return true;
            }
            let Some(wait) = gate.background_wait() else {
                self.pause = None;
                return false;
            };
            self.pause = Some(Box::pin(sleep(wait)));
        }
    }

    fn end(&self, what: Ended, kind: io::ErrorKind) -> Poll<io::Result<()>> {
        self.stats.end(what);
        Poll::Ready(Err(kind.into()))
    }

    /// Counts a connection that ends because its peer does not read.
    fn written<T>(&self, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if let Poll::Ready(Err(error)) = &outcome
            && error.get_ref().is_some_and(|inner| inner.is::<Unread>())
        {
            self.stats.end(Ended::Unread);
        }
        outcome
    }
}

impl AsyncRead for Stamped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.stamp.0.given_up.get() > this.limits.given_up {
            return this.end(Ended::GivenUp, io::ErrorKind::ConnectionAborted);
        }
        if this.has_to_pause(cx) {
            return Poll::Pending;
        }
        let before = buf.filled().len();
        this.bell.listen(cx.waker());
        let polled = Pin::new(&mut this.socket).poll_read(&mut Context::from_waker(&this.waker), buf);
        match (&polled, buf.filled().get(before..)) {
            (Poll::Ready(Ok(())), Some(read)) if !read.is_empty() => {
                this.stamp.saw_bytes(read, this.bell.answer());
            }
            (Poll::Pending, _) => {
                this.bell.silence();
                if let Some(what) = this.is_late(cx) {
                    return this.end(what, io::ErrorKind::TimedOut);
                }
            }
            _ => {}
        }
        polled
    }
}

impl AsyncWrite for Stamped {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.socket).poll_write(cx, data);
        self.written(outcome)
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
        let outcome = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.written(outcome)
    }
}
