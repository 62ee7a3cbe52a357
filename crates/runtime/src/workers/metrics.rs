//! Metrics of the workers, by name.

use std::fmt;
use std::sync::atomic::Ordering;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::WorkerStats;
use crate::metrics::{encode_counter, encode_gauge};

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
        Ok(())
    }
}
