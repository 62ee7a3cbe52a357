//! The result of a run as a file: one JSON document, from which every report can be made again, and which adds up with
//! those of other machines exactly.
//!
//! The schema is that of [`Results`], in which latencies are the base64 text of HdrHistogram's compressed V2 encoding, in
//! microseconds. `figures` says the most asked-for numbers in plain; it is written for readers and ignored when the file is
//! read.

mod figures;
mod validity;

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::notices;
use crate::record::Record;
use crate::units::show_micros;

pub use figures::{QUANTILES, figures};
pub use validity::invalid;

/// The schema's name and version.
pub const SCHEMA: &str = "tagbid-loadtest/1";

/// Waiting longer for a connection is worth a word.
const CONNECTION_WAIT_US: u64 = 1_000;

/// Machines that begin further apart did not send at the same time.
const MACHINES_APART_MS: i64 = 1_000;

/// A result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// [`SCHEMA`].
    pub schema: String,
    /// What the machines had in common.
    pub run: Run,
    /// Who sent.
    pub machines: Vec<Machine>,
    /// What was seen, all machines together.
    pub record: Record,
    /// What became of notices; none: none were to be sent.
    pub notices: Option<notices::Report>,
}

/// What the machines of a result have in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// The bid URL.
    pub url: String,
    /// How requests were encoded.
    pub encoding: String,
    /// Whether requests were due at fixed times. If not, latencies are from the actual send time, and say nothing about
    /// a server that stalls.
    pub open_loop: bool,
    /// How long it was measured, in microseconds.
    pub duration_us: u64,
    /// And not measured before.
    pub warmup_us: u64,
    /// The length of a slice of time.
    pub window_us: u64,
    /// `tmax` of requests that have none.
    pub tmax_us: u64,
    /// Longest wait for an answer.
    pub timeout_us: u64,
}

/// A machine that sent, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Its name.
    pub host: String,
    /// The version of this tool.
    pub version: String,
    /// When it began, in milliseconds since 1970.
    pub started_ms: i64,
    /// The rate, as it may be given again.
    pub rate: String,
    /// How arrivals lay within it.
    pub arrivals: String,
    /// What decided them, the requests and the notices.
    pub seed: u64,
    /// Different requests.
    pub requests: u64,
    /// Their [`crate::message::Messages::fingerprint`].
    pub fingerprint: String,
    /// Connections, and requests at a time on each.
    pub connections: u64,
    /// Requests at a time on a connection.
    pub streams: u64,
    /// Unanswered requests at a time.
    pub in_flight: u64,
    /// Threads.
    pub threads: u64,
    /// Why its figures must not be used; empty: they may.
    pub invalid: Vec<String>,
}

/// Why results cannot be read or merged.
#[derive(Debug, Error)]
pub enum ResultsError {
    /// The file cannot be read or written.
    #[error("{file}: {source}")]
    Io {
        /// Which.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no result of this tool.
    #[error("{file}: not a result of loadtest ({SCHEMA}): {problem}")]
    Schema {
        /// Which.
        file: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// Two results are of different runs.
    #[error("cannot be merged: {what} is {left} in one and {right} in another; use the same on all machines")]
    Different {
        /// What differs.
        what: &'static str,
        /// Its value in the first.
        left: String,
        /// And in another.
        right: String,
    },
    /// The same result twice would count twice.
    #[error("cannot be merged: two of the results are from {host} at the same moment: name each once")]
    Twice {
        /// The machine.
        host: String,
    },
}

impl Results {
    /// Reads a file.
    pub fn read(file: &Path) -> Result<Self, ResultsError> {
        let text = fs::read(file).map_err(|source| ResultsError::Io { file: file.to_owned(), source })?;
        let schema = |problem: String| ResultsError::Schema { file: file.to_owned(), problem };
        let results: Self = serde_json::from_slice(&text).map_err(|error| schema(error.to_string()))?;
        if results.schema != SCHEMA {
            return Err(schema(format!("its schema is {:?}", results.schema)));
        }
        Ok(results)
    }

    /// The JSON document.
    pub fn to_json(&self) -> Value {
        let mut document = serde_json::to_value(self).unwrap_or_default();
        if let Some(members) = document.as_object_mut() {
            members.insert("figures".to_owned(), figures(self));
        }
        document
    }

    /// Adds the result of another machine that sent at the same time.
    pub fn merge(&mut self, other: Self) -> Result<(), ResultsError> {
        same("the URL", &self.run.url, &other.run.url)?;
        same("the encoding", &self.run.encoding, &other.run.encoding)?;
        same("the length in µs", &self.run.duration_us, &other.run.duration_us)?;
        same("the warm-up in µs", &self.run.warmup_us, &other.run.warmup_us)?;
        same("open loop", &self.run.open_loop, &other.run.open_loop)?;
        same("--tmax in µs", &self.run.tmax_us, &other.run.tmax_us)?;
        same("--timeout in µs", &self.run.timeout_us, &other.run.timeout_us)?;
        for machine in &other.machines {
            let known = |own: &&Machine| own.host == machine.host && own.started_ms == machine.started_ms;
            if let Some(twice) = self.machines.iter().find(known) {
                return Err(ResultsError::Twice { host: twice.host.clone() });
            }
        }
        self.machines.extend(other.machines);
        self.record.add(&other.record);
        match (&mut self.notices, other.notices) {
            (Some(own), Some(other)) => own.add(&other),
            (own, other) => *own = own.take().or(other),
        }
        Ok(())
    }

    /// Why its figures must not be used: the word of each machine; empty: they may.
    pub fn invalid(&self) -> Vec<String> {
        let several = self.machines.len() > 1;
        let told = |machine: &Machine, why: &String| {
            if several { format!("{}: {why}", machine.host) } else { why.clone() }
        };
        let machines = self.machines.iter();
        machines.flat_map(|machine| machine.invalid.iter().map(move |why| told(machine, why))).collect()
    }

    /// What a reader should know of figures that may be used.
    pub fn notes(&self) -> Vec<String> {
        let (wait, lag) = (self.record.wait.quantile(0.99), self.record.lag.quantile(0.99));
        let mut notes = Vec::new();
        if self.run.open_loop && wait.saturating_sub(lag) > CONNECTION_WAIT_US {
            notes.push(format!(
                "requests waited up to {} for a free connection (p99): the server was behind, or needs more --connections \
                 to be given all that is due",
                show_micros(wait as f64)
            ));
        }
        let starts = || self.machines.iter().map(|machine| machine.started_ms);
        let apart = starts().max().unwrap_or(0).saturating_sub(starts().min().unwrap_or(0));
        if apart > MACHINES_APART_MS {
            notes.push(format!(
                "machines began {:.1} s apart, and each one's seconds count from its own start: together they never sent what \
                 the sum says",
                apart as f64 / 1e3
            ));
        }
        notes
    }

    /// How long it was measured.
    pub fn seconds(&self) -> f64 {
        self.run.duration_us as f64 / 1e6
    }
}

fn same<T: PartialEq + ToString>(what: &'static str, left: &T, right: &T) -> Result<(), ResultsError> {
    if left == right {
        return Ok(());
    }
    Err(ResultsError::Different { what, left: left.to_string(), right: right.to_string() })
}

#[cfg(test)]
pub(crate) mod tests;
