//! Hold life: how long the hold of a bid has to last, learnt from how long billing takes.
//!
//! A hold that ends before its billing comes has its bid paid out of what is free, or not at all; one that lasts longer than it needs
//! keeps money from the next bid: at win rate `w` a small budget takes `T/w` for each of its bids where losses are not told. So the
//! [`Learner`] in the ledger counts the delays of all billings, by exchange and kind of place, and tells bidders the
//! life that nearly all of them would have come within.
//!
//! ```text
//!   delay = when it was billed - when its hold began          both by the ledger's clock, in whole seconds
//!   life  = 99.9 % of delays, with 95 % certainty, and a quarter more; 10 s at least, what leases allow at most
//! ```
//!
//! * Late billings count like all others, also those of holds that were over and of bids that are not billed any more.
//! * Only bids with a hold are counted: their token says in the ledger's time when it began, and bidders' own clocks may be wrong.
//! * [`Law::spare`](Law) says how many samples prove what. The first ones of a cell are those of quick
//!   billings, so nothing is concluded before the longest hold has passed.
//! * What was seen counts half after a day, a quarter after two, nothing after eight.
//!
//! All of it is integers: two ledgers with the same rows tell the same lives.

mod buckets;
mod delays;
mod law;
mod learner;
#[cfg(test)]
mod tests;

pub use law::Law;
pub use learner::{Billed, Cell, DelayRow, HoldLives, Known, Learner};
