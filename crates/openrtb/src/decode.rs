//! From bytes to a request.

use bumpalo::Bump;

use crate::json;
use crate::reading::Reading;
use crate::schema::{json_object, proto_message};
use crate::{DecodeError, Limits, Request, validate};

/// Reads a bid request from JSON. It borrows from `body` and `arena`; nothing else is allocated unless something
/// is wrong with it. The caller bounds the length of `body`.
pub fn from_json<'a>(body: &'a [u8], arena: &'a Bump, limits: Limits) -> Result<Request<'a>, DecodeError> {
    let mut reading = Reading::new(arena, limits);
    let mut r = json::Reader::new(body, 0, &mut reading);
    if r.peek() != b'{' {
        return Err(*r.error("expected an object"));
    }
    let mut request = Request::default();
    json_object(&mut request, &mut r).map_err(|fail| *fail)?;
    r.end().map_err(|fail| *fail)?;
    validate::request(request, reading)
}

/// Reads a bid request from protobuf, package com.iabtechlab.openrtb.v2. As [`from_json`].
pub fn from_protobuf<'a>(
    body: &'a [u8],
    arena: &'a Bump,
    limits: Limits,
) -> Result<Request<'a>, DecodeError> {
    let mut reading = Reading::new(arena, limits);
    let mut request = Request::default();
    proto_message(&mut request, body, &mut reading).map_err(|fail| *fail)?;
    validate::request(request, reading)
}
