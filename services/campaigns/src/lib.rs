//! The campaigns role: what advertisers configure, kept in a database, served over gRPC, and streamed to the other
//! roles in the order of its revisions.
//!
//! A request goes through `grpc` (messages become plain types), `catalog` (rights, checks, one transaction) and `store`
//! (SQLite or PostgreSQL). `feed` follows the database and serves the streams.

mod catalog;
mod check;
mod error;
mod feed;
mod grpc;
mod metrics;
mod options;
mod people;
mod reach;
mod registry;
mod request;
mod rights;
mod service;
mod snapshots;
mod store;

pub use error::CampaignsError;
pub use options::Options;
pub use people::KeysError;
pub use request::Once;
pub use service::{Needs, Service, StartError, start};
pub use store::StoreError;
