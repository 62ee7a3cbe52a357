//! The tags role: from a user key to what is known of the user, before the auction's deadline.
//!
//! A lookup goes `grpc` or [`Service::lookup_source`] ▸ `lookup` (deadline, previous key) ▸ [`store`]. A write goes
//! `grpc` (raw ids become keys, tags are checked against the registry) ▸ [`TagWriter`](tagbid_ports::TagWriter)
//! (blobs are checked) ▸ [`store`]; an event `grpc` ▸ `ingest` (which tag it means) ▸ [`store`]; an impression of the ledger's
//! `counter` ▸ [`store`]. Raw ids end here: nothing behind `grpc` ever sees one.
#![deny(missing_docs)]

mod counter;
mod grpc;
mod ingest;
mod listed;
mod lookup;
mod metrics;
mod options;
mod pace;
mod people;
mod readiness;
mod registry;
mod sample;
mod service;
pub mod store;
mod suppression;
mod versions;
mod writer;

pub use metrics::{DatasetStats, Stats};
pub use options::{Options, StoreKind};
pub use registry::CatalogRegistry;
pub use sample::KeySample;
pub use service::{Ports, Service, StartError};
