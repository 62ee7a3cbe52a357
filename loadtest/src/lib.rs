//! The load tester: an open-loop generator that is honest about itself, CPU accounting, the transport floor, and the
//! bench of the bid path.
//!
//! - [`floor`] is what answering costs without deciding anything; its code is frozen.
//! - [`load`] sends at a steady rate and measures from the *intended* send time, so that a server that stalls cannot
//!   hide the requests that it kept waiting.
//! - [`bench`] puts a server and the generator on a core each and compares CPU per request with the floor.
#![deny(missing_docs)]

pub mod bench;
pub mod cpu;
pub mod floor;
pub mod load;
pub mod server;
