//! One suite that every store passes, and what each store promises beyond it.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod conformance;
mod memory;
mod redis;
