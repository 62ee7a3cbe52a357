//! Ports for servers that must be told theirs.

use std::net::TcpListener;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the range that Linux hands out to outgoing connections and to port 0 (32768 and up): nothing that
/// merely connects can take the port between this answer and its use.
const RANGE: std::ops::Range<u32> = 15_000..32_000;

/// A port of 127.0.0.1 that nobody listens on, never given twice by one process.
///
/// Another process may still take it first, so prefer port 0 wherever the server can tell what it got; test
/// processes begin at different places of the range to keep out of each other's way.
///
/// # Panics
/// When every port is taken.
#[expect(clippy::panic, reason = "a machine without a free port runs no test")]
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let size = RANGE.end - RANGE.start;
    // An odd stride spreads neighbouring process ids over the range.
    let start = process::id().wrapping_mul(7919);
    for _ in 0..size {
        let offset = start.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % size;
        let Ok(port) = u16::try_from(RANGE.start + offset) else {
            continue;
        };
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port in {RANGE:?}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ports_are_free_and_never_given_twice() {
        let ports: HashSet<u16> = (0..50).map(|_| free_port()).collect();
        assert_eq!(ports.len(), 50);
        let port = free_port();
        TcpListener::bind(("127.0.0.1", port)).unwrap();
    }
}
