//! The bytes of a segment. Pure: slices in, slices out.
//!
//! ```text
//! segment: header, header again, sources, sources again, records, end
//! header:  "tagbid events\n", version u16, salt u64, first position u64, created i64 (microseconds since 1970),
//!          20 bytes of zero, CRC u32 of what stands before it: 64 bytes
//! frame:   length of the payload u32, kind u8, position u64, CRC u32 of the payload,
//!          CRC u32 of the salt and the 17 bytes before: 21 bytes; payload
//! kinds:   1 a record of `tagbid.events.v1`, at its position;
//!          2 where each source stands before the position: a log is opened by reading its last segment alone;
//!          3 the end: a summary, at the position that the next segment begins with
//! ```
//! Numbers are little-endian; CRC is CRC-32C (Castagnoli; RFC 3720, appendix B.4). What a whole segment hangs on stands
//! twice, so one flipped byte costs one record at most. The salt is random for each segment: whoever finds his way after
//! damage looks for the next frame at every byte, and must not take for one what an exchange wrote into an id, nor
//! what a disk left of an older file.

mod end;
mod frame;
mod header;
#[cfg(test)]
mod tests;

pub(crate) use end::{END_FRAME, Summary};
pub(crate) use frame::{FRAME, FrameKind, MAX_FRAME, Step, push, step};
pub(crate) use header::{HEADER, HEADERS, Header, HeaderError};

/// The array at the front of a slice, and the rest.
fn take<'a, const N: usize>(from: &mut &'a [u8]) -> Option<&'a [u8; N]> {
    let (taken, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(taken)
}
