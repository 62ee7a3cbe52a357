//! The event log over real files: what is acknowledged is read back, whatever happens to the process or the disk.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod crash;
mod damage;
mod fixture;
mod follow;
mod privacy;
mod reading;
mod writing;
