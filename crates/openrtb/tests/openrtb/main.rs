//! Requests through the public functions: stories, oracles, hostile inputs, fuzzing.
#![expect(clippy::unwrap_used, reason = "a test fails loudly")]

mod both_formats;
mod fuzz;
mod hostile;
mod json_oracle;
mod protobuf;
mod refusals;
mod restrictions;
mod stories;

use bumpalo::Bump;
use tagbid_openrtb::{DecodeError, Limits, Request, from_json};

/// Decodes a body that must be accepted.
fn decode<'a>(body: &'a str, arena: &'a Bump) -> Request<'a> {
    from_json(body.as_bytes(), arena, Limits::default()).unwrap()
}

/// Decodes a body that must be refused.
fn refuse(body: &[u8]) -> DecodeError {
    from_json(body, &Bump::new(), Limits::default()).unwrap_err()
}

/// A request with one banner and these further members at the top.
fn with(members: &str) -> String {
    format!(r#"{{"id":"r","imp":[{{"id":"1","banner":{{}}}}],{members}}}"#)
}

/// A request with one banner impression that has these further members.
fn with_imp(members: &str) -> String {
    format!(r#"{{"id":"r","imp":[{{"id":"1","banner":{{}},{members}}}]}}"#)
}
