//! `/notice/{kind}/{token}`: from the URL to the answer; and `/conversion`.

mod answer;
mod conversions;

use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use tagbid_notice::{Click, NoticeKind, OpenError};
use thiserror::Error;

use crate::clicks::with_click;
use crate::judge::{Params, Record, judge};
use crate::queue::NotTaken;
use crate::service::Inner;
use answer::Answer;

/// Longest path and query. A token and its parameters need a third of it.
const MAX_URL: usize = 2_048;

/// How long somebody who clicked waits for our database.
const CLICK_PATIENCE: Duration = Duration::from_millis(250);

/// Why a notice was refused for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
enum Invalid {
    #[error("the URL is longer than {MAX_URL} bytes")]
    TooLong,
    #[error("{0}")]
    Token(#[from] OpenError),
}

/// Answers one request. The body of a notice is not read: it says everything in its URL.
pub(crate) async fn handle<B>(ledger: &Inner, request: Request<B>) -> Response<Full<Bytes>>
where
    B: BodyExt,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (request, body) = request.into_parts();
    if let Some(target) = conversions::route(request.uri.path()) {
        return conversions::handle(ledger, target, &request, body).await;
    }
    let Some((kind, token)) = route(request.uri.path()) else {
        return Answer::NotFound.into();
    };
    match request.method {
        Method::GET | Method::POST => notice(ledger, kind, token, &request).await.into(),
        Method::OPTIONS => Answer::Preflight.into(),
        _ => Answer::MethodNotAllowed.into(),
    }
}

fn route(path: &str) -> Option<(NoticeKind, &str)> {
    let (kind, token) = path.strip_prefix("/notice/")?.split_once('/')?;
    let kind = NoticeKind::from_name(kind)?;
    (!token.is_empty() && !token.contains('/')).then_some((kind, token))
}

async fn notice(ledger: &Inner, kind: NoticeKind, token: &str, request: &Parts) -> Answer {
    ledger.stats.received.of(kind).inc();
    let record = match read(ledger, kind, token, request) {
        Ok(record) => record,
        Err(invalid) => {
            ledger.stats.invalid.of(kind).inc();
            return Answer::Invalid(invalid);
        }
    };
    let click = (kind == NoticeKind::Click).then(|| Click::new(&record.token, record.received));
    let taken = ledger.queue.submit(record, patience(ledger, kind)).await;
    if let Err(problem) = taken {
        count(ledger, kind, problem);
    }
    match (click, taken) {
        // Somebody wants to see the shop: an unrecorded click is a smaller loss than a broken one.
        (Some(click), taken) => {
            ledger.stats.clicks_lost.add(taken.is_err().into());
            Answer::Click(landing(ledger, &click))
        }
        (None, Err(problem)) => Answer::NotTaken(problem),
        (None, Ok(_)) if kind == NoticeKind::Imp => Answer::Pixel,
        (None, Ok(_)) => Answer::Done,
    }
}

/// Where a click leads, with its id for the conversions after it; none: nobody knows.
fn landing(ledger: &Inner, click: &Click) -> Option<HeaderValue> {
    let target = ledger.targets.of(click.token.creative)?;
    if ledger.click_id.is_empty() {
        return Some(target);
    }
    let mut nonce = [0; 12];
    let sealed = getrandom::fill(&mut nonce).ok().and_then(|()| ledger.sealer.seal_click(click, nonce).ok());
    // Without its id a click still leads to the shop.
    let with_id = sealed.and_then(|id| with_click(&target, &ledger.click_id, id.as_str()));
    with_id.or(Some(target))
}

/// How long the answer may wait for the commit: a redirect promises nothing to anybody, and a person waits for it.
fn patience(ledger: &Inner, kind: NoticeKind) -> Duration {
    match kind {
        NoticeKind::Click => CLICK_PATIENCE.min(ledger.answer_within),
        NoticeKind::Win | NoticeKind::Bill | NoticeKind::Loss | NoticeKind::Imp => ledger.answer_within,
    }
}

fn read(ledger: &Inner, kind: NoticeKind, token: &str, request: &Parts) -> Result<Record, Invalid> {
    let query = request.uri.query().unwrap_or_default();
    if token.len() + query.len() > MAX_URL {
        return Err(Invalid::TooLong);
    }
    let token = ledger.opener.open(token, kind.audience())?;
    let now = ledger.clock.now();
    Ok(judge(token, kind, &Params::parse(query), &ledger.prices, now, ledger.accept_for))
}

fn count(ledger: &Inner, kind: NoticeKind, problem: NotTaken) {
    let counters = match problem {
        NotTaken::QueueFull => &ledger.stats.queue_full,
        NotTaken::Unavailable => &ledger.stats.unavailable,
        NotTaken::Refused => &ledger.stats.invalid,
    };
    counters.of(kind).inc();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_notice_paths_are_routed() {
        assert_eq!(route("/notice/win/abc"), Some((NoticeKind::Win, "abc")));
        assert_eq!(route("/notice/imp/abc"), Some((NoticeKind::Imp, "abc")));
        for other in
            ["/", "/notice", "/notice/win", "/notice/win/", "/notice/sale/abc", "/notice/win/a/b", "/x/win/a"]
        {
            assert_eq!(route(other), None, "{other}");
        }
    }
}
