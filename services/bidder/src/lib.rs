//! The bidder role: from an exchange's bid request to a bid.
//!
//! `path` is the bid path, readable top to bottom; `http` and `grpc` are its two faces; `book` is the catalog as the
//! path reads it; `adapt` turns a request into what targeting reads; `gates` and `markup` know creatives.

mod adapt;
mod book;
mod caps;
mod compress;
mod door;
mod explain;
mod funnel;
mod gates;
mod grpc;
mod http;
mod identity;
mod markup;
pub mod metrics;
mod money;
mod observed;
mod overload;
mod path;
mod reach;
mod service;
pub mod settings;
mod shared;
mod traffic;
mod worker;

pub use grpc::BidderGrpc;
pub use http::{BID_PATH, HttpWorker};
pub use service::{Bidder, WorkerCall};
pub use settings::Options;
pub use shared::{Parts, SampledBids};
pub use worker::StartError;

#[cfg(test)]
mod tests;
