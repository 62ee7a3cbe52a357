//! What peers may make a port hold, as operators set it: the table `[listen.limits]`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Limits of the HTTP port and of the gRPC port, each by itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitOptions {
    /// Open connections. More are closed at once.
    pub connections: usize,
    /// Of these, from one address (IPv6: one /64 network). More are closed at once. 0: no limit of its own.
    pub connections_per_peer: usize,
    /// Requests at once on one HTTP/2 connection.
    pub streams: u32,
    /// Header lines of an HTTP/1.1 request.
    pub headers: usize,
    /// Bytes of a request's head.
    pub head_bytes: usize,
    /// From the first byte of a request's head to its end, in milliseconds; on the gRPC port, from the start of the
    /// connection to HTTP/2's first bytes.
    pub head_ms: u64,
    /// How long an HTTP/1.1 connection may be idle before and between requests, in seconds.
    pub idle_s: u64,
    /// How long a peer may leave what we send unread, in milliseconds, before its connection is ended.
    pub unread_ms: u64,
    /// Longest life of a request on an HTTP/2 connection of the HTTP port, in seconds, from its head to the last byte of its
    /// answer: a peer may keep its window shut for ever otherwise.
    pub stream_s: u64,
    /// How many more requests of a connection may be given up by the peer than are answered, before the connection is ended.
    pub given_up: u32,
}

impl Default for LimitOptions {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_peer: 5_000,
            streams: 256,
            headers: 64,
            head_bytes: 32 * 1024,
            head_ms: 10_000,
            idle_s: 60,
            unread_ms: 10_000,
            stream_s: 30,
            given_up: 256,
        }
    }
}

/// The smallest head that hyper reads.
const LEAST_HEAD: usize = 8 * 1024;

/// A head is held in memory for each connection.
const LARGEST_HEAD: usize = 1024 * 1024;

impl LimitOptions {
    /// What cannot be used, by key, with the remedy.
    pub fn problems(&self) -> Vec<String> {
        let wanted = [
            (self.connections >= 1, "connections", "use at least 1, such as 10000"),
            (self.streams >= 1, "streams", "use at least 1, such as 256"),
            (self.headers >= 8, "headers", "use at least 8: exchanges send some, and so do proxies"),
            (
                (LEAST_HEAD..=LARGEST_HEAD).contains(&self.head_bytes),
                "head_bytes",
                "use 8192 to 1048576, such as 32768",
            ),
            (self.head_ms >= 1, "head_ms", "use at least 1, such as 10000"),
            (self.idle_s >= 1, "idle_s", "use at least 1; exchanges keep connections open between requests"),
            (self.unread_ms >= 1, "unread_ms", "use at least 1, such as 10000"),
            (self.stream_s >= 1, "stream_s", "use at least 1, such as 30"),
            (self.given_up >= 1, "given_up", "use at least 1, such as 256: exchanges give up what is late"),
        ];
        let unwanted = wanted.into_iter().filter(|(ok, ..)| !ok);
        unwanted.map(|(_, key, remedy)| format!("listen.limits.{key}: {remedy}")).collect()
    }

    /// How long the head of a request may take.
    pub fn head_time(&self) -> Duration {
        Duration::from_millis(self.head_ms)
    }

    /// How long what we send may stay unread.
    pub fn unread_time(&self) -> Duration {
        Duration::from_millis(self.unread_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_let_nobody_in_are_named() {
        assert_eq!(LimitOptions::default().problems(), Vec::<String>::new());
        let none = LimitOptions { connections: 0, head_bytes: 100, given_up: 0, ..LimitOptions::default() };
        let problems = none.problems();
        let keys: Vec<_> = problems.iter().filter_map(|problem| problem.split(": ").next()).collect();
        assert_eq!(keys, ["listen.limits.connections", "listen.limits.head_bytes", "listen.limits.given_up"]);
    }
}
