//! Metrics of the workers, by name.

use std::fmt;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::WorkerStats;
use crate::metrics::{encode_counter, encode_counters, encode_gauge};

/// What a connection, or a stream of one, was ended for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Ended {
    /// The head of a request did not come in time.
    SlowHead,
    /// Nothing came for as long as a connection may be idle.
    Idle,
    /// What was sent stayed unread.
    Unread,
    /// A request took too long from its head to the end of its answer: its stream alone ended.
    LongStream,
    /// The peer gave up many more requests than were answered.
    GivenUp,
}

impl Ended {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::SlowHead, Self::Idle, Self::Unread, Self::LongStream, Self::GivenUp];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SlowHead => "slow_head",
            Self::Idle => "idle",
            Self::Unread => "unread",
            Self::LongStream => "long_stream",
            Self::GivenUp => "given_up",
        }
    }
}

impl WorkerStats {
    pub(super) fn end(&self, what: Ended) {
        self.ended[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Connections, and streams of HTTP/2 connections, that were ended for this.
    pub fn ended(&self, what: Ended) -> u64 {
        self.ended[what as usize].load(Ordering::Relaxed)
    }
}

impl Collector for WorkerStats {
    fn encode(&self, mut to: DescriptorEncoder) -> fmt::Result {
        let open = i64::try_from(self.connections.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
        encode_gauge(&mut to, "tagbid_connections", "HTTP connections open now", open)?;
        let counters = [
            ("tagbid_connections_accepted", "HTTP connections accepted", &self.accepted),
            ("tagbid_connections_refused", "HTTP connections closed at once by a limit", &self.refused),
            (
                "tagbid_connections_panicked",
                "HTTP connections and HTTP/2 streams lost to a panic",
                &self.panics,
            ),
            ("tagbid_accept_failures", "Sockets that could not be accepted", &self.accept_failures),
        ];
        for (name, help, count) in counters {
            encode_counter(&mut to, name, help, count.load(Ordering::Relaxed))?;
        }
        let ended = Ended::ALL.into_iter().map(|what| ([("why", what.as_str())], self.ended(what)));
        let help = "HTTP connections and HTTP/2 streams ended by a limit, by what was too much";
        encode_counters(&mut to, "tagbid_connections_ended", help, ended)
    }
}
