//! Compressing answers as the caller accepts: RFC 9110 section 12.5.3.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, HeaderMap};

/// Answers shorter than this are not worth compressing: the frame alone has 18 bytes.
const COMPRESS_FROM: usize = 1024;

/// The best weight, in thousandths as the header has them.
const MOST: u16 = 1_000;

/// What an `accept-encoding` gives each coding that we can write; 0 forbids it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Weights {
    gzip: u16,
    zstd: u16,
    /// None where neither it nor `*` is named: allowed, but anything named is better.
    identity: Option<u16>,
}

/// Compresses an answer as the caller likes best, and names the coding; gzip before zstd where both are as welcome,
/// since few exchanges read zstd. Short answers stay as they are, unless that is forbidden.
pub(crate) fn compress(headers: &HeaderMap, body: Bytes) -> (Bytes, Option<&'static str>) {
    let accepted = weights(headers);
    let plain = accepted.identity.unwrap_or(0);
    let small = body.len() < COMPRESS_FROM && accepted.identity != Some(0);
    let best = accepted.gzip.max(accepted.zstd);
    if small || best == 0 || best < plain {
        return (body, None);
    }
    let (name, compressed) = if accepted.gzip == best {
        ("gzip", gzip(&body))
    } else {
        ("zstd", zstd::bulk::compress(&body, 1).ok())
    };
    compressed.map_or((body, None), |bytes| (bytes.into(), Some(name)))
}

/// A coding's own entry counts before `*`, wherever it stands. Of an entry that cannot be read nothing is accepted.
fn weights(headers: &HeaderMap) -> Weights {
    let (mut gzip, mut zstd, mut identity, mut any) = (None, None, None, None);
    let lines = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|line| line.to_str().ok());
    for entry in lines.flat_map(|line| line.split(',')) {
        let (name, parameters) = entry.split_once(';').unwrap_or((entry, ""));
        let place = match name.trim() {
            "*" => &mut any,
            name if name.eq_ignore_ascii_case("gzip") || name.eq_ignore_ascii_case("x-gzip") => &mut gzip,
            name if name.eq_ignore_ascii_case("zstd") => &mut zstd,
            name if name.eq_ignore_ascii_case("identity") => &mut identity,
            _ => continue,
        };
        *place = Some(weight(parameters));
    }
    let others = any.unwrap_or(0);
    Weights { gzip: gzip.unwrap_or(others), zstd: zstd.unwrap_or(others), identity: identity.or(any) }
}

/// `q` in thousandths; the most where it is not given, 0 where it is no number from 0 to 1.
fn weight(parameters: &str) -> u16 {
    let mut pairs = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    let Some((_, q)) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("q")) else { return MOST };
    let (whole, fraction) = q.trim().split_once('.').unwrap_or((q.trim(), ""));
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    let thousandths = digits.fold(0, |sum, digit| sum * 10 + u16::from(digit.saturating_sub(b'0')));
    match whole {
        _ if !fraction.bytes().all(|digit| digit.is_ascii_digit()) => 0,
        "0" | "" => thousandths,
        "1" => MOST,
        _ => 0,
    }
}

fn gzip(body: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 2), Compression::fast());
    encoder.write_all(body).ok()?;
    encoder.finish().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&'static str]) -> HeaderMap {
        lines.iter().map(|line| (ACCEPT_ENCODING, http::HeaderValue::from_static(line))).collect()
    }

    fn chosen(lines: &[&'static str], length: usize) -> Option<&'static str> {
        compress(&headers(lines), Bytes::from(vec![b' '; length])).1
    }

    #[test]
    fn the_coding_is_the_one_that_the_caller_weighs_most() {
        let cases: [(&[&str], Option<&str>); 20] = [
            (&[], None),
            (&[""], None),
            (&["gzip, deflate, br"], Some("gzip")),
            (&["deflate"], None),
            (&["*"], Some("gzip")),
            (&["gzip;q=0"], None),
            (&["gzip;q=0, *"], Some("zstd")),
            (&["*, gzip; Q=0.000"], Some("zstd")),
            (&["gzip;q=0, zstd;q=0, *"], None),
            (&["*;q=0"], None),
            (&["*;q=0, zstd"], Some("zstd")),
            (&["zstd;q=0.5,*;q=0.1"], Some("zstd")),
            (&["zstd;q=0.5,gzip;q=0.499"], Some("zstd")),
            (&["zstd, gzip"], Some("gzip")),
            (&["identity, gzip;q=0.5"], None),
            (&["identity;q=0.5, gzip;q=0.5"], Some("gzip")),
            (&["gzip;q=many, zstd;q=-1"], None),
            (&["GZIP ; q=0.001"], Some("gzip")),
            (&["gzip;q=0", "zstd"], Some("zstd")),
            (&["x-gzip;foo=bar"], Some("gzip")),
        ];
        for (lines, coding) in cases {
            assert_eq!(chosen(lines, 2_000), coding, "{lines:?}");
        }
    }

    #[test]
    fn a_short_answer_is_compressed_only_where_plain_is_forbidden() {
        assert_eq!(chosen(&["gzip"], 100), None);
        assert_eq!(chosen(&["gzip, identity;q=0"], 100), Some("gzip"));
        assert_eq!(chosen(&["zstd, *;q=0"], 100), Some("zstd"));
    }
}
