//! What came of one line of input.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};
use tagbid_exchange::check::check_response;
use tagbid_exchange::net::Answer;

/// One line of input and what came of it.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) origin: String,
    pub(super) source: Option<String>,
    pub(super) outcome: Outcome,
}

/// What came of a request.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// It was not sent.
    Unreadable(String),
    /// There was no answer.
    Failed(String),
    /// There was one.
    Answer {
        status: u16,
        bids: usize,
        time: Duration,
        /// Why there is no bid, where the answer says it.
        reason: Option<String>,
        /// Rules that a 200 breaks.
        violations: Vec<String>,
    },
}

impl Outcome {
    /// Reads an answer and, when it is a 200, holds it against its request.
    pub(super) fn read(request: &[u8], answer: &Answer, time: Duration) -> Self {
        let body: Option<Value> = serde_json::from_slice(&answer.body).ok();
        let status = answer.status.as_u16();
        Self::Answer {
            status,
            bids: body.as_ref().map_or(0, count_bids),
            time,
            reason: reason(answer, body.as_ref()),
            violations: if status == 200 { violations(request, body.as_ref()) } else { Vec::new() },
        }
    }
}

fn count_bids(body: &Value) -> usize {
    let seats = body.get("seatbid").and_then(Value::as_array).into_iter().flatten();
    seats.filter_map(|seat| seat.get("bid")?.as_array().map(Vec::len)).sum()
}

/// From the header of a 204, or the `reason` or `nbr` of a body.
fn reason(answer: &Answer, body: Option<&Value>) -> Option<String> {
    let header = answer.headers.get("x-tagbid-no-bid").and_then(|value| value.to_str().ok());
    let text = body.and_then(|body| body.get("reason")).and_then(Value::as_str);
    let nbr = body.and_then(|body| body.get("nbr")).and_then(Value::as_i64);
    header.or(text).map(str::to_owned).or_else(|| nbr.map(|nbr| format!("nbr {nbr}")))
}

fn violations(request: &[u8], body: Option<&Value>) -> Vec<String> {
    let Some(response) = body else {
        return vec!["shape: the body is not JSON".to_owned()];
    };
    let request: Value = serde_json::from_slice(request).unwrap_or_default();
    check_response(&request, response).iter().map(ToString::to_string).collect()
}

impl Answered {
    /// Whether it deserves a line even when only the summary is wanted.
    pub(super) fn is_problem(&self) -> bool {
        match &self.outcome {
            Outcome::Unreadable(_) | Outcome::Failed(_) => true,
            Outcome::Answer { status, violations, .. } => *status >= 500 || !violations.is_empty(),
        }
    }

    /// For machines.
    pub(super) fn to_json(&self) -> Value {
        let mut line = json!({ "origin": self.origin, "source": self.source });
        match &self.outcome {
            Outcome::Unreadable(reason) => line["unreadable"] = json!(reason),
            Outcome::Failed(error) => line["error"] = json!(error),
            Outcome::Answer { status, bids, time, reason, violations } => {
                line["status"] = json!(status);
                line["bids"] = json!(bids);
                line["time_ms"] = json!(millis(*time));
                line["reason"] = json!(reason);
                line["violations"] = json!(violations);
            }
        }
        line
    }
}

/// Milliseconds to three digits.
fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.origin)?;
        if let Some(source) = &self.source {
            write!(f, " ({source})")?;
        }
        match &self.outcome {
            Outcome::Unreadable(reason) => write!(f, ": not sent: {reason}"),
            Outcome::Failed(error) => write!(f, ": no answer: {error}"),
            Outcome::Answer { status, bids, time, reason, violations } => {
                let plural = if *bids == 1 { "" } else { "s" };
                write!(f, ": {status}, {bids} bid{plural}, {:.2} ms", millis(*time))?;
                if let Some(reason) = reason {
                    write!(f, ", {reason}")?;
                }
                violations.iter().try_for_each(|violation| write!(f, "\n  breaks {violation}"))
            }
        }
    }
}
