//! Every answer of the notice endpoints, made in this one place.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, CONTENT_TYPE, LOCATION, REFERRER_POLICY, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use tagbid_notice::OpenError;

use super::Invalid;
use crate::queue::NotTaken;

/// A transparent GIF of one pixel (GIF89a): header, two-colour palette, transparency, one LZW-coded pixel.
const PIXEL: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff\x21\xf9\x04\x01\0\0\0\0\
    \x2c\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0\x3b";

/// Methods that the endpoints take.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, OPTIONS");

/// What is answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// The notice is on disk, or was before.
    Done,
    /// As `Done`, for a browser that asked for an image.
    Pixel,
    /// On to the shop; none: nobody knows where it is.
    Click(Option<HeaderValue>),
    /// May a script of another site call this? Yes: tags fire from any page, and the answer tells nothing.
    Preflight,
    Invalid(Invalid),
    /// What became of a conversion.
    Json(serde_json::Value),
    /// An error with its code and what to do.
    Refused(StatusCode, &'static str, String),
    NotTaken(NotTaken),
    NotFound,
    MethodNotAllowed,
}

impl From<Answer> for Response<Full<Bytes>> {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Done => respond(StatusCode::OK, [], ""),
            Answer::Pixel => respond(StatusCode::OK, [(CONTENT_TYPE, value("image/gif"))], PIXEL),
            Answer::Click(Some(to)) => {
                let headers = [(LOCATION, to), (REFERRER_POLICY, value("no-referrer"))];
                respond(StatusCode::FOUND, headers, "")
            }
            Answer::Click(None) => respond(StatusCode::NO_CONTENT, [], ""),
            Answer::Preflight => {
                let headers = [
                    (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
                    (ACCESS_CONTROL_ALLOW_HEADERS, value("content-type")),
                    (ACCESS_CONTROL_MAX_AGE, value("86400")),
                ];
                respond(StatusCode::NO_CONTENT, headers, "")
            }
            Answer::Invalid(invalid) => {
                error(StatusCode::BAD_REQUEST, [], code(invalid), &invalid.to_string())
            }
            Answer::Json(said) => {
                respond(StatusCode::OK, [(CONTENT_TYPE, value("application/json"))], said.to_string())
            }
            Answer::Refused(status, code, message) => error(status, [], code, &message),
            Answer::NotTaken(problem) => not_taken(problem),
            Answer::NotFound => error(
                StatusCode::NOT_FOUND,
                [],
                "not_found",
                "use /notice/KIND/TOKEN with KIND win, bill, loss, imp or click; or /conversion",
            ),
            Answer::MethodNotAllowed => error(
                StatusCode::METHOD_NOT_ALLOWED,
                [(ALLOW, METHODS)],
                "method_not_allowed",
                "use GET or POST",
            ),
        }
    }
}

fn not_taken(problem: NotTaken) -> Response<Full<Bytes>> {
    let again = [(RETRY_AFTER, value("1"))];
    let message = problem.to_string();
    match problem {
        NotTaken::QueueFull => error(StatusCode::SERVICE_UNAVAILABLE, again, "queue_full", &message),
        NotTaken::Unavailable => error(StatusCode::SERVICE_UNAVAILABLE, again, "unavailable", &message),
        NotTaken::Refused => error(StatusCode::INTERNAL_SERVER_ERROR, [], "refused", &message),
    }
}

fn code(invalid: Invalid) -> &'static str {
    match invalid {
        Invalid::TooLong => "url_too_long",
        Invalid::Token(error) => token_code(error),
    }
}

/// The code of a token that does not open.
pub(super) fn token_code(error: OpenError) -> &'static str {
    match error {
        OpenError::Malformed => "malformed_token",
        OpenError::Format(_) => "unknown_token_format",
        OpenError::UnknownKey(_) => "unknown_token_key",
        OpenError::Forged => "forged_token",
        OpenError::Content(_) => "bad_token_content",
    }
}

/// An error as JSON: a code for machines, a sentence for people.
fn error<const N: usize>(
    status: StatusCode,
    headers: [(HeaderName, HeaderValue); N],
    code: &str,
    message: &str,
) -> Response<Full<Bytes>> {
    let body = serde_json::json!({ "error": code, "message": message }).to_string();
    let mut response = respond(status, headers, body);
    response.headers_mut().insert(CONTENT_TYPE, value("application/json"));
    response
}

/// With the headers that all answers share: no cache may swallow the next notice, any page may send one.
fn respond<const N: usize>(
    status: StatusCode,
    headers: [(HeaderName, HeaderValue); N],
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let shared = [
        (CACHE_CONTROL, value("no-store")),
        (ACCESS_CONTROL_ALLOW_ORIGIN, value("*")),
        (X_CONTENT_TYPE_OPTIONS, value("nosniff")),
    ];
    response.headers_mut().extend(shared.into_iter().chain(headers));
    response
}

fn value(text: &'static str) -> HeaderValue {
    HeaderValue::from_static(text)
}
