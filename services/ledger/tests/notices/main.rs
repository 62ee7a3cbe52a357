//! Notices as exchanges and browsers really send them: over sockets, twice, out of order, forged, too late, and while
//! the database is away; and leases as bidders really ask for them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod asking;
mod balances;
mod converting;
mod counting;
mod delivery;
mod faults;
mod harness;
mod holding;
mod leasing;
mod logging;
mod reporting;
