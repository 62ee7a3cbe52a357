//! The ledger role: notices in, spend out.
//!
//! A notice goes through five short steps: [`http`](Service::http) finds kind and token in the URL, the token is
//! opened, `judge` decides what it costs, the queue gathers what is waiting into one transaction, and only when that
//! is on disk does the exchange get its 200. The database's unique key decides what is a duplicate, so any number
//! of ledgers may share one PostgreSQL.
//!
//! Conversions go the same way, and are credited to a click or a view; reports are sums that are kept in the same transactions. What
//! is kept goes on into the event log, if there is one (`outbox`).
//!
//! What was billed is counted for its user, where consent allows: a row is written with the notice, and `counting`
//! tells the tag store until it has it.
//!
//! Leases go the same way: whatever changes money is work for the one writer of `queue`, and a transaction of `store` does it
//! on the books of `tagbid_budget`.
#![deny(missing_docs)]

mod catalog;
mod clicks;
mod conversion;
mod counting;
mod flows;
mod grpc;
mod holds;
mod http;
mod judge;
mod leases;
mod limits;
mod metrics;
mod options;
mod outbox;
mod pace;
mod people;
mod prices;
mod queue;
mod service;
mod standing;
mod stats;
mod store;
mod wins;
mod work;

pub use options::{Exchange, Options};
pub use service::{Needs, Service, StartError};
pub use stats::{BATCH_BOUNDS, Batches, ByKind, Conversions, Stats};
