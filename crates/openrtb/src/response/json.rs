//! Responses as JSON.

use tagbid_types::Cpm;

use super::{Bid, Response, SeatBid};

/// Appends the response. Absent members are left out; so are empty lists.
pub(super) fn response(response: &Response<'_>, out: &mut Vec<u8>) {
    let mut members = Members::open(out);
    members.text("id", Some(response.id));
    members.list("seatbid", response.seatbid, seat);
    members.text("bidid", response.bidid);
    members.text("cur", response.cur);
    members.number("nbr", response.nbr);
    members.close();
}

fn seat(seat: &SeatBid<'_>, out: &mut Vec<u8>) {
    let mut members = Members::open(out);
    members.list("bid", seat.bid, bid);
    members.text("seat", seat.seat);
    members.close();
}

fn bid(bid: &Bid<'_>, out: &mut Vec<u8>) {
    let mut members = Members::open(out);
    members.text("id", Some(bid.id));
    members.text("impid", Some(bid.impid));
    members.key("price");
    price(bid.price, members.out);
    members.text("adid", bid.adid);
    members.text("nurl", bid.nurl);
    members.text("burl", bid.burl);
    members.text("lurl", bid.lurl);
    members.text("adm", bid.adm);
    members.list("adomain", bid.adomain, |domain, out| text(domain, out));
    members.text("bundle", bid.bundle);
    members.text("iurl", bid.iurl);
    members.text("cid", bid.cid);
    members.text("crid", bid.crid);
    members.number("cattax", bid.cattax);
    members.list("cat", bid.cat, |category, out| text(category, out));
    members.list("attr", bid.attr, |attribute, out| number(*attribute, out));
    members.number("api", bid.api);
    members.list("apis", bid.apis, |api, out| number(*api, out));
    members.number("protocol", bid.protocol);
    members.number("qagmediarating", bid.qagmediarating);
    members.text("language", bid.language);
    members.text("dealid", bid.dealid);
    members.number("w", bid.w);
    members.number("h", bid.h);
    members.number("exp", bid.exp);
    members.number("dur", bid.dur);
    members.number("mtype", bid.mtype);
    members.number("slotinpod", bid.slotinpod);
    members.close();
}

/// The members of an object being written.
struct Members<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl<'o> Members<'o> {
    fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    fn key(&mut self, key: &str) {
        if !std::mem::take(&mut self.first) {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn text(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.key(key);
            text(value, self.out);
        }
    }

    fn number(&mut self, key: &str, value: Option<impl itoa::Integer>) {
        if let Some(value) = value {
            self.key(key);
            number(value, self.out);
        }
    }

    fn list<T>(&mut self, key: &str, values: &[T], write: impl Fn(&T, &mut Vec<u8>)) {
        if values.is_empty() {
            return;
        }
        self.key(key);
        let mut before = b'[';
        for value in values {
            self.out.push(before);
            write(value, self.out);
            before = b',';
        }
        self.out.push(b']');
    }

    fn close(self) {
        self.out.push(b'}');
    }
}

fn number(value: impl itoa::Integer, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// A price as the shortest exact decimal: micros are six digits, so no float is in the way.
fn price(price: Cpm, out: &mut Vec<u8>) {
    let micros = price.0.unsigned_abs();
    if price.0 < 0 {
        out.push(b'-');
    }
    number(micros / 1_000_000, out);
    let mut fraction = micros % 1_000_000;
    let mut digit = 100_000;
    if fraction > 0 {
        out.push(b'.');
    }
    while fraction > 0 {
        out.push(b'0' + (fraction / digit) as u8);
        fraction %= digit;
        digit /= 10;
    }
}

/// A string in quotes. Only what JSON forbids is escaped: exchanges count bytes of markup.
fn text(value: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = value.as_bytes();
    while let Some(at) = rest.iter().position(|byte| matches!(byte, 0..0x20 | b'"' | b'\\')) {
        let (plain, after) = rest.split_at(at);
        out.extend_from_slice(plain);
        if let Some((byte, after)) = after.split_first() {
            escape(*byte, out);
            rest = after;
        }
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let hex = |nibble: u8| char::from_digit(nibble.into(), 16).map_or(b'0', |digit| digit as u8);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}
