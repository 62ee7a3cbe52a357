//! Decode: from the bytes of a body to a request, within limits.

use std::io::Read;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use tagbid_openrtb::{Limits, Request, from_json, from_protobuf};
use tagbid_types::NoBidReason;

use crate::settings::Options;

/// How a request is written, and therefore its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// JSON.
    #[default]
    Json,
    /// Protobuf, package com.iabtechlab.openrtb.v2.
    Protobuf,
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// Not at all.
    #[default]
    Identity,
    /// gzip (RFC 1952).
    Gzip,
    /// Zstandard (RFC 8878).
    Zstd,
}

/// A body that gets a 400 (or 413): the reason, and in words what is wrong with which member and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// For metrics and `nbr`.
    pub(crate) reason: NoBidReason,
    /// For people.
    pub(crate) message: String,
}

/// Reads the request. Everything lives in the body or the arena.
pub(crate) fn decode<'a>(
    body: &'a [u8],
    format: Format,
    encoding: Encoding,
    options: &Options,
    arena: &'a Bump,
) -> Result<Request<'a>, Refusal> {
    let body = inflate(body, encoding, options, arena)?;
    let limits = Limits::default();
    let read = match format {
        Format::Json => from_json(body, arena, limits),
        Format::Protobuf => from_protobuf(body, arena, limits),
    };
    read.map_err(|error| Refusal { reason: error.reason(), message: error.to_string() })
}

/// The plain bytes of a body.
fn inflate<'a>(
    body: &'a [u8],
    encoding: Encoding,
    options: &Options,
    arena: &'a Bump,
) -> Result<&'a [u8], Refusal> {
    // A small body may unfold further: 20 times a few bytes is no danger, and an empty gzip frame alone has 20.
    let most = options.inflated_bytes.min(body.len().saturating_mul(options.inflate_ratio).max(64 * 1024));
    match encoding {
        Encoding::Identity => Ok(body),
        Encoding::Gzip => bounded(flate2::read::MultiGzDecoder::new(body), most, "gzip", arena),
        Encoding::Zstd => {
            let decoder = zstd::stream::read::Decoder::with_buffer(body)
                .map_err(|error| unreadable("zstd", &error.to_string()))?;
            bounded(decoder, most, "zstd", arena)
        }
    }
}

/// Reads at most `most` bytes into the arena; a bomb is refused after them.
fn bounded<'a>(mut from: impl Read, most: usize, name: &str, arena: &'a Bump) -> Result<&'a [u8], Refusal> {
    let mut plain = ArenaVec::with_capacity_in(8 * 1024, arena);
    let mut chunk = [0; 8 * 1024];
    loop {
        let read = from.read(&mut chunk).map_err(|error| unreadable(name, &error.to_string()))?;
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return Ok(plain.into_bump_slice());
        };
        if plain.len() + bytes.len() > most {
            let message =
                format!("body unfolds to more than {most} bytes of {name}: send less, or uncompressed");
            return Err(Refusal { reason: NoBidReason::TooLarge, message });
        }
        plain.extend_from_slice_copy(bytes);
    }
}

fn unreadable(name: &str, problem: &str) -> Refusal {
    let message = format!("body is not readable {name}: {problem}; check content-encoding");
    Refusal { reason: NoBidReason::InvalidRequest, message }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const REQUEST: &[u8] = br#"{"id":"r","imp":[{"id":"1","banner":{"w":300,"h":250}}],"site":{"id":"s"}}"#;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(body: &[u8], encoding: Encoding) -> Result<String, Refusal> {
        let arena = Bump::new();
        decode(body, Format::Json, encoding, &Options::default(), &arena).map(|request| request.id.to_owned())
    }

    #[test]
    fn the_same_request_is_read_however_it_is_compressed() {
        assert_eq!(read(REQUEST, Encoding::Identity).unwrap(), "r");
        assert_eq!(read(&gzip(REQUEST), Encoding::Gzip).unwrap(), "r");
        assert_eq!(read(&zstd::encode_all(REQUEST, 3).unwrap(), Encoding::Zstd).unwrap(), "r");
    }

    #[test]
    fn a_bomb_is_refused_before_it_unfolds() {
        let bomb = gzip(&vec![b' '; 64 << 20]);
        let refusal = read(&bomb, Encoding::Gzip).unwrap_err();
        assert_eq!(refusal.reason, NoBidReason::TooLarge);
        assert!(refusal.message.contains("unfolds"), "{}", refusal.message);
    }

    #[test]
    fn a_body_that_is_not_what_its_header_says_is_told_so() {
        let refusal = read(REQUEST, Encoding::Gzip).unwrap_err();
        assert!(refusal.message.contains("content-encoding"), "{}", refusal.message);
        assert_eq!(read(&gzip(REQUEST), Encoding::Identity).unwrap_err().reason, NoBidReason::InvalidRequest);
    }
}
