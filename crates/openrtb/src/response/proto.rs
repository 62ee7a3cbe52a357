//! Responses as protobuf, with the numbers of `proto/openrtb/v2/openrtb.proto`.

use super::{Bid, Response, SeatBid};

/// Appends the response. Absent members are left out; so are empty lists.
pub(super) fn response(response: &Response<'_>, out: &mut Vec<u8>) {
    bytes(1, response.id.as_bytes(), out);
    for bids in response.seatbid {
        nested(2, out, |out| seat(bids, out));
    }
    text(3, response.bidid, out);
    text(4, response.cur, out);
    integer(6, response.nbr, out);
}

fn seat(seat: &SeatBid<'_>, out: &mut Vec<u8>) {
    for offer in seat.bid {
        nested(1, out, |out| bid(offer, out));
    }
    text(2, seat.seat, out);
}

fn bid(bid: &Bid<'_>, out: &mut Vec<u8>) {
    bytes(1, bid.id.as_bytes(), out);
    bytes(2, bid.impid.as_bytes(), out);
    tag(3, FIXED64, out);
    out.extend_from_slice(&bid.price.to_f64().to_le_bytes());
    text(4, bid.adid, out);
    text(5, bid.nurl, out);
    text(6, bid.adm, out);
    texts(7, bid.adomain, out);
    text(8, bid.iurl, out);
    text(9, bid.cid, out);
    text(10, bid.crid, out);
    packed(11, bid.attr, out);
    text(13, bid.dealid, out);
    text(14, bid.bundle, out);
    texts(15, bid.cat, out);
    integer(16, bid.w, out);
    integer(17, bid.h, out);
    integer(18, bid.api, out);
    integer(19, bid.protocol, out);
    integer(20, bid.qagmediarating, out);
    integer(21, bid.exp, out);
    text(22, bid.burl, out);
    text(23, bid.lurl, out);
    text(25, bid.language, out);
    integer(28, bid.slotinpod, out);
    integer(30, bid.cattax, out);
    packed(31, bid.apis, out);
    integer(32, bid.dur, out);
    integer(33, bid.mtype, out);
}

const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;

fn tag(number: u64, kind: u64, out: &mut Vec<u8>) {
    varint(number << 3 | kind, out);
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bytes(number: u64, value: &[u8], out: &mut Vec<u8>) {
    tag(number, BYTES, out);
    varint(value.len() as u64, out);
    out.extend_from_slice(value);
}

fn text(number: u64, value: Option<&str>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        bytes(number, value.as_bytes(), out);
    }
}

fn texts(number: u64, values: &[&str], out: &mut Vec<u8>) {
    for value in values {
        bytes(number, value.as_bytes(), out);
    }
}

/// int32 on the wire: negative numbers are sign-extended to 64 bits.
fn integer(number: u64, value: Option<impl Into<i64>>, out: &mut Vec<u8>) {
    if let Some(value) = value {
        tag(number, VARINT, out);
        varint(value.into() as u64, out);
    }
}

fn packed(number: u64, values: &[i32], out: &mut Vec<u8>) {
    if !values.is_empty() {
        nested(number, out, |out| values.iter().for_each(|value| varint(i64::from(*value) as u64, out)));
    }
}

/// Writes a message behind its length. The length is known only afterwards, so it is written behind and turned
/// to the front: cheaper than walking the message twice.
fn nested(number: u64, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    tag(number, BYTES, out);
    let start = out.len();
    write(out);
    let len = out.len() - start;
    varint(len as u64, out);
    if let Some(message) = out.get_mut(start..) {
        message.rotate_left(len);
    }
}
