//! Explanations and problems.

use tagbid_catalog::FieldProblem;
use tagbid_ports::{Explanation, ImpressionExplanation, Reason};
use tagbid_types::{Cpm, Currency, NoBidReason};

use crate::pb::campaigns as pb;

/// Metadata of a bidder's "not found" that tells the revision of its catalog.
pub const CATALOG_REVISION: &str = "x-tagbid-catalog-revision";

/// Writes an explanation.
pub fn explanation_to(explanation: &Explanation) -> pb::ExplainResponse {
    pb::ExplainResponse {
        request_reasons: explanation.request_reasons.iter().map(reason_to).collect(),
        impressions: explanation.impressions.iter().map(impression_to).collect(),
    }
}

fn impression_to(impression: &ImpressionExplanation) -> pb::ImpressionExplanation {
    let (price, currency) = impression.price.unzip();
    pb::ImpressionExplanation {
        impression_id: impression.impression.clone(),
        would_bid: impression.would_bid(),
        price_cpm_micros: price.map(|price| price.0),
        currency: currency.map(|currency| currency.to_string()).unwrap_or_default(),
        reasons: impression.reasons.iter().map(reason_to).collect(),
    }
}

fn reason_to(reason: &Reason) -> pb::Reason {
    pb::Reason { code: reason.code.as_str().to_owned(), text: reason.text.clone() }
}

/// Reads an explanation; none when it names a reason or a currency that this version does not know.
pub fn explanation_from(response: &pb::ExplainResponse) -> Option<Explanation> {
    let reasons = |reasons: &[pb::Reason]| reasons.iter().map(reason_from).collect::<Option<Vec<_>>>();
    let impressions = response.impressions.iter().map(|impression| {
        let price = match impression.price_cpm_micros {
            Some(micros) => Some((Cpm(micros), impression.currency.parse::<Currency>().ok()?)),
            None => None,
        };
        Some(ImpressionExplanation {
            impression: impression.impression_id.clone(),
            price,
            reasons: reasons(&impression.reasons)?,
        })
    });
    Some(Explanation {
        request_reasons: reasons(&response.request_reasons)?,
        impressions: impressions.collect::<Option<_>>()?,
    })
}

fn reason_from(reason: &pb::Reason) -> Option<Reason> {
    let code = NoBidReason::ALL.into_iter().find(|code| code.as_str() == reason.code)?;
    Some(Reason { code, text: reason.text.clone() })
}

/// Writes a problem.
pub fn problem_to(problem: &FieldProblem) -> pb::Problem {
    pb::Problem {
        field: problem.field.clone(),
        problem: problem.problem.clone(),
        remedy: problem.remedy.clone(),
    }
}
