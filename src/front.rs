//! The HTTP port: bid requests to the bidder, notices and conversions to the ledger, on the worker that has the connection.

use std::rc::Rc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tagbid_bidder::{BID_PATH, HttpWorker, WorkerCall};
use tagbid_runtime::overload::Gate;
use tagbid_runtime::workers::{Arrival, Serve};

/// One worker's routes.
pub(crate) struct Front {
    bidder: Option<Rc<HttpWorker>>,
    ledger: Option<tagbid_ledger::Service>,
}

impl Front {
    pub(crate) fn new(bidder: Option<HttpWorker>, ledger: Option<tagbid_ledger::Service>) -> Self {
        Self { bidder: bidder.map(Rc::new), ledger }
    }

    /// Does a piece of work for the bidder.
    pub(crate) fn run(&self, call: WorkerCall) {
        if let Some(bidder) = &self.bidder {
            call.run(bidder);
        }
    }
}

impl Serve for Front {
    async fn serve(self: Rc<Self>, request: Request<Incoming>, arrival: Arrival) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        match (&self.bidder, &self.ledger) {
            (Some(bidder), _) if path.starts_with(BID_PATH) => {
                Rc::clone(bidder).serve(request, arrival).await
            }
            // What is told waits for its commit on the ledger's own thread; this worker goes on meanwhile.
            (_, Some(ledger)) if is_for_ledger(path) => ledger.http(request).await,
            _ => not_found(),
        }
    }

    fn gate(&self) -> Option<Rc<Gate>> {
        self.bidder.as_ref()?.gate()
    }

    /// Beside bids, what the ledger is told can wait: its senders try again.
    fn is_background(&self, request: &Request<Incoming>) -> bool {
        self.bidder.is_some() && is_for_ledger(request.uri().path())
    }
}

fn is_for_ledger(path: &str) -> bool {
    path.starts_with("/notice/") || path.starts_with("/conversion")
}

fn not_found() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from("not found: bid requests go to /openrtb2/EXCHANGE\n"));
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}
