//! Our own pull reader of JSON.
//!
//! It borrows strings from the body, or unescapes them into the arena. It recurses only along OpenRTB's own
//! types; whatever is unknown is skipped in a loop, so no body can use up the stack. It takes what `serde_json`
//! takes, and beyond that:
//! - a byte order mark before the value;
//! - control characters inside strings;
//! - half of a surrogate pair, and bytes that are not UTF-8: both become U+FFFD, with a note.
//!
//! Nesting beyond [`crate::Limits::depth`] is refused.
//!
//! `cargo bench -p tagbid-openrtb`, one core of an AMD EPYC shared with other work: a banner request of 1.6 KB takes
//! about 3 µs, validation included, 0.4 of the time in which `serde_json` builds a `Value` of it; a native one, whose
//! inner request is unescaped and read too, 0.5; a video one 0.3.

mod number;
mod reader;
mod skip;
mod text;

pub(crate) use number::{in_text, to_f64, to_i64};
pub(crate) use reader::{Reader, Token};
