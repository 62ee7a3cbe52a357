//! The event log: what happened to bids, in segment files of one directory.
//!
//! ```text
//! events-00000000000000000001.seg   records from position 1 on: header, frames (module `format`)
//! events-00000000000000004711.seg   the next; the last one is written
//! erased                            whose keys are hidden (module `erased`)
//! lock                              held by the one process that writes
//! ```
//!
//! What holds, whatever dies at whatever moment:
//! - What was appended and acknowledged is read back, once and in order, or named as lost: positions have no gaps, so a
//!   record that is missing shows, and every byte is under a checksum.
//! - Of each source the log knows the last position that it has durably ([`EventLog`] as `EventSink`).
//! - A torn end is cut when the log is opened, and said; damage elsewhere is reported with file and offset, and what
//!   stands behind it is read.
//! - A key that was erased is hidden from every reader, in this process and in others, from when the erasure is
//!   acknowledged; segments are rewritten without it later. So are keys that are too old.
#![deny(missing_docs)]

mod check;
mod dir;
mod erased;
mod error;
mod follow;
mod format;
mod frames;
mod log;
mod metrics;
mod options;
mod query;
mod reader;
mod recover;
mod rewrite;
#[cfg(test)]
mod stress;
mod thread;
mod upkeep;
mod writer;

pub use erased::Erasure;
pub use error::{OpenError, ReadError};
pub use follow::follow_people;
pub use log::EventLog;
pub use options::Options;
pub use query::Query;
pub use reader::{Damage, Item, Logged, Reader, Start};
