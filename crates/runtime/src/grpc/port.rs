//! Connections of a gRPC port, under the same limits as those of the workers.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::stream::unfold;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Sleep, sleep};
use tokio_stream::Stream;
use tonic::transport::server::{Connected, TcpConnectInfo};

use crate::guarded::Guarded;
use crate::limits::LimitOptions;
use crate::metrics::{encode_counter, encode_gauge};
use crate::places::{Place, Places};

/// With so many bytes an HTTP/2 connection begins (RFC 9113 section 3.4); a TLS one with more.
const BEGINNING: usize = 24;

/// How long accepting waits after a failure: out of file descriptors, most likely.
const PAUSE: Duration = Duration::from_millis(20);

/// A gRPC port's limits, and how full it is.
#[derive(Clone, Debug)]
pub struct Port {
    pub(super) limits: LimitOptions,
    places: Arc<Places>,
}

impl Port {
    /// An empty port.
    pub fn new(limits: &LimitOptions) -> Self {
        let places = Places::new(limits.connections, limits.connections_per_peer);
        Self { limits: limits.clone(), places }
    }

    /// What comes in, and has a place.
    pub(super) fn incoming(&self, listener: TcpListener) -> impl Stream<Item = io::Result<Limited>> + use<> {
        unfold((listener, self.clone()), async move |(listener, port)| {
            loop {
                match listener.accept().await {
                    Ok((socket, peer)) => {
                        let place = port.places.take(peer.ip()).filter(|_| socket.set_nodelay(true).is_ok());
                        if let Some(place) = place {
                            let limited = Limited::new(socket, &port.limits, place);
                            return Some((Ok(limited), (listener, port)));
                        }
                    }
                    Err(error) => {
                        tracing::warn!(%error, "accept failed on the gRPC port");
                        sleep(PAUSE).await;
                    }
                }
            }
        })
    }
}

impl Default for Port {
    fn default() -> Self {
        Self::new(&LimitOptions::default())
    }
}

impl Collector for Port {
    fn encode(&self, mut to: DescriptorEncoder) -> fmt::Result {
        let open = i64::try_from(self.places.open()).unwrap_or(i64::MAX);
        encode_gauge(&mut to, "tagbid_grpc_connections", "gRPC connections open now", open)?;
        let help = "gRPC connections closed at once by a limit";
        encode_counter(&mut to, "tagbid_grpc_connections_refused", help, self.places.refused())
    }
}

/// A connection with a place, whose peer has to say something soon.
#[derive(Debug)]
pub(super) struct Limited {
    socket: Guarded,
    /// Runs until enough was read to know that somebody is there.
    silence: Option<Pin<Box<Sleep>>>,
    read: usize,
    _place: Place,
}

impl Limited {
    fn new(socket: TcpStream, limits: &LimitOptions, place: Place) -> Self {
        let silence = Some(Box::pin(sleep(limits.head_time())));
        Self { socket: Guarded::new(socket, limits.unread_time()), silence, read: 0, _place: place }
    }
}

impl Connected for Limited {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.socket.socket().connect_info()
    }
}

impl AsyncRead for Limited {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.socket).poll_read(cx, buf);
        if let Some(silence) = &mut self.silence {
            if polled.is_pending() && silence.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            self.read += buf.filled().len() - before;
            if self.read >= BEGINNING {
                self.silence = None;
            }
        }
        polled
    }
}

impl AsyncWrite for Limited {
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
