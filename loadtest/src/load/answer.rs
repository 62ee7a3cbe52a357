//! What an answer says.

use bytes::Bytes;
use http::HeaderValue;
use prost::Message as _;
use serde::Deserialize;
use serde::de::IgnoredAny;
use tagbid_types::NoBidReason;

use crate::message::Encoding;
use crate::record::Outcome;

/// How closely answers are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// By the status alone: 200 is a bid, 204 none. Costs nothing.
    Status,
    /// By what is in it.
    Content,
}

/// An answer, in the terms of both protocols.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    /// The HTTP status, or the number of the gRPC status.
    pub(super) status: u16,
    /// What the status means.
    pub(super) kind: Kind,
    /// The gRPC status; none over HTTP.
    pub(super) grpc: Option<tonic::Code>,
    /// `x-tagbid-no-bid`.
    pub(super) no_bid: Option<HeaderValue>,
    /// The OpenRTB message.
    pub(super) body: Bytes,
}

/// What a status means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// There is a body to read.
    Answer,
    /// No bid, without a body.
    Empty,
    /// No time.
    Shed,
    /// Anything else.
    Error,
}

impl Kind {
    pub(super) fn of_http(status: u16) -> Self {
        match status {
            200 => Self::Answer,
            204 => Self::Empty,
            429 | 503 => Self::Shed,
            _ => Self::Error,
        }
    }

    pub(super) fn of_grpc(code: tonic::Code) -> Self {
        match code {
            tonic::Code::Ok => Self::Answer,
            tonic::Code::ResourceExhausted => Self::Shed,
            _ => Self::Error,
        }
    }
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    /// As if it had come in time.
    pub(super) outcome: Outcome,
    /// Why there is no bid.
    pub(super) reason: Option<String>,
    /// What is wrong.
    pub(super) error: Option<String>,
}

/// Reads an answer.
pub(super) fn read(reply: &Reply, reading: Reading, encoding: Encoding) -> Read {
    let outcome = match reply.kind {
        Kind::Answer if reading == Reading::Content => return read_content(&reply.body, encoding),
        Kind::Answer => Outcome::Bid,
        Kind::Empty => Outcome::NoBid,
        Kind::Shed => Outcome::Shed,
        Kind::Error => Outcome::Error,
    };
    let error = (outcome == Outcome::Error).then(|| match reply.grpc {
        Some(code) => format!("gRPC status {code:?}"),
        None => format!("status {}", reply.status),
    });
    let reason = reply.no_bid.as_ref().and_then(|value| value.to_str().ok()).map(str::to_owned);
    let overload = reason.as_deref() == Some(NoBidReason::Overload.as_str());
    let outcome = if outcome == Outcome::NoBid && overload { Outcome::Shed } else { outcome };
    Read { outcome, reason, error }
}

fn read_content(body: &[u8], encoding: Encoding) -> Read {
    let found = match encoding {
        Encoding::Json => of_json(body),
        Encoding::Protobuf => of_protobuf(body),
    };
    match found {
        None => Read { outcome: Outcome::Error, reason: None, error: Some("unreadable answer".to_owned()) },
        Some((bids, _)) if bids > 0 => Read { outcome: Outcome::Bid, reason: None, error: None },
        Some((_, nbr)) => {
            Read { outcome: Outcome::NoBid, reason: nbr.map(|nbr| format!("nbr {nbr}")), error: None }
        }
    }
}

/// The number of bids, and `nbr`.
type Found = (usize, Option<i64>);

fn of_json(body: &[u8]) -> Option<Found> {
    #[derive(Deserialize)]
    struct Seat {
        #[serde(default)]
        bid: Option<Vec<IgnoredAny>>,
    }
    #[derive(Deserialize)]
    struct Answer {
        #[serde(default)]
        seatbid: Option<Vec<Seat>>,
        #[serde(default)]
        nbr: Option<i64>,
    }
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let seats = answer.seatbid.unwrap_or_default();
    Some((seats.iter().filter_map(|seat| seat.bid.as_ref()).map(Vec::len).sum(), answer.nbr))
}

/// The fields of BidResponse that matter here, by the numbers of `proto/openrtb/v2/openrtb.proto`; the rest is skipped.
#[derive(Clone, PartialEq, prost::Message)]
struct BinaryAnswer {
    #[prost(message, repeated, tag = "2")]
    seatbid: Vec<BinarySeat>,
    #[prost(int32, optional, tag = "6")]
    nbr: Option<i32>,
}

/// A bid stays as its bytes: that it is there is enough.
#[derive(Clone, PartialEq, prost::Message)]
struct BinarySeat {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    bid: Vec<Bytes>,
}

fn of_protobuf(body: &[u8]) -> Option<Found> {
    let answer = BinaryAnswer::decode(body).ok()?;
    Some((answer.seatbid.iter().map(|seat| seat.bid.len()).sum(), answer.nbr.map(i64::from)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(status: u16, body: &'static [u8]) -> Reply {
        Reply {
            status,
            kind: Kind::of_http(status),
            grpc: None,
            no_bid: None,
            body: Bytes::from_static(body),
        }
    }

    fn outcome(status: u16, body: &'static [u8]) -> Outcome {
        read(&reply(status, body), Reading::Content, Encoding::Json).outcome
    }

    #[test]
    fn an_answer_is_a_bid_when_it_has_one() {
        assert_eq!(outcome(200, br#"{"id":"1","seatbid":[{"bid":[{"id":"2"}]}]}"#), Outcome::Bid);
        for none in [&br#"{"id":"1"}"#[..], br#"{"seatbid":[]}"#, br#"{"seatbid":[{"bid":[]}]}"#] {
            assert_eq!(outcome(200, none), Outcome::NoBid);
        }
        assert_eq!(outcome(200, b"<html>"), Outcome::Error);
        assert_eq!(
            [204, 429, 503, 500, 400].map(|status| outcome(status, b"")),
            [Outcome::NoBid, Outcome::Shed, Outcome::Shed, Outcome::Error, Outcome::Error]
        );
    }

    #[test]
    fn the_reason_tells_a_shed_from_a_no_bid() {
        let of = |word| Reply { no_bid: Some(HeaderValue::from_static(word)), ..reply(204, b"") };
        let shed = read(&of("overload"), Reading::Content, Encoding::Json);
        assert_eq!((shed.outcome, shed.reason.as_deref()), (Outcome::Shed, Some("overload")));
        assert_eq!(read(&of("no_match"), Reading::Content, Encoding::Json).outcome, Outcome::NoBid);
        let nbr = read(&reply(200, br#"{"nbr":503}"#), Reading::Content, Encoding::Json);
        assert_eq!(nbr.reason.as_deref(), Some("nbr 503"));
    }

    #[test]
    fn protobuf_says_the_same() {
        let answer = |bids: usize, nbr| {
            let seat = BinarySeat { bid: vec![Bytes::from_static(&[10, 1, b'x']); bids] };
            BinaryAnswer { seatbid: vec![seat], nbr }.encode_to_vec()
        };
        let read = |body: &[u8]| read_content(body, Encoding::Protobuf);
        assert_eq!(read(&answer(2, None)).outcome, Outcome::Bid);
        let none = read(&answer(0, Some(503)));
        assert_eq!((none.outcome, none.reason.as_deref()), (Outcome::NoBid, Some("nbr 503")));
        assert_eq!(read(b"\xff\xff").outcome, Outcome::Error);
    }
}
