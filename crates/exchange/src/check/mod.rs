//! Strict checks of a bid response against its request: what an exchange's own validation would refuse, and a bit
//! more (`crid` and `adomain` are optional on paper and required in practice).

mod bid;
mod rule;

use std::collections::HashSet;

use serde_json::Value;

use crate::rates::Rates;
use crate::view::{text, texts};

pub use rule::{Rule, Violation};

/// Every rule that `response` breaks as an answer to `request`, at the world's currency rates.
///
/// A response without bids is fine: it says no. Requests may be as sloppy as real ones are (numbers as text,
/// scalars for lists); responses may not.
pub fn check_response(request: &Value, response: &Value) -> Vec<Violation> {
    check_response_at(request, response, &Rates::default())
}

/// The same at other currency rates. A floor in a currency without a rate is not checked.
pub fn check_response_at(request: &Value, response: &Value, rates: &Rates) -> Vec<Violation> {
    let mut findings = Findings::default();
    if !response.is_object() {
        findings.add(Rule::Shape, "the response is not an object");
        return findings.0;
    }
    check_head(request, response, &mut findings);
    let Some(seats) = optional_list(response, "seatbid", &mut findings) else {
        return findings.0;
    };
    let mut ids = HashSet::new();
    for (seat_position, seat) in seats.iter().enumerate() {
        let Some(bids) = optional_list(seat, "bid", &mut findings) else {
            findings.add(Rule::Shape, format!("seatbid[{seat_position}] has no bid"));
            continue;
        };
        for (position, bid) in bids.iter().enumerate() {
            let mut found = bid::check(request, response, seat, bid, rates);
            if let Some(id) = text(bid, "id")
                && !ids.insert(id)
            {
                found.add(Rule::BidId, format!("id {id:?} occurs twice"));
            }
            findings.0.extend(
                found
                    .0
                    .into_iter()
                    .map(|violation| Violation { bid: Some((seat_position, position)), ..violation }),
            );
        }
    }
    findings.0
}

/// Collects violations.
#[derive(Default)]
struct Findings(Vec<Violation>);

impl Findings {
    fn add(&mut self, rule: Rule, detail: impl Into<String>) {
        self.0.push(Violation { rule, bid: None, detail: detail.into() });
    }

    fn require(&mut self, holds: bool, rule: Rule, detail: impl FnOnce() -> String) {
        if !holds {
            self.add(rule, detail());
        }
    }
}

fn check_head(request: &Value, response: &Value, findings: &mut Findings) {
    let same = match (request.get("id"), text(response, "id")) {
        (Some(Value::String(asked)), Some(answered)) => asked == answered,
        (Some(Value::Number(asked)), Some(answered)) => asked.to_string() == answered,
        _ => false,
    };
    findings.require(same, Rule::RequestId, || {
        format!("id {:?} does not repeat {:?}", response.get("id"), request.get("id"))
    });
    let currency = response.get("cur").map_or(Some("USD"), Value::as_str);
    let allowed = texts(request, "cur");
    match currency {
        None => findings.add(Rule::Shape, "cur is not text"),
        Some(currency) => {
            let fits = allowed.is_empty() || allowed.iter().any(|code| code.eq_ignore_ascii_case(currency));
            findings.require(fits, Rule::Currency, || format!("cur {currency} is not among {allowed:?}"));
        }
    }
    let nbr = response.get("nbr");
    findings.require(nbr.is_none_or(Value::is_i64), Rule::Shape, || "nbr is not an integer".to_owned());
}

/// A list that may be absent but, where it is given, holds objects.
fn optional_list<'v>(object: &'v Value, key: &str, findings: &mut Findings) -> Option<&'v [Value]> {
    match object.get(key)? {
        Value::Array(items) if items.iter().all(Value::is_object) => Some(items),
        _ => {
            findings.add(Rule::Shape, format!("{key} is not a list of objects"));
            None
        }
    }
}

#[cfg(test)]
mod tests;
