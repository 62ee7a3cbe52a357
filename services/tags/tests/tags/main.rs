//! One suite that every store passes, what each store promises beyond it, and the role as its callers see it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod cluster;
mod conformance;
mod faults;
mod fixture;
mod frequency;
mod grpc;
mod ingest;
mod loads;
mod lookups;
mod memory;
mod metrics;
mod nodes;
mod packed;
mod people;
mod persons;
mod reach;
mod reconnect;
mod redis;
mod registry;
mod resumes;
mod service;
mod snapshots;
mod stage;
mod stream;
mod suppression;
mod versions;
