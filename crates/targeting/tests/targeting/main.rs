//! The engines against the oracle, and what the oracle says in plain cases.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

mod agreement;
mod allocations;
mod engines;
mod extremes;
mod generate;
mod large;
mod live;
mod meaning;
mod model;
mod possible;
mod second;
mod second_oracle;
mod updates;
