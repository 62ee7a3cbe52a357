//! Pace: how fast money is spent, beside how much there is.
//!
//! Leases alone say what may be spent at most; nothing here can make that more. The ledger's half, the [`Controller`], knows what
//! all bidders together have spent and hold. A few times a second it compares that with the [`Plan`] of each line item's day
//! and gives every bidder a [`Rate`]; bidders let bids through a bucket of tokens that fills at that rate.
//!
//! ```text
//!   speed = (plan a little ahead - expected spend) / that time     between an eighth of the plan's speed and twice it
//!   expected spend = spent + share x fresh holds                   share: of held money that gets charged, learnt
//!   rate of holds = speed / share, split among bidders by what they could use
//! ```
//!
//! * What a hold makes of the plan is counted when it is made, not when its notice comes minutes later: so the controller does not
//!   wait for billing, and does not order twice what is under way ([`Learnt`]).
//! * A rate is in force until the next is heard. A ledger that is away changes nothing until leases run out.
//! * The state is the books, [`Learnt`] and what bidders report anew as sums: a controller that is started again goes on.
//!
//! All of it is integers: two ledgers with the same books give the same rates.

mod amount;
mod controller;
mod law;
mod learnt;
mod money;
mod parts;
mod plan;
mod profile;
#[cfg(test)]
mod tests;
mod tokens;

pub use amount::Rate;
pub use controller::{Controller, Course, Want};
pub use learnt::Learnt;
pub use plan::{Plan, Profile, QUARTERS, Span};
pub use profile::DayTraffic;
pub(crate) use tokens::Tokens;
