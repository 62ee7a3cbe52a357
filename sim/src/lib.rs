//! A seeded simulation of budgets and notices: bidders, ledgers over one database, an exchange, and between them a network
//! that loses, delays, repeats and reorders, on machines that crash, stand still and have wrong clocks.
//!
//! The machines run the real state machines of `tagbid-budget`; only what is around them is simulated. Everything that
//! happens is drawn from one seed, so a seed replays: [`run`] gives the same [`Outcome`], and the same trace to the byte.
//! After every transaction the books are made again from what was written, and checked (`check.rs`).
//!
//! A simulation that finds nothing proves nothing unless it finds what is there: [`Bug`] plants faults that it has to find.

mod bidder;
mod bug;
mod check;
mod database;
mod exchange;
mod ledger;
mod net;
pub mod pacing;
mod seeds;
mod setup;
mod trace;
mod world;

pub use bug::Bug;
pub use check::Violation;
pub use seeds::{report, run_all};
pub use world::{Outcome, Totals, hold, run, starve};
