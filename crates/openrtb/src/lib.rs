//! OpenRTB 2.5 and 2.6 requests from JSON or protobuf bytes into one borrowed [`Request`], and responses back.
//!
//! ```text
//! bytes ─▶ json   ┐
//!          proto  ┴▶ schema (one table for both) ─▶ validate ─▶ Request
//! ```
//! Lenient in form: what exchanges send in the wrong type is read where its meaning is plain, else taken as absent
//! and noted. Strict in meaning: what cannot be served is dropped or refused with the member's name.
//! The readers never recurse over what they do not know, never panic, and bound their memory by [`Limits`].
#![deny(missing_docs, clippy::indexing_slicing, clippy::string_slice)]

mod decode;
mod error;
mod json;
mod limits;
pub mod macros;
mod proto;
mod reading;
mod request;
mod response;
mod restriction;
mod schema;
mod validate;

pub use decode::{from_json, from_protobuf};
pub use error::DecodeError;
pub use limits::Limits;
pub use request::*;
pub use response::{Bid, Response, SeatBid};
