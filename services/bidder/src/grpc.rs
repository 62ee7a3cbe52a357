//! The bid path and its explanations over gRPC. Both run on a worker, like everything that bids.

pub(crate) mod reach;

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use tagbid_ports::{ExplainError, Explainer, Explanation, Funnel, FunnelCounts, FunnelError};
use tagbid_runtime::auth::{Tokens, principal};
use tagbid_runtime::trace;
use tagbid_types::{ExchangeName, LineItemId, Scope};
use tagbid_wire::campaigns::{CATALOG_REVISION, explanation_to, funnel_to};
use tagbid_wire::pb::bidding::bidding_service_server::{BiddingService, BiddingServiceServer};
use tagbid_wire::pb::campaigns as pb;
use tokio::sync::{Semaphore, oneshot};
use tonic::service::RoutesBuilder;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status};

use crate::door::{Shown, Shut};
use crate::explain::explain_line_item;
use crate::path::{Encoding, Format};
use crate::service::WorkerCall;
use crate::settings::NoBidStyle;
use crate::shared::Shared;
use crate::worker::{Answer, Incoming, Worker};

/// Hands a call to some worker; false when none has room for it.
pub(crate) type Submit = Arc<dyn Fn(WorkerCall) -> bool + Send + Sync>;

/// The gRPC face of the bidder, and its [`Explainer`] and [`FunnelCounts`] ports.
#[derive(Clone)]
pub struct BidderGrpc {
    pub(crate) submit: Submit,
    /// Calls under way: a worker takes any number, so their bound is here.
    pub(crate) calls: Arc<Semaphore>,
    /// Longest message.
    pub(crate) message_bytes: usize,
    pub(crate) shared: Arc<Shared>,
}

impl BidderGrpc {
    fn incoming(&self, exchange: ExchangeName, format: Format, body: Bytes) -> Incoming {
        Incoming {
            exchange,
            body,
            format,
            encoding: Encoding::Identity,
            arrival: self.shared.clock.monotonic(),
            trace: None,
        }
    }

    /// Adds `BiddingService` to a gRPC port: `Bid` for exchanges, `Explain` for operators and roles. Advertisers must
    /// not see each other's bids.
    pub fn add_grpc(&self, routes: &mut RoutesBuilder, tokens: Tokens) {
        let server = BiddingServiceServer::new(self.clone()).max_decoding_message_size(self.message_bytes);
        routes.add_service(InterceptedService::new(server, tokens));
    }

    /// Runs a call on some worker; an error at once when too many are under way.
    async fn on_worker<T: Send + 'static, F: Future<Output = T> + 'static>(
        &self,
        call: impl FnOnce(Rc<Worker>) -> F + Send + 'static,
    ) -> Result<T, Unanswered> {
        let _permit = self.calls.try_acquire().map_err(|_| Unanswered::Busy)?;
        let (tell, told) = oneshot::channel();
        let placed = (self.submit)(WorkerCall(Box::new(move |worker| {
            tokio::task::spawn_local(async move {
                // The caller may have gone.
                let _ = tell.send(call(worker).await);
            });
        })));
        if placed { told.await.map_err(|_| Unanswered::Lost) } else { Err(Unanswered::Busy) }
    }

    async fn ask(&self, line_item: LineItemId, incoming: Incoming) -> Result<Explanation, ExplainError> {
        let explained = self.on_worker(async move |worker: Rc<Worker>| {
            explain_line_item(&worker, &incoming, line_item).await
        });
        explained.await.map_err(|unanswered| ExplainError::Unavailable(unanswered.to_string()))?
    }
}

/// Why a worker gave no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Unanswered {
    /// Nobody has time for it.
    #[error("more requests than can be answered in time")]
    Busy,
    /// The worker panicked over it, or ended.
    #[error("the request was lost; the bidder's log says more")]
    Lost,
}

impl From<Unanswered> for Status {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Busy => Self::resource_exhausted(unanswered.to_string()),
            Unanswered::Lost => Self::internal(unanswered.to_string()),
        }
    }
}

/// Only operators and other roles explain.
fn trusted<T>(request: &Request<T>) -> Result<(), Status> {
    match principal(request)?.scope {
        Scope::Operator | Scope::Role => Ok(()),
        Scope::Advertiser(_) => {
            Err(Status::permission_denied("ask CampaignsService.Explain about your line items"))
        }
        Scope::Exchange(_) => Err(Status::permission_denied("an exchange's token opens Bid alone")),
    }
}

#[tonic::async_trait]
impl BiddingService for BidderGrpc {
    async fn bid(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        let exchange = exchange(&request)?;
        let peer = request.remote_addr().map(|peer| peer.ip().to_canonical());
        let mut incoming = self.incoming(exchange, Format::Protobuf, request.into_inner());
        // The call has a span where it is traced; the worker does not run in it.
        let call = trace::current();
        let answered = self.on_worker(async move |worker: Rc<Worker>| {
            worker.admit(&incoming.exchange, Shown::Token, peer).map_err(shut)?;
            let place = worker.has_time(&incoming.exchange, incoming.arrival).and_then(|()| worker.enter());
            let _place = place.map_err(|why| {
                worker.count_shed(why);
                Unanswered::Busy
            })?;
            incoming.trace = worker.trace_part(call);
            Ok::<_, Status>(worker.answer(&incoming, NoBidStyle::Nbr).await)
        });
        let answered = answered.await;
        if let Err(Unanswered::Busy) = answered {
            self.shared.metrics.busy.inc();
        }
        match answered?? {
            Answer::Bids(body) | Answer::NoBid { body: Some(body), .. } => Ok(Response::new(body)),
            Answer::NoBid { reason, body: None } => Err(Status::internal(reason.as_str())),
            Answer::Refused(refusal) => Err(Status::invalid_argument(refusal.message)),
        }
    }

    async fn explain(
        &self,
        request: Request<pb::ExplainRequest>,
    ) -> Result<Response<pb::ExplainResponse>, Status> {
        trusted(&request)?;
        let asked = request.into_inner();
        let exchange: ExchangeName = asked.exchange.parse().map_err(Status::invalid_argument)?;
        let explained =
            Explainer::explain(self, LineItemId(asked.line_item_id), &exchange, asked.openrtb_json.into());
        match explained.await {
            Ok(explanation) => Ok(Response::new(explanation_to(&explanation))),
            Err(error) => Err(status(&error)),
        }
    }

    async fn get_funnel(
        &self,
        request: Request<pb::GetFunnelRequest>,
    ) -> Result<Response<pb::GetFunnelResponse>, Status> {
        trusted(&request)?;
        let line_items: Vec<_> = request.into_inner().line_item_ids.into_iter().map(LineItemId).collect();
        match self.funnel(&line_items).await {
            Ok(funnel) => Ok(Response::new(funnel_to(&funnel))),
            Err(error) => Err(Status::failed_precondition(error.0)),
        }
    }
}

#[async_trait::async_trait]
impl Explainer for BidderGrpc {
    async fn explain(
        &self,
        line_item: LineItemId,
        exchange: &ExchangeName,
        openrtb: Bytes,
    ) -> Result<Explanation, ExplainError> {
        self.ask(line_item, self.incoming(exchange.clone(), Format::Json, openrtb)).await
    }
}

#[async_trait::async_trait]
impl FunnelCounts for BidderGrpc {
    async fn funnel(&self, line_items: &[LineItemId]) -> Result<Funnel, FunnelError> {
        self.shared.funnel_report(line_items)
    }
}

/// The exchange that the credential is of. Whoever names one beside it must name that one.
fn exchange<T>(request: &Request<T>) -> Result<ExchangeName, Status> {
    let Scope::Exchange(own) = principal(request)?.scope else {
        return Err(Status::permission_denied("bid requests need a token of scope exchange:NAME"));
    };
    let named = request.metadata().get("x-tagbid-exchange");
    if named.is_some_and(|named| named.as_bytes() != own.as_str().as_bytes()) {
        let text = format!("the token is of exchange {own}: leave x-tagbid-exchange out, or send that name");
        return Err(Status::permission_denied(text));
    }
    Ok(own)
}

/// A closed door on the wire.
fn shut(why: Shut) -> Status {
    match why {
        Shut::Stranger => Status::permission_denied("not from a network of this exchange"),
        Shut::TooOften => Status::resource_exhausted("more requests a second than agreed (max_rate)"),
    }
}

/// The one place where the bidder's errors become gRPC statuses.
fn status(error: &ExplainError) -> Status {
    let text = error.to_string();
    match error {
        ExplainError::Request(_) => Status::invalid_argument(text),
        ExplainError::UnknownExchange(_) => Status::not_found(text),
        ExplainError::UnknownLineItem { revision, .. } => {
            let mut status = Status::not_found(text);
            status.metadata_mut().insert(CATALOG_REVISION, revision.0.into());
            status
        }
        ExplainError::Unavailable(_) => Status::unavailable(text),
    }
}
