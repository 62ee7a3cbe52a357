//! What every role runs on: clocks, tasks that drain, authentication, configuration, telemetry, workers.

pub mod admin;
pub mod auth;
mod background;
pub mod breaker;
mod clock;
pub mod database;
pub mod files;
pub mod grpc;
mod guarded;
pub mod limits;
pub mod metrics;
pub mod overload;
mod places;
pub mod process;
pub mod profile;
pub mod sample;
pub mod settings;
pub mod systemd;
mod tasks;
pub mod telemetry;
pub mod trace;
pub mod undecodable;
pub mod workers;

pub use background::{Lost, background};
pub use clock::SystemClock;
pub use tasks::{Drain, Tasks};
