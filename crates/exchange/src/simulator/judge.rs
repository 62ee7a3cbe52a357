//! From an answer to what came of it: pure.

use serde_json::Value;

use crate::auction::{Auctions, Outcome};
use crate::check::{Rule, Violation, check_response_at};
use crate::rates::Rates;
use crate::view::{int, items};

/// An answer, understood.
#[derive(Clone, Debug)]
pub(super) struct Judged {
    pub(super) status: u16,
    pub(super) bids: u64,
    pub(super) nbr: Option<i64>,
    pub(super) violations: Vec<Violation>,
    pub(super) outcome: Outcome,
}

/// Checks an answer and runs its auctions. Only 200 may carry bids, and must be JSON; 204 must be empty.
pub(super) fn judge(
    request: &Value,
    status: u16,
    body: &[u8],
    rates: &Rates,
    auctions: &mut Auctions,
) -> Judged {
    let mut judged =
        Judged { status, bids: 0, nbr: None, violations: Vec::new(), outcome: Outcome::default() };
    if status == 204 && !body.is_empty() {
        judged.violations.push(shape(format!("204 with a body of {} bytes", body.len())));
    }
    if status != 200 {
        return judged;
    }
    let response: Value = match serde_json::from_slice(body) {
        Ok(response) => response,
        Err(error) => {
            judged.violations.push(shape(format!("not JSON: {error}")));
            return judged;
        }
    };
    judged.bids = items(&response, "seatbid").iter().map(|seat| items(seat, "bid").len() as u64).sum();
    judged.nbr = int(&response, "nbr");
    judged.violations = check_response_at(request, &response, rates);
    judged.outcome = auctions.run(request, &response, &judged.violations);
    judged
}

fn shape(detail: String) -> Violation {
    Violation { rule: Rule::Shape, bid: None, detail }
}
