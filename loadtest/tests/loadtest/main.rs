//! The load tester against servers of which the truth is known, over real sockets.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod commands;
mod grpc;
mod notices;
mod servers;
mod truth;
