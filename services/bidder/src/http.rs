//! `POST /openrtb2/{exchange}`: OpenRTB over HTTP, after the specification's section 2.

use std::rc::Rc;

use bytes::Bytes;
use http::header::{
    ALLOW, CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, VARY,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming as Body;
use tagbid_runtime::overload::{Gate, Why};
use tagbid_runtime::workers::{Arrival, BodyError, GivenUp, Serve, read_body_paced};
use tagbid_types::{ExchangeName, Monotonic, NoBidReason, TRACEPARENT};

use crate::compress::compress;
use crate::door::{Shown, Shut};
use crate::path::{Encoding, Format, Refusal};
use crate::settings::ShedStyle;
use crate::worker::{Answer, Incoming, Worker};

/// Where exchanges send bid requests, before the exchange's name.
pub const BID_PATH: &str = "/openrtb2/";

const VERSION: HeaderName = HeaderName::from_static("x-openrtb-version");
const DEBUG: HeaderName = HeaderName::from_static("x-tagbid-debug");

/// The HTTP face of one worker.
pub struct HttpWorker(Rc<Worker>);

impl HttpWorker {
    pub(crate) fn new(worker: Worker) -> Self {
        Self(Rc::new(worker))
    }

    pub(crate) fn worker(&self) -> &Rc<Worker> {
        &self.0
    }
}

impl Serve for HttpWorker {
    async fn serve(self: Rc<Self>, request: Request<Body>, arrival: Arrival) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let (exchange, key) = match exchange(head.uri.path()) {
            Ok(found) => found,
            Err(problem) => return plain(StatusCode::NOT_FOUND, problem),
        };
        if head.method != Method::POST {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "send bid requests with POST\n".into());
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return response;
        }
        match self.0.admit(&exchange, Shown::Key(key), arrival.peer) {
            Ok(()) => {}
            Err(Shut::Stranger) => {
                return plain(StatusCode::FORBIDDEN, "not this exchange's caller\n".into());
            }
            Err(Shut::TooOften) => return no_content(&head.headers, NoBidReason::Overload),
        }
        if let Err(why) = self.0.has_time(&exchange, arrival.at) {
            // What is left unread would end the connection.
            let (limit, pace) = (self.0.options().body_bytes, self.0.options().body_pace());
            let _unused = read_body_paced(body, limit, pace).await;
            return shed(&self.0, &head.headers, &exchange, why);
        }
        let name = exchange.clone();
        let call = match read(&self.0, &head.headers, body, exchange, arrival.at).await {
            Ok(call) => call,
            Err((status, refusal)) => {
                self.0.count_refusal(refusal.reason);
                let mut response = refused(&self.0, &head.headers, &name, status, &refusal);
                // The one refusal of this status before a request is parsed: its body broke off.
                if status == StatusCode::BAD_REQUEST {
                    response.extensions_mut().insert(GivenUp);
                }
                return response;
            }
        };
        let _place = match self.0.enter() {
            Ok(place) => place,
            Err(why) => return shed(&self.0, &head.headers, &call.exchange, why),
        };
        let answer = self.0.answer_as_configured(&call).await;
        respond(&self.0, &head.headers, &call, answer)
    }

    fn gate(&self) -> Option<Rc<Gate>> {
        Some(Rc::clone(self.0.gate()))
    }
}

/// The exchange that a path names, and the key behind it if there is one.
fn exchange(path: &str) -> Result<(ExchangeName, &str), String> {
    let rest = path.strip_prefix(BID_PATH).ok_or("not found: bid requests go to /openrtb2/EXCHANGE\n")?;
    let (name, key) = rest.split_once('/').unwrap_or((rest, ""));
    Ok((name.parse().map_err(|problem| format!("{problem}\n"))?, key))
}

/// Reads what the headers promise. The body is bounded before anything looks at it.
async fn read(
    worker: &Worker,
    headers: &HeaderMap,
    body: Body,
    exchange: ExchangeName,
    arrival: Monotonic,
) -> Result<Incoming, (StatusCode, Refusal)> {
    let encoding = encoding(headers).ok_or_else(|| {
        let message = "content-encoding: use gzip, zstd or identity".into();
        (StatusCode::UNSUPPORTED_MEDIA_TYPE, Refusal { reason: NoBidReason::InvalidRequest, message })
    })?;
    let (limit, pace) = (worker.options().body_bytes, worker.options().body_pace());
    let body = read_body_paced(body, limit, pace).await.map_err(|error| match error {
        BodyError::TooSlow => {
            let (within, least) = (pace.within.as_millis(), pace.least);
            let message =
                format!("body came too slowly: send it within {within} ms, {least} bytes a second at least");
            (StatusCode::REQUEST_TIMEOUT, Refusal { reason: NoBidReason::NoTime, message })
        }
        BodyError::TooLarge => {
            let message = format!("body is longer than {limit} bytes: send less, or compressed");
            (StatusCode::PAYLOAD_TOO_LARGE, Refusal { reason: NoBidReason::TooLarge, message })
        }
        BodyError::Broken => {
            let message = "body broke off".into();
            (StatusCode::BAD_REQUEST, Refusal { reason: NoBidReason::InvalidRequest, message })
        }
    })?;
    let trace = worker.trace(headers.get(TRACEPARENT).map(HeaderValue::as_bytes));
    Ok(Incoming { exchange, format: format(headers, &body), encoding, body, arrival, trace })
}

/// Protobuf when the content type says so, else JSON: exchanges send JSON under many names and under none. Of
/// `application/octet-stream` the first byte decides: no protobuf request of ours begins with a brace.
fn format(headers: &HeaderMap, body: &[u8]) -> Format {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let named =
        |word: &[u8]| content_type.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word));
    let plain = body.first().is_some_and(|byte| matches!(byte, b'{' | b' ' | b'\r' | b'\t'));
    if named(b"protobuf") || (named(b"octet-stream") && !plain) { Format::Protobuf } else { Format::Json }
}

fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let Some(named) = headers.get(CONTENT_ENCODING) else { return Some(Encoding::Identity) };
    let named = named.to_str().ok()?.trim();
    let known = [
        ("", Encoding::Identity),
        ("identity", Encoding::Identity),
        ("gzip", Encoding::Gzip),
        ("x-gzip", Encoding::Gzip),
        ("zstd", Encoding::Zstd),
    ];
    known.into_iter().find(|(name, _)| named.eq_ignore_ascii_case(name)).map(|(_, encoding)| encoding)
}

fn respond(worker: &Worker, headers: &HeaderMap, call: &Incoming, answer: Answer) -> Response<Full<Bytes>> {
    match answer {
        Answer::Bids(body) | Answer::NoBid { body: Some(body), .. } => answered(headers, call.format, body),
        Answer::NoBid { reason, body: None } => no_content(headers, reason),
        Answer::Refused(refusal) => {
            refused(worker, headers, &call.exchange, StatusCode::BAD_REQUEST, &refusal)
        }
    }
}

/// The answer to a request for which there is no time.
fn shed(worker: &Worker, headers: &HeaderMap, exchange: &ExchangeName, why: Why) -> Response<Full<Bytes>> {
    worker.count_shed(why);
    let mut response = no_content(headers, NoBidReason::Overload);
    let settings = worker.options().exchanges.get(exchange);
    if settings.is_some_and(|settings| settings.shed == ShedStyle::Unavailable) {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    response
}

/// 204, and for those who ask the reason.
fn no_content(headers: &HeaderMap, reason: NoBidReason) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    version(headers, response.headers_mut());
    if wants_debug(headers) {
        let reason = HeaderValue::from_static(reason.as_str());
        response.headers_mut().insert("x-tagbid-no-bid", reason);
    }
    response
}

fn answered(headers: &HeaderMap, format: Format, body: Bytes) -> Response<Full<Bytes>> {
    let (body, encoding) = compress(headers, body);
    let mut response = Response::new(Full::new(body));
    let to = response.headers_mut();
    to.insert(
        CONTENT_TYPE,
        HeaderValue::from_static(match format {
            Format::Json => "application/json",
            Format::Protobuf => "application/x-protobuf",
        }),
    );
    to.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding {
        to.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    version(headers, to);
    response
}

/// The version that the request was in; the newest that we speak when it does not say.
fn version(from: &HeaderMap, to: &mut HeaderMap) {
    let version = match from.get(VERSION).map(HeaderValue::as_bytes) {
        Some(b"2.3") => "2.3",
        Some(b"2.4") => "2.4",
        Some(b"2.5") => "2.5",
        _ => "2.6",
    };
    to.insert(VERSION, HeaderValue::from_static(version));
}

/// A refusal explains itself where the exchange or the caller asked for it: an error body costs bandwidth at every
/// bad request of a busy exchange.
fn refused(
    worker: &Worker,
    headers: &HeaderMap,
    exchange: &ExchangeName,
    status: StatusCode,
    refusal: &Refusal,
) -> Response<Full<Bytes>> {
    let settings = worker.options().exchanges.get(exchange);
    let explain = wants_debug(headers) || settings.is_some_and(|settings| settings.error_body);
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    version(headers, response.headers_mut());
    if status != StatusCode::BAD_REQUEST {
        // The rest of the body is still coming: the connection is of no further use.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if explain {
        let body = serde_json::json!({ "nbr": refusal.reason.nbr(), "reason": refusal.message }).to_string();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *response.body_mut() = Full::new(body.into());
    }
    response
}

fn wants_debug(headers: &HeaderMap) -> bool {
    headers.get(DEBUG).is_some_and(|value| value == "1")
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_names_the_exchange() {
        assert_eq!(exchange("/openrtb2/demo").unwrap().0.as_str(), "demo");
        assert_eq!(exchange("/openrtb2/demo/s3cret").unwrap().1, "s3cret");
        assert!(exchange("/openrtb2/De mo").is_err());
        assert!(exchange("/other").is_err());
    }
}
