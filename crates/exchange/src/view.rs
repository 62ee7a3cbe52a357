//! Reading OpenRTB out of plain JSON values: forgiving about types as real requests need it, strict about nothing
//! else. Independent of the `openrtb` crate on purpose: it judges what that crate reads and writes.

use serde_json::Value;
use tagbid_types::{Cpm, Currency};

/// A member's text; none when absent or empty. Numbers do not count: ids are compared as they were sent.
pub(crate) fn text<'v>(object: &'v Value, key: &str) -> Option<&'v str> {
    object.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// A member's number, also when it was sent as text.
pub(crate) fn number(object: &Value, key: &str) -> Option<f64> {
    as_number(object.get(key)?)
}

fn as_number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

/// A member's integer; fractions are cut.
pub(crate) fn int(object: &Value, key: &str) -> Option<i64> {
    number(object, key).map(|number| number as i64)
}

/// Whether a member is 1 or true, in any spelling.
pub(crate) fn flag(object: &Value, key: &str) -> bool {
    object.get(key).is_some_and(|value| value.as_bool().unwrap_or(as_number(value) == Some(1.0)))
}

/// A member's items; a scalar counts as a list of one, absence and null as none.
pub(crate) fn items<'v>(object: &'v Value, key: &str) -> &'v [Value] {
    match object.get(key) {
        None | Some(Value::Null) => &[],
        Some(Value::Array(items)) => items,
        Some(scalar) => std::slice::from_ref(scalar),
    }
}

/// The texts of a list.
pub(crate) fn texts<'v>(object: &'v Value, key: &str) -> Vec<&'v str> {
    items(object, key).iter().filter_map(Value::as_str).collect()
}

/// The integers of a list.
pub(crate) fn ints(object: &Value, key: &str) -> Vec<i64> {
    items(object, key).iter().filter_map(as_number).map(|number| number as i64).collect()
}

/// An amount of a currency, such as a floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Money {
    pub(crate) cpm: Cpm,
    pub(crate) currency: Currency,
}

/// `bidfloor` and `bidfloorcur` of an impression or a deal: none of either means 0 dollars.
pub(crate) fn floor(offer: &Value) -> Money {
    let units = number(offer, "bidfloor").unwrap_or(0.0);
    Money {
        cpm: Cpm::from_f64(units).unwrap_or(Cpm::ZERO),
        currency: text(offer, "bidfloorcur").and_then(|code| code.parse().ok()).unwrap_or(Currency::USD),
    }
}

/// The impression of that id. Ids are compared as text; some senders write numbers.
pub(crate) fn impression<'v>(request: &'v Value, id: &str) -> Option<&'v Value> {
    items(request, "imp").iter().find(|imp| match imp.get("id") {
        Some(Value::String(own)) => own == id,
        Some(Value::Number(own)) => own.to_string() == id,
        _ => false,
    })
}

/// The deal of that id that an impression offers.
pub(crate) fn deal<'v>(imp: &'v Value, id: &str) -> Option<&'v Value> {
    items(imp.get("pmp")?, "deals").iter().find(|deal| text(deal, "id") == Some(id))
}
