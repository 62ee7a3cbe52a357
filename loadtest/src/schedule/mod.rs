//! When each request is due: decided before the first is sent, whatever the server does.

mod arrivals;
mod rate;

use std::sync::Arc;
use std::time::Duration;

pub use arrivals::Spacing;
pub use rate::{DEFAULT_LENGTH, Rate, Segment};

use arrivals::Arrivals;

/// The times at which requests are due, from the start of the run.
#[derive(Clone, Debug, PartialEq)]
pub enum Schedule {
    /// By a rate.
    ByRate {
        /// How it goes over time.
        rate: Rate,
        /// How arrivals lie within it.
        spacing: Spacing,
        /// Decides Poisson's arrivals.
        seed: u64,
    },
    /// At the times of a recording, in rising order.
    Recorded {
        /// From the recording's first request.
        times: Arc<[Duration]>,
    },
}

impl Schedule {
    /// Evenly spaced at one rate.
    pub fn steady(per_second: f64, length: Duration) -> Self {
        Self::ByRate { rate: Rate::steady(per_second, length), spacing: Spacing::Even, seed: 0 }
    }

    /// Every request's time, in rising order.
    pub fn times(&self) -> Box<dyn Iterator<Item = Duration> + '_> {
        match self {
            Self::ByRate { rate, spacing, seed } => Box::new(Arrivals::new(rate, *spacing, *seed)),
            Self::Recorded { times } => Box::new(times.iter().copied()),
        }
    }

    /// How long it is.
    pub fn length(&self) -> Duration {
        match self {
            Self::ByRate { rate, .. } => rate.length(),
            // The last request belongs to it.
            Self::Recorded { times } => {
                times.last().map_or(Duration::ZERO, |last| *last + Duration::from_millis(1))
            }
        }
    }

    /// The same after a time at its first rate, in which the server warms up. A recording is not to be stretched.
    pub fn after_warmup(&self, warmup: Duration) -> Self {
        match self {
            Self::ByRate { rate, spacing, seed } => {
                Self::ByRate { rate: rate.after_warmup(warmup), spacing: *spacing, seed: *seed }
            }
            Self::Recorded { times } => {
                Self::Recorded { times: times.iter().map(|time| *time + warmup).collect() }
            }
        }
    }
}
