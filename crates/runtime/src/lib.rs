//! What every role runs on: clocks, tasks that drain, authentication, configuration, telemetry, workers.

pub mod auth;
mod clock;
mod tasks;

pub use clock::SystemClock;
pub use tasks::{Drain, Tasks};
