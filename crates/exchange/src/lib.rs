//! A seeded exchange: bid requests, auctions, notices. Used by the demo, the load tester and tests.
//!
//! - [`World`](world::World) is the vocabulary: places, media, devices, deals.
//! - [`Generator`] draws bid requests from it.
//! - [`check_response`](check::check_response) judges an answer; [`Auctions`](auction::Auctions) decides who wins
//!   and what is called then. Both are pure.
//! - [`Simulator`](simulator::Simulator) does all of it over real sockets, on this machine only.
#![deny(missing_docs)]

pub mod auction;
pub mod check;
mod dice;
mod generator;
mod json;
pub mod markup;
pub mod net;
mod rates;
pub mod simulator;
mod view;
pub mod world;

pub use dice::{Dice, Zipf};
pub use generator::{GeneratedRequest, Generator, OpenRtb, Traffic};
pub use rates::Rates;
