//! Substitution macros of an exchange: OpenRTB 2.6, section 4.4.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// What the macros of one bid stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values {
    /// `${AUCTION_ID}`: the request's id.
    pub auction_id: String,
    /// `${AUCTION_BID_ID}`: the response's `bidid`.
    pub bid_id: String,
    /// `${AUCTION_IMP_ID}`.
    pub imp_id: String,
    /// `${AUCTION_SEAT_ID}`.
    pub seat_id: String,
    /// `${AUCTION_AD_ID}`: the bid's `adid`.
    pub ad_id: String,
    /// `${AUCTION_PRICE}`: a CPM in the currency.
    pub price: String,
    /// `${AUCTION_CURRENCY}`.
    pub currency: String,
    /// `${AUCTION_MBR}`: the market bid ratio.
    pub market_bid_ratio: String,
    /// `${AUCTION_LOSS}`: the loss reason.
    pub loss: String,
    /// `${AUCTION_MIN_TO_WIN}`: the least price that would have won.
    pub min_to_win: String,
    /// `${AUCTION_MULTIPLIER}`: impressions that the bid counts for.
    pub multiplier: String,
    /// `${AUCTION_IMP_TS}`: when it was shown, in milliseconds since 1970.
    pub imp_ts: String,
}

impl Values {
    fn get(&self, name: &str) -> &str {
        match name {
            "ID" => &self.auction_id,
            "BID_ID" => &self.bid_id,
            "IMP_ID" => &self.imp_id,
            "SEAT_ID" => &self.seat_id,
            "AD_ID" => &self.ad_id,
            "PRICE" => &self.price,
            "CURRENCY" => &self.currency,
            "MBR" => &self.market_bid_ratio,
            "LOSS" => &self.loss,
            "MIN_TO_WIN" => &self.min_to_win,
            "MULTIPLIER" => &self.multiplier,
            "IMP_TS" => &self.imp_ts,
            // "If the source value is an optional parameter that was not specified, the macro will simply be
            // removed"; so is a macro that this exchange does not know.
            _ => "",
        }
    }
}

const START: &str = "${AUCTION_";

/// Fills in every `${AUCTION_...}`, with `:B64` in Base64. Values are percent-encoded, as nearly all macros stand in
/// URLs and the values that occur in text need no encoding.
pub fn substitute(template: &str, values: &Values) -> String {
    let mut out = String::with_capacity(template.len() + 64);
    let mut rest = template;
    while let Some(start) = rest.find(START) {
        let (before, after) = (&rest[..start], &rest[start + START.len()..]);
        out.push_str(before);
        let Some(end) = after.find('}') else {
            rest = &rest[start..];
            break;
        };
        let (name, encoded) = match after[..end].strip_suffix(":B64") {
            Some(name) => (name, true),
            None => (&after[..end], false),
        };
        let value = values.get(name);
        if encoded {
            push_percent_encoded(&mut out, &STANDARD.encode(value));
        } else {
            push_percent_encoded(&mut out, value);
        }
        rest = &after[end + 1..];
    }
    out.push_str(rest);
    out
}

/// Everything but the unreserved characters of RFC 3986 is encoded.
fn push_percent_encoded(out: &mut String, value: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_macros_are_filled_and_others_removed() {
        let values = Values { price: "1.25".into(), auction_id: "a/b".into(), ..Values::default() };
        let cases = [
            ("p=${AUCTION_PRICE}&id=${AUCTION_ID}", "p=1.25&id=a%2Fb"),
            ("p=${AUCTION_PRICE:B64}", "p=MS4yNQ%3D%3D"),
            ("x=${AUCTION_NEWS}&y=${OTHER}", "x=&y=${OTHER}"),
            ("${AUCTION_PRICE", "${AUCTION_PRICE"),
            ("ü${AUCTION_LOSS}ü", "üü"),
        ];
        for (template, want) in cases {
            assert_eq!(substitute(template, &values), want);
        }
    }
}
