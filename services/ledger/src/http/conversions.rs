//! `/conversion`: what advertisers' servers and pages tell.

use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{Method, Response};
use http_body_util::{BodyExt, Full, Limited};

use super::answer::Answer;
use crate::conversion::{Caller, Conversion, Converted, Judge, Kept, Kind, MOST_PUBLIC, NotConverted, Said};
use crate::queue::NotTaken;
use crate::service::Inner;
use crate::work::{Done, Work};

/// Largest body: a conversion has some hundred bytes.
const MAX_BODY: usize = 16 * 1024;

/// Longest path and query.
const MAX_URL: usize = 4_096;

/// How long a body may take to come.
const BODY_WITHIN: Duration = Duration::from_secs(5);

/// What a path asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// The id of a click; empty: it is in the query or the body, or there is none.
    click: &'a str,
    /// A page wants a picture back.
    pixel: bool,
}

/// `/conversion`, `/conversion/CLICK`, `/conversion/CLICK/pixel.gif`.
pub(super) fn route(path: &str) -> Option<Target<'_>> {
    let rest = path.strip_prefix("/conversion")?;
    if rest.is_empty() {
        return Some(Target { click: "", pixel: false });
    }
    let rest = rest.strip_prefix('/')?;
    let (click, pixel) = rest.strip_suffix("/pixel.gif").map_or((rest, false), |click| (click, true));
    (!click.is_empty() && !click.contains('/')).then_some(Target { click, pixel })
}

/// Why a request was not understood, before anybody looked at the conversion.
enum Unread {
    UrlTooLong,
    BodyTooLong,
    Body(String),
    Stranger,
}

pub(super) async fn handle<B>(
    ledger: &Inner,
    target: Target<'_>,
    parts: &Parts,
    body: B,
) -> Response<Full<Bytes>>
where
    B: BodyExt,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    match parts.method {
        Method::GET | Method::POST => {}
        Method::OPTIONS => return Answer::Preflight.into(),
        _ => return Answer::MethodNotAllowed.into(),
    }
    ledger.stats.conversions.received.inc();
    let answer = match judged(ledger, target, parts, body).await {
        Ok(conversion) => taken(ledger, conversion, target.pixel).await,
        Err(answer) => {
            ledger.stats.conversions.refused.inc();
            answer
        }
    };
    answer.into()
}

async fn judged<B>(ledger: &Inner, target: Target<'_>, parts: &Parts, body: B) -> Result<Conversion, Answer>
where
    B: BodyExt,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let said = said(parts, body).await.map_err(refusal)?;
    let said = if target.click.is_empty() { said } else { said.click(target.click) };
    let caller = caller(ledger, parts).map_err(refusal)?;
    let judge = Judge {
        opener: &ledger.opener,
        user_keys: ledger.user_keys.as_ref(),
        now: ledger.clock.now(),
        accept_for: ledger.accept_for,
    };
    judge.judge(&said, &caller).map_err(not_converted)
}

/// What the body says, and the query.
async fn said<B>(parts: &Parts, body: B) -> Result<Said, Unread>
where
    B: BodyExt,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let query = parts.uri.query().unwrap_or_default();
    if parts.uri.path().len() + query.len() > MAX_URL {
        return Err(Unread::UrlTooLong);
    }
    if parts.method != Method::POST {
        return Ok(Said::default().query(query));
    }
    let whole = tokio::time::timeout(BODY_WITHIN, Limited::new(body, MAX_BODY).collect()).await;
    let whole = whole.map_err(|_| Unread::Body(format!("it did not come within {BODY_WITHIN:?}")))?;
    let whole = whole.map_err(|error| match error.is::<http_body_util::LengthLimitError>() {
        true => Unread::BodyTooLong,
        false => Unread::Body(error.to_string()),
    })?;
    Ok(Said::json(&whole.to_bytes()).map_err(Unread::Body)?.query(query))
}

/// Whose credential it is. A credential that is none is refused, although a click id might do without.
fn caller(ledger: &Inner, parts: &Parts) -> Result<Caller, Unread> {
    let Some(header) = parts.headers.get(AUTHORIZATION) else { return Ok(Caller::Public) };
    let text = header.to_str().ok();
    let token = text.and_then(|text| text.strip_prefix("Bearer ").or_else(|| text.strip_prefix("bearer ")));
    let known = token.and_then(|token| ledger.tokens.authenticate(token.trim()));
    known.map(Caller::Known).ok_or(Unread::Stranger)
}

async fn taken(ledger: &Inner, conversion: Conversion, pixel: bool) -> Answer {
    let work = Work::Conversion(Box::new(conversion));
    match ledger.queue.ask(work, ledger.answer_within).await {
        Ok(Done::Converted(converted)) => {
            count(ledger, converted);
            answer(converted, pixel)
        }
        Ok(_) => not_taken(ledger, NotTaken::Unavailable),
        Err(problem) => not_taken(ledger, problem),
    }
}

fn not_taken(ledger: &Inner, problem: NotTaken) -> Answer {
    ledger.stats.conversions.not_taken.inc();
    Answer::NotTaken(problem)
}

fn count(ledger: &Inner, converted: Converted) {
    let stats = &ledger.stats.conversions;
    let counter = match (converted.kept, converted.credit) {
        (Kept::Repeat, _) => &stats.repeats,
        (Kept::Conflict, _) => &stats.conflicts,
        (Kept::TooMany, _) => &stats.refused,
        (Kept::New, Ok(Kind::Click)) => &stats.by_click,
        (Kept::New, Ok(Kind::View)) => &stats.by_view,
        (Kept::New, Err(_)) => &stats.unattributed,
    };
    counter.inc();
}

fn answer(converted: Converted, pixel: bool) -> Answer {
    use http::StatusCode as Code;
    let status = match converted.kept {
        Kept::Conflict => {
            let message = "another name or value was told under this reference before; that one counts. Give each \
                           conversion a reference of its own";
            return Answer::Refused(Code::CONFLICT, "conflict", message.into());
        }
        Kept::TooMany => {
            let message = format!(
                "this click has told {MOST_PUBLIC} conversions: tell more with an advertiser's token"
            );
            return Answer::Refused(Code::TOO_MANY_REQUESTS, "too_many", message);
        }
        Kept::New => "recorded",
        Kept::Repeat => "repeated",
    };
    match (pixel, converted.credit) {
        (true, _) => Answer::Pixel,
        (false, Ok(kind)) => {
            Answer::Json(serde_json::json!({ "status": status, "attribution": kind.as_str() }))
        }
        (false, Err(why)) => Answer::Json(
            serde_json::json!({ "status": status, "attribution": "none", "reason": why.as_str() }),
        ),
    }
}

/// All refusals, in this one place.
fn refusal(unread: Unread) -> Answer {
    use http::StatusCode as Code;
    let (status, code, message) = match unread {
        Unread::UrlTooLong => {
            (Code::URI_TOO_LONG, "url_too_long", format!("the URL is longer than {MAX_URL} bytes"))
        }
        Unread::BodyTooLong => {
            (Code::PAYLOAD_TOO_LARGE, "body_too_long", format!("the body is longer than {MAX_BODY} bytes"))
        }
        Unread::Body(problem) => {
            (Code::BAD_REQUEST, "bad_body", format!("body: {problem}; send one JSON object"))
        }
        Unread::Stranger => (
            Code::UNAUTHORIZED,
            "unknown_token",
            "send `authorization: Bearer TOKEN` with an advertiser's token, or the id of a click without it"
                .into(),
        ),
    };
    Answer::Refused(status, code, message)
}

fn not_converted(problem: NotConverted) -> Answer {
    use http::StatusCode as Code;
    let (status, code) = match &problem {
        NotConverted::Field { .. } => (Code::BAD_REQUEST, "bad_field"),
        NotConverted::Click(error) => (Code::BAD_REQUEST, super::answer::token_code(*error)),
        NotConverted::NotYours(_) | NotConverted::WrongScope => (Code::FORBIDDEN, "not_yours"),
    };
    Answer::Refused(status, code, problem.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_conversions_are_routed() {
        assert_eq!(route("/conversion"), Some(Target { click: "", pixel: false }));
        assert_eq!(route("/conversion/abc"), Some(Target { click: "abc", pixel: false }));
        assert_eq!(route("/conversion/abc/pixel.gif"), Some(Target { click: "abc", pixel: true }));
        for other in [
            "/",
            "/conversions",
            "/conversion/",
            "/conversion/a/b",
            "/conversion//pixel.gif",
            "/x/conversion",
        ] {
            assert_eq!(route(other), None, "{other}");
        }
    }
}
