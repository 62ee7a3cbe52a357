//! What TCF, GPP, us_privacy, COPPA, lmt and dnt allow to be done for a user.
//!
//! [`decide`] reads the signals of one bid request and answers, for each [`Use`](tagbid_types::Use), whether it is
//! allowed and, if not, which signal denied it. What each use needs under each signal stands in one place,
//! [`TABLE`]; what an operator may change about it is [`Policy`].
//!
//! Promises:
//! - Signals add up: a use is allowed only when every signal that applies allows it.
//! - What applies but cannot be read denies, as if the user had refused.
//! - No input panics, allocates, or takes more than one pass over the strings' characters and one over their
//!   fields; every loop ends with its string.
//!
//! It never looks at user ids, keeps nothing, and knows no clock: whether a TC string had to carry the disclosed
//! vendors is told by the string's own date.
//!
//! `cargo bench -p tagbid-consent` times a request from the EU (TC string with 900 vendors as a bit field, 40 vendor
//! ranges under a publisher restriction, disclosed vendors) and one from California (GPP).
#![deny(missing_docs, clippy::indexing_slicing, clippy::string_slice)]

mod bits;
mod decide;
mod denial;
mod jurisdiction;
mod policy;
mod purposes;
mod table;

pub mod gpp;
pub mod tcf;
pub mod us;

pub use bits::DecodeError;
pub use decide::{Decision, Signals, decide};
pub use denial::{Denial, UsReason};
pub use policy::{GdprWhenAbsent, GppWithoutSid, Policy, Setting};
pub use purposes::Purposes;
pub use table::{Need, Row, Signal, TABLE};
