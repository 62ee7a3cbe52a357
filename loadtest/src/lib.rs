//! The load tester: an open-loop generator that is honest about itself, CPU accounting, the transport floor, and the
//! bench of the bid path.
//!
//! - [`schedule`] says when requests are due, [`message`] what they are: both before the clock starts.
//! - [`load`] sends them and measures from the *intended* send time, so that a server that stalls cannot hide the
//!   requests that it kept waiting; [`notices`] sends wins, billings, losses and clicks back.
//! - [`record`] is what was seen, in histograms that add up exactly; [`results`] is that as a file, with the reasons for
//!   which it must not be used; [`report`] shows it to people and to HdrHistogram's tools.
//! - [`slo`] is the language of thresholds, [`search`] finds the largest rate that holds one, [`compare`] tells two builds
//!   apart, both as surely as [`stats`] allows.
//! - [`floor`] is what answering costs without deciding anything; its code is frozen.
//! - [`bench`] puts a server and the generator on a core each and compares CPU per request with the floor.
#![deny(missing_docs)]

pub mod bench;
pub mod busy;
pub mod commands;
pub mod compare;
pub mod cpu;
pub mod floor;
pub mod load;
pub mod message;
pub mod notices;
pub mod record;
pub mod report;
pub mod results;
pub mod schedule;
pub mod search;
pub mod server;
pub mod slo;
pub mod stats;
pub mod units;
pub mod view;
