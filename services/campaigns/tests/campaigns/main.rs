//! The campaigns role as its callers meet it: over gRPC, on SQLite and on PostgreSQL.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail loudly")]

mod api;
mod durability;
mod explain;
mod funnel;
mod harness;
mod kinds;
mod operations;
mod people;
mod reach;
mod refusals;
mod registry;
mod snapshots;
mod streams;
mod tenants;
