//! Our own reader of protobuf's wire format, with the field numbers of the IAB's openrtb.proto (package
//! com.iabtechlab.openrtb.v2) as `proto/openrtb/v2/openrtb.proto` has them.
//!
//! Like the JSON reader it borrows, recurses only along OpenRTB's own types, and skips what is unknown (groups
//! included) in a loop. Strings that are not UTF-8 are repaired with a note instead of refused.

mod reader;

pub(crate) use reader::{Reader, Wire};
