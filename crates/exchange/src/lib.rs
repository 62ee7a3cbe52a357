//! A seeded exchange: bid requests, auctions, notices. Used by the demo, the load tester and tests.
//!
//! - [`World`](world::World) is the vocabulary: places, media, devices, deals.
//! - [`Generator`] draws bid requests from it.
#![deny(missing_docs)]

mod dice;
mod generator;
mod json;
pub mod world;

pub use dice::{Dice, Zipf};
pub use generator::{GeneratedRequest, Generator, OpenRtb, Traffic};
