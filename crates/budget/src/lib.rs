//! Who may spend and deliver how much: budgets, capacities, leases, holds and their settlement, as synchronous state machines that are given
//! the time and do no I/O. The ledger role runs [`Books`] over its database, bidders run a [`Wallet`]; the
//! simulation runs both.
//!
//! ```text
//!            grant                 hold                  notice
//!   free ───────────▶ leased ───────────────▶ held ───────────────▶ spent
//!    ▲                  │ ▲                     │
//!    └── give back, ────┘ └── released: lost, ──┘
//!        lease closed         or its time is over
//! ```
//!
//! * A line item's lease takes its amount out of six accounts at once: line item, campaign and advertiser, each for
//!   the day and for ever. In every account `limit = free + leased + held + spent` after every step.
//! * A bidder bids only out of leases, and holds the most that a bid can cost until the bid's hold ends.
//! * The ledger alone decides when a hold is over. Its *watermark* says up to which second: holds that end at or before
//!   it are resolved for good, and what was held and not charged is the bidder's again. A notice that comes after that is
//!   paid out of what is free, and what is not covered is counted and never billed: that is how spend stays within budgets
//!   whatever messages, machines and clocks do. So is one of a bid that was made while there was no limit.
//! * Every message carries absolute sums, so it may be lost, repeated and reordered.
//! * A bidder that is silent for longer than its session is valid stops by its own clock before the ledger takes the
//!   session to be over, and its leases return when the longest hold made under them is over.
//!
//! Amounts are in the [`Unit`] of their account and lease: nanos of the advertiser's currency, or whole impressions. [`Nanos`](tagbid_types::Nanos) is the type
//! of both, since amounts are only moved and compared here, and those of one unit with each other alone. A capacity is a budget of
//! impressions: a bid holds what it stands for beside what it can cost, and nobody bids without either where there is a limit.
//!
//! Times are the ledger's: seconds of one clock that the ledgers
//! of a database share and that never goes back ([`Timestamp`](tagbid_types::Timestamp)); bidders estimate it
//! ([`LedgerTime`]).
#![deny(missing_docs, clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::float_cmp)]
#![deny(clippy::wildcard_enum_match_arm)]

mod account;
mod books;
mod lease;
pub mod life;
pub mod pace;
mod time;
mod wallet;

pub use account::{Account, AccountId, Owner, Period, Pot, Unit};
pub use books::{
    Advanced, Ask, Beat, Books, Changes, Charge, Grant, Refusal, Release, Session, SessionOver, Settled,
    Source, Stand, Terms, Update,
};
pub use lease::{Bucket, Epoch, Lease, LeaseId, Line, Second};
pub use time::{LedgerClock, LedgerTime};
pub use wallet::{
    Demand, Empty, Fund, Funds, Hold, Holds, Missing, Pocket, Pockets, Policy, Price, Today, Wallet,
};
