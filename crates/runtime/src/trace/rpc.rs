//! Calls over gRPC as spans: a layer before all services of a port.

use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either};
use http::{HeaderMap, Request, Response};
use tagbid_types::TRACEPARENT;
use tower::{Layer, Service};

use super::{Begun, Kind, Span, tracer, within};

/// Begins every path of our own services; health and reflection are asked all the time and by nobody's request.
const OURS: &str = "/tagbid.";

/// Longest name of a method that is told: callers choose it.
const LONGEST: usize = 96;

/// The layer: a call that is to be recorded becomes a span, in which its handler runs. The span ends when the handler has
/// answered; of a stream that is its opening.
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceCalls;

impl<S> Layer<S> for TraceCalls {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        Traced(inner)
    }
}

/// A service whose calls may be recorded.
#[derive(Clone, Debug)]
pub struct Traced<S>(S);

impl<S, B, A> Service<Request<B>> for Traced<S>
where
    S: Service<Request<B>, Response = Response<A>>,
    S::Future: Send + 'static,
    S::Error: Send,
    A: Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Some((begun, method)) = begin(&request) else { return Either::Left(self.0.call(request)) };
        let began = tracer().now();
        // Some work may be done before the future is first polled.
        let answering = self.0.call(request);
        let recorded = async move {
            let answer = within(Some(begun.context), answering).await;
            let code = answer.as_ref().ok().map_or(UNKNOWN, |answer| code(answer.headers()));
            let fields =
                vec![("rpc.system", "grpc".into()), ("rpc.grpc.status_code", usize::from(code).into())];
            let span = Span::new(begun, method.into(), Kind::Server, began, tracer().now());
            tracer().record(vec![Span { fields, failed: is_ours(code), ..span }]);
            answer
        };
        Either::Right(recorded.boxed())
    }
}

fn begin<B>(request: &Request<B>) -> Option<(Begun, String)> {
    let tracer = tracer();
    let path = request.uri().path();
    if !tracer.is_on() || !path.starts_with(OURS) {
        return None;
    }
    let said = request.headers().get(TRACEPARENT).map(http::HeaderValue::as_bytes);
    let begun = tracer.begin(said, 1, || tracer.draw())?;
    Some((begun, path.chars().skip(1).take(LONGEST).collect()))
}

/// `google.rpc.Code`.
const UNKNOWN: u8 = 2;

/// Of an answer without a message the code is in the head; otherwise it is OK as far as can be known.
fn code(headers: &HeaderMap) -> u8 {
    let code = headers.get("grpc-status").and_then(|code| code.to_str().ok());
    code.map_or(0, |code| code.parse().unwrap_or(UNKNOWN))
}

/// Whether a code says that the fault is the server's: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL, UNAVAILABLE and
/// DATA_LOSS, as OpenTelemetry's conventions for RPC servers have it.
fn is_ours(code: u8) -> bool {
    matches!(code, 2 | 4 | 12 | 13 | 14 | 15)
}
