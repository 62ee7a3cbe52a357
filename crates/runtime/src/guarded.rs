//! A socket whose peer can neither keep a thread to itself nor keep us waiting for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// Reads in a row before others have their turn. A connection whose peer sends faster than we read, control frames of
/// HTTP/2 for example, would keep its thread to itself otherwise: hyper and h2 read on for as long as there is something.
const READS: u8 = 8;

/// A socket with manners. The peer's bytes are passed on unchanged.
#[derive(Debug)]
pub(crate) struct Guarded {
    socket: TcpStream,
    reads: u8,
    unread_time: Duration,
    /// Runs while what we send stays unread.
    unread: Option<Pin<Box<Sleep>>>,
}

impl Guarded {
    /// What is sent may stay unread for so long.
    pub(crate) fn new(socket: TcpStream, unread_time: Duration) -> Self {
        Self { socket, reads: 0, unread_time, unread: None }
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Passes the outcome of a write on, unless the peer has left too much unread for too long.
    fn written<T>(&mut self, cx: &mut Context<'_>, outcome: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.unread = None;
            return outcome;
        }
        let patience = self.unread_time;
        let timer = self.unread.get_or_insert_with(|| Box::pin(sleep(patience)));
        ready!(timer.as_mut().poll(cx));
        Poll::Ready(Err(unread()))
    }
}

/// What ends a connection whose peer does not read.
fn unread() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, Unread)
}

/// The peer does not read what we send.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the peer does not read")]
pub(crate) struct Unread;

impl AsyncRead for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.reads >= READS {
            self.reads = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let polled = Pin::new(&mut self.socket).poll_read(cx, buf);
        self.reads = if polled.is_ready() { self.reads + 1 } else { 0 };
        polled
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, data);
        self.written(cx, written)
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
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, bufs);
        self.written(cx, written)
    }
}
