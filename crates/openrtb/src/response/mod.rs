//! Bid responses: OpenRTB 2.6 section 4. Built by the bidder, written as JSON or protobuf.

mod json;
mod proto;

use tagbid_types::Cpm;

/// A bid response, or with `nbr` alone the reason for none: section 4.2.1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Response<'a> {
    /// The request's id.
    pub id: &'a str,
    /// Our id of the answer.
    pub bidid: Option<&'a str>,
    /// Currency of all bids, ISO 4217.
    pub cur: Option<&'a str>,
    /// The bids, by seat. Empty for a no-bid.
    pub seatbid: &'a [SeatBid<'a>],
    /// Why there is no bid; see [`tagbid_types::NoBidReason::nbr`].
    pub nbr: Option<i32>,
}

impl<'a> Response<'a> {
    /// A no-bid with its reason.
    pub fn no_bid(id: &'a str, nbr: i32) -> Self {
        Self { id, nbr: Some(nbr), ..Self::default() }
    }

    /// Appends the response as JSON.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        json::response(self, out);
    }

    /// Appends the response as protobuf, package com.iabtechlab.openrtb.v2.
    pub fn write_protobuf(&self, out: &mut Vec<u8>) {
        proto::response(self, out);
    }
}

/// The bids of one seat: section 4.2.2.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SeatBid<'a> {
    /// The buyer's seat.
    pub seat: Option<&'a str>,
    /// Its bids.
    pub bid: &'a [Bid<'a>],
}

/// An offer for one impression: section 4.2.3.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bid<'a> {
    /// Our id of the bid.
    pub id: &'a str,
    /// The impression's id.
    pub impid: &'a str,
    /// The price, in the response's currency.
    pub price: Cpm,
    /// Id of an ad that the exchange has already.
    pub adid: Option<&'a str>,
    /// Called when the bid wins.
    pub nurl: Option<&'a str>,
    /// Called when the bid becomes billable.
    pub burl: Option<&'a str>,
    /// Called when the bid has lost.
    pub lurl: Option<&'a str>,
    /// The markup.
    pub adm: Option<&'a str>,
    /// The advertiser's domains.
    pub adomain: &'a [&'a str],
    /// The advertised app.
    pub bundle: Option<&'a str>,
    /// An image of the campaign.
    pub iurl: Option<&'a str>,
    /// Id of the campaign.
    pub cid: Option<&'a str>,
    /// Id of the creative.
    pub crid: Option<&'a str>,
    /// Taxonomy of `cat`; absent means 1.
    pub cattax: Option<i32>,
    /// Categories of the creative.
    pub cat: &'a [&'a str],
    /// Attributes of the creative.
    pub attr: &'a [i32],
    /// API that the markup needs (2.5; deprecated for `apis`).
    pub api: Option<i32>,
    /// APIs that the markup supports.
    pub apis: &'a [i32],
    /// Protocol of the markup.
    pub protocol: Option<i32>,
    /// Media rating of the creative.
    pub qagmediarating: Option<i32>,
    /// Language of the creative, ISO 639-1.
    pub language: Option<&'a str>,
    /// The deal under which the bid is made.
    pub dealid: Option<&'a str>,
    /// Width in device-independent pixels.
    pub w: Option<u32>,
    /// Height in device-independent pixels.
    pub h: Option<u32>,
    /// Seconds that we wait between auction and impression.
    pub exp: Option<u32>,
    /// Seconds of the video or audio.
    pub dur: Option<u32>,
    /// 1 banner, 2 video, 3 audio, 4 native.
    pub mtype: Option<i32>,
    /// Position in the pod for which alone the bid is (AdCOM list "Slot Position in Pod").
    pub slotinpod: Option<i32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(response: &Response<'_>) -> String {
        let mut out = Vec::new();
        response.write_json(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn prices_are_exact_decimals() {
        let cases = [
            (0, "0"),
            (1, "0.000001"),
            (100_000, "0.1"),
            (1_500_000, "1.5"),
            (12_345_678, "12.345678"),
            (300_000_000, "300"),
            (1_000_000_000_000, "1000000"),
        ];
        for (micros, want) in cases {
            let bids = [Bid { id: "b", impid: "1", price: Cpm(micros), ..Bid::default() }];
            let seats = [SeatBid { seat: None, bid: &bids }];
            let response = Response { id: "r", seatbid: &seats, ..Response::default() };
            let want =
                format!(r#"{{"id":"r","seatbid":[{{"bid":[{{"id":"b","impid":"1","price":{want}}}]}}]}}"#);
            assert_eq!(json(&response), want);
        }
    }

    #[test]
    fn a_no_bid_is_its_id_and_reason() {
        let response = Response::no_bid("r\"1", 508);
        assert_eq!(json(&response), r#"{"id":"r\"1","nbr":508}"#);
        let mut out = Vec::new();
        response.write_protobuf(&mut out);
        assert_eq!(out, b"\x0a\x03r\"1\x30\xfc\x03");
    }

    #[test]
    fn text_is_escaped_as_json_demands_and_no_more() {
        let response = Response::no_bid("\u{1}\u{1f}\n\r\t\\\"/é\u{2028}", 1);
        assert_eq!(json(&response), "{\"id\":\"\\u0001\\u001f\\n\\r\\t\\\\\\\"/é\u{2028}\",\"nbr\":1}");
    }

    #[test]
    fn writing_appends() {
        let mut out = b"x".to_vec();
        Response::no_bid("r", 1).write_protobuf(&mut out);
        Response::no_bid("r", 1).write_json(&mut out);
        assert!(out.starts_with(b"x\x0a\x01r") && out.ends_with(br#""nbr":1}"#));
    }
}
