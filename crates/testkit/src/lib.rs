//! What tests stand on: real Redis and PostgreSQL servers, child processes, a clock turned by hand, waiting for
//! conditions. A dev-dependency only; it knows no crate of ours but `tagbid-types`.
//!
//! - [`redis`] and [`postgres`] share one server among all tests of a test binary and give every test a database
//!   of its own, so tests run in parallel and start from nothing.
//! - [`redis_cluster`] lends the one Redis Cluster of a test binary, three primaries and three replicas, to one test
//!   after the other; whatever that one did to it is repaired for the next.
//! - [`RedisServer`] and [`PostgresServer`] are servers of one test alone, for those that stop, freeze or restart
//!   them.
//! - [`Proxy`] stands before a server and makes the way to it slow, silent or broken.
//! - [`http2`] speaks HTTP/2 frame by frame and keeps no rule.
//! - [`Process`] runs one of our binaries, keeps its log for failure messages and fails the test if it panicked.
//! - Whatever was started ends with the test process, also after `kill -9`: see the module `supervisor` for how.
//!
//! Servers that are missing are no reason to skip a test: it fails and names the command that installs them.
#![deny(missing_docs)]

mod clock;
mod cluster;
mod error;
mod find;
pub mod http2;
mod ports;
mod postgres;
mod process;
mod proxy;
mod redis;
mod supervisor;
mod wait;

pub use clock::FakeClock;
pub use cluster::{ClusterLease, RedisCluster, SLOTS, redis_cluster, slot_of};
pub use error::KitError;
pub use ports::free_port;
pub use postgres::{Durability, PostgresDb, PostgresServer, postgres};
pub use process::Process;
pub use proxy::{Proxy, Way};
pub use redis::{RedisDb, RedisServer, redis};
pub use wait::{wait_for, wait_for_async, wait_until, wait_until_async};
