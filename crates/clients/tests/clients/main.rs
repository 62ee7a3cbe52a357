//! The clients against real servers on real sockets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod lookup;
