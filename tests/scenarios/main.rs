//! Scenarios: the `tagbid` binary as its users meet it, over real sockets, with real Redis and PostgreSQL. Each test
//! starts a deployment of its own; nothing is shared and nothing sleeps but the pace of an experiment.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a scenario that cannot go on should fail loudly")]
#![expect(clippy::print_stdout, reason = "figures of faults are for whoever runs them")]

mod advertiser;
mod bidding;
mod budgets;
mod capacity;
mod caps;
mod catalog;
mod collector;
mod deploy;
mod events;
mod exchange;
mod faults;
mod floods;
mod funnel;
mod holds;
mod hostile;
mod leaving;
mod notices;
mod operations;
mod overload;
mod pacing;
mod people;
mod python;
mod reach;
mod reports;
mod separate;
mod snapshots;
mod stack;
mod tags;
mod traces;
