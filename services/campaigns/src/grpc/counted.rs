//! Counts the calls of a service.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use tagbid_runtime::undecodable;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Request, Response};
use tonic::codegen::{BoxFuture, Service};
use tonic::server::NamedService;

use crate::metrics::Metrics;

/// A service whose calls are counted by method and code.
#[derive(Clone)]
pub(super) struct Counted<S> {
    pub(super) service: S,
    pub(super) metrics: Arc<Metrics>,
}

impl<S: NamedService> NamedService for Counted<S> {
    const NAME: &'static str = S::NAME;
}

impl<S, B> Service<Request<Body>> for Counted<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = Infallible;
    type Future = BoxFuture<Response<B>, Infallible>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        let (answer, metrics) = (self.service.call(request), Arc::clone(&self.metrics));
        Box::pin(async move {
            let response = answer.await?;
            metrics.called(&method, code(response.headers()));
            Ok(response)
        })
    }
}

/// What the caller will be told. An answer that has no code in its head has a message: all is well so far.
fn code(headers: &HeaderMap) -> i32 {
    if let Some(refusal) = undecodable::refusal(headers) {
        return refusal.code() as i32;
    }
    let code = headers.get("grpc-status").and_then(|code| code.to_str().ok()?.parse().ok());
    code.unwrap_or_default()
}
