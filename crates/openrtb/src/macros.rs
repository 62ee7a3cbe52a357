//! OpenRTB's substitution macros (2.6 section 4.4), as the exchange replaces them in notice URLs and markup, and the
//! escapes that creative markup needs.

use std::borrow::Cow;

/// `${AUCTION_ID}`: the request's id.
pub const AUCTION_ID: &str = "${AUCTION_ID}";
/// `${AUCTION_BID_ID}`: the response's `bidid`.
pub const AUCTION_BID_ID: &str = "${AUCTION_BID_ID}";
/// `${AUCTION_IMP_ID}`: the impression's id.
pub const AUCTION_IMP_ID: &str = "${AUCTION_IMP_ID}";
/// `${AUCTION_SEAT_ID}`: the seat of the bid.
pub const AUCTION_SEAT_ID: &str = "${AUCTION_SEAT_ID}";
/// `${AUCTION_AD_ID}`: the bid's `adid`.
pub const AUCTION_AD_ID: &str = "${AUCTION_AD_ID}";
/// `${AUCTION_PRICE}`: the clearing price, in the bid's currency and unit.
pub const AUCTION_PRICE: &str = "${AUCTION_PRICE}";
/// `${AUCTION_CURRENCY}`: the currency of the price.
pub const AUCTION_CURRENCY: &str = "${AUCTION_CURRENCY}";
/// `${AUCTION_MBR}`: market bid ratio, clearing price over bid price.
pub const AUCTION_MBR: &str = "${AUCTION_MBR}";
/// `${AUCTION_LOSS}`: why the bid lost (AdCOM list "Loss Reason Codes").
pub const AUCTION_LOSS: &str = "${AUCTION_LOSS}";
/// `${AUCTION_MIN_TO_WIN}`: the lowest price that would have won.
pub const AUCTION_MIN_TO_WIN: &str = "${AUCTION_MIN_TO_WIN}";
/// `${AUCTION_MULTIPLIER}`: how many impressions the play counted for.
pub const AUCTION_MULTIPLIER: &str = "${AUCTION_MULTIPLIER}";
/// `${AUCTION_IMP_TS}`: when it was shown, milliseconds since 1970.
pub const AUCTION_IMP_TS: &str = "${AUCTION_IMP_TS}";

/// What an exchange knows when it replaces the macros. A macro whose value is absent becomes the empty string, as
/// the specification has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Values<'a> {
    /// For [`AUCTION_ID`].
    pub id: Option<&'a str>,
    /// For [`AUCTION_BID_ID`].
    pub bid_id: Option<&'a str>,
    /// For [`AUCTION_IMP_ID`].
    pub imp_id: Option<&'a str>,
    /// For [`AUCTION_SEAT_ID`].
    pub seat_id: Option<&'a str>,
    /// For [`AUCTION_AD_ID`].
    pub ad_id: Option<&'a str>,
    /// For [`AUCTION_PRICE`].
    pub price: Option<&'a str>,
    /// For [`AUCTION_CURRENCY`].
    pub currency: Option<&'a str>,
    /// For [`AUCTION_MBR`].
    pub mbr: Option<&'a str>,
    /// For [`AUCTION_LOSS`].
    pub loss: Option<&'a str>,
    /// For [`AUCTION_MIN_TO_WIN`].
    pub min_to_win: Option<&'a str>,
    /// For [`AUCTION_MULTIPLIER`].
    pub multiplier: Option<&'a str>,
    /// For [`AUCTION_IMP_TS`].
    pub imp_ts: Option<&'a str>,
}

impl<'a> Values<'a> {
    /// The value of the macro with this name, without `${` and `}`; `None` when it is no OpenRTB macro.
    fn get(&self, name: &str) -> Option<Option<&'a str>> {
        Some(match name {
            "AUCTION_ID" => self.id,
            "AUCTION_BID_ID" => self.bid_id,
            "AUCTION_IMP_ID" => self.imp_id,
            "AUCTION_SEAT_ID" => self.seat_id,
            "AUCTION_AD_ID" => self.ad_id,
            "AUCTION_PRICE" => self.price,
            "AUCTION_CURRENCY" => self.currency,
            "AUCTION_MBR" => self.mbr,
            "AUCTION_LOSS" => self.loss,
            "AUCTION_MIN_TO_WIN" => self.min_to_win,
            "AUCTION_MULTIPLIER" => self.multiplier,
            "AUCTION_IMP_TS" => self.imp_ts,
            _ => return None,
        })
    }
}

/// Replaces OpenRTB's macros in `text`, each also with the suffix `:B64` for base64 (with padding, RFC 4648 section
/// 4). Other macros stay as they are; values are inserted raw, and macros inside them are not replaced.
pub fn substitute(text: &str, values: &Values<'_>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        rest = match replacement(after, values) {
            Some((value, after)) => {
                out.push_str(&value);
                after
            }
            None => {
                out.push_str("${");
                after
            }
        };
    }
    out.push_str(rest);
    out
}

/// What replaces the macro whose name starts `text`, and what follows the macro.
fn replacement<'t, 'v>(text: &'t str, values: &Values<'v>) -> Option<(Cow<'v, str>, &'t str)> {
    let (name, after) = text.split_once('}')?;
    let (plain, encode) = match name.strip_suffix(":B64") {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    let value = values.get(plain)?.unwrap_or_default();
    Some((if encode { base64(value.as_bytes()).into() } else { value.into() }, after))
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let bits =
            chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place) & 63) as usize;
            let symbol = ALPHABET.get(index).filter(|_| place <= chunk.len());
            out.push(symbol.map_or('=', |symbol| char::from(*symbol)));
        }
    }
    out
}

/// How a value is made safe where it is inserted into a creative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// As it is: only for what is known to be safe there.
    Raw,
    /// A component of a URL: everything but RFC 3986's unreserved characters is percent-encoded.
    Url,
    /// The value of a quoted HTML attribute, or HTML text.
    Html,
    /// XML text or a quoted attribute, such as in VAST. What XML 1.0 cannot hold becomes U+FFFD.
    Xml,
    /// The inside of a JavaScript string literal in either quotes, also within an HTML script element.
    JavaScript,
}

/// Appends `value` to `out`, made safe by `escape`.
pub fn push_escaped(out: &mut String, value: &str, escape: Escape) {
    match escape {
        Escape::Raw => out.push_str(value),
        Escape::Url => value.bytes().for_each(|byte| push_url(out, byte)),
        Escape::Html => value.chars().for_each(|c| push_html(out, c)),
        Escape::Xml => value.chars().for_each(|c| push_xml(out, c)),
        Escape::JavaScript => value.chars().for_each(|c| push_javascript(out, c)),
    }
}

/// `value` made safe by `escape`.
pub fn escaped(value: &str, escape: Escape) -> String {
    let mut out = String::with_capacity(value.len() + value.len() / 8);
    push_escaped(&mut out, value, escape);
    out
}

fn push_url(out: &mut String, byte: u8) {
    if matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~') {
        out.push(char::from(byte));
        return;
    }
    out.push('%');
    for nibble in [byte >> 4, byte & 15] {
        out.push(char::from_digit(nibble.into(), 16).unwrap_or('0').to_ascii_uppercase());
    }
}

fn push_html(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&#39;"),
        // Ends an unquoted attribute in old browsers.
        '`' => out.push_str("&#96;"),
        _ => out.push(c),
    }
}

fn push_xml(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        '\'' => out.push_str("&apos;"),
        // Attribute values would be normalised to spaces.
        '\t' => out.push_str("&#9;"),
        '\n' => out.push_str("&#10;"),
        '\r' => out.push_str("&#13;"),
        '\u{0}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}' => out.push(char::REPLACEMENT_CHARACTER),
        _ => out.push(c),
    }
}

fn push_javascript(out: &mut String, c: char) {
    match c {
        // `<`, `>` and `&` so that no value can close the script element; U+2028 and U+2029 end lines in old engines.
        '"'
        | '\''
        | '`'
        | '\\'
        | '<'
        | '>'
        | '&'
        | '/'
        | '$'
        | '\u{0}'..='\u{1F}'
        | '\u{7F}'
        | '\u{2028}'
        | '\u{2029}' => {
            out.push_str("\\u");
            for shift in [12, 8, 4, 0] {
                out.push(char::from_digit(c as u32 >> shift & 15, 16).unwrap_or('0'));
            }
        }
        _ => out.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values<'static> {
        Values {
            id: Some("auc-1"),
            price: Some("1.25"),
            currency: Some("EUR"),
            loss: Some("102"),
            ..Values::default()
        }
    }

    #[test]
    fn macros_are_replaced_wherever_they_stand() {
        let url =
            "https://n.example/w?a=${AUCTION_ID}&p=${AUCTION_PRICE}&p=${AUCTION_PRICE}&c=${AUCTION_CURRENCY}";
        assert_eq!(substitute(url, &values()), "https://n.example/w?a=auc-1&p=1.25&p=1.25&c=EUR");
    }

    #[test]
    fn every_macro_has_its_constant() {
        let all = [
            AUCTION_ID,
            AUCTION_BID_ID,
            AUCTION_IMP_ID,
            AUCTION_SEAT_ID,
            AUCTION_AD_ID,
            AUCTION_PRICE,
            AUCTION_CURRENCY,
            AUCTION_MBR,
            AUCTION_LOSS,
            AUCTION_MIN_TO_WIN,
            AUCTION_MULTIPLIER,
            AUCTION_IMP_TS,
        ];
        for name in all {
            assert_eq!(substitute(name, &Values::default()), "", "{name}");
        }
    }

    #[test]
    fn an_absent_value_is_empty_and_a_foreign_macro_stays() {
        let text = "l=${AUCTION_MIN_TO_WIN}&x=${CACHEBUSTER}&${AUCTION_PRICE&${}$";
        assert_eq!(substitute(text, &values()), "l=&x=${CACHEBUSTER}&${AUCTION_PRICE&${}$");
    }

    #[test]
    fn values_are_not_searched_for_macros() {
        let tricky = Values { id: Some("${AUCTION_PRICE}"), ..values() };
        assert_eq!(substitute("${AUCTION_ID}", &tricky), "${AUCTION_PRICE}");
    }

    #[test]
    fn the_suffix_asks_for_base64() {
        // RFC 4648 section 10.
        for (plain, encoded) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")]
        {
            let values = Values { id: Some(plain), ..Values::default() };
            assert_eq!(substitute("${AUCTION_ID:B64}", &values), encoded);
        }
    }

    #[test]
    fn each_place_has_its_escape() {
        let nasty = "a b&<\"'>/\\é\n";
        assert_eq!(escaped(nasty, Escape::Raw), nasty);
        assert_eq!(escaped(nasty, Escape::Url), "a%20b%26%3C%22%27%3E%2F%5C%C3%A9%0A");
        assert_eq!(escaped(nasty, Escape::Html), "a b&amp;&lt;&quot;&#39;&gt;/\\é\n");
        assert_eq!(escaped(nasty, Escape::Xml), "a b&amp;&lt;&quot;&apos;&gt;/\\é&#10;");
        assert_eq!(escaped("\u{1}", Escape::Xml), "\u{FFFD}");
        let javascript = r"a b\u0026\u003c\u0022\u0027\u003e\u002f\u005cé\u000a";
        assert_eq!(escaped(nasty, Escape::JavaScript), javascript);
        assert_eq!(
            escaped("\u{2028}</script>${x}", Escape::JavaScript),
            r"\u2028\u003c\u002fscript\u003e\u0024{x}"
        );
    }
}
