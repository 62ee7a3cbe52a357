//! The engine against the oracle, and what the oracle says in plain cases.

mod agreement;
mod allocations;
mod generate;
mod meaning;
