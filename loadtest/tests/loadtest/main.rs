//! The load tester against servers of which the truth is known, over real sockets.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "who has no browser should hear of it")]

mod browser;
mod commands;
mod grpc;
mod notices;
mod servers;
mod truth;
