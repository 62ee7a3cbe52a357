//! Bid requests over gRPC.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, Value};
use tagbid_exchange::Traffic;
use tagbid_loadtest::load::{Pace, Plan, Reading, run};
use tagbid_loadtest::message::{Encoding, Messages};
use tagbid_wire::pb::bidding::bidding_service_server::{BiddingService, BiddingServiceServer};
use tagbid_wire::pb::campaigns as pb;
use tonic::{Request, Response, Status};

/// Takes turns: a bid, a no-bid, no time, an error. Wants a token.
struct Turns {
    count: AtomicU64,
    bid: Bytes,
    no_bid: Bytes,
}

/// An answer with one bid, and one with none.
fn answers() -> (Bytes, Bytes) {
    let pool = DescriptorPool::decode(tagbid_wire::DESCRIPTORS).unwrap();
    let message = |name: &str| {
        let of = pool.get_message_by_name(&format!("com.iabtechlab.openrtb.v2.BidResponse{name}"));
        DynamicMessage::new(of.unwrap())
    };
    let list = |of: DynamicMessage| Value::List(vec![Value::Message(of)]);
    let (mut bid, mut no_bid, mut seat) = (message(""), message(""), message(".SeatBid"));
    seat.set_field_by_name("bid", list(message(".SeatBid.Bid")));
    bid.set_field_by_name("seatbid", list(seat));
    no_bid.set_field_by_name("nbr", Value::I32(503));
    (bid.encode_to_vec().into(), no_bid.encode_to_vec().into())
}

#[tonic::async_trait]
impl BiddingService for Turns {
    async fn bid(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        let token = request.metadata().get("authorization").map(|value| value.as_bytes().to_vec());
        assert_eq!(token.as_deref(), Some(&b"Bearer t"[..]));
        match self.count.fetch_add(1, Ordering::Relaxed) % 4 {
            0 => Ok(Response::new(self.bid.clone())),
            1 => Ok(Response::new(self.no_bid.clone())),
            2 => Err(Status::resource_exhausted("busy")),
            _ => Err(Status::invalid_argument("no")),
        }
    }

    async fn explain(&self, _: Request<pb::ExplainRequest>) -> Result<Response<pb::ExplainResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }

    async fn get_funnel(
        &self,
        _: Request<pb::GetFunnelRequest>,
    ) -> Result<Response<pb::GetFunnelResponse>, Status> {
        Err(Status::unimplemented("not here"))
    }
}

fn serve() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let incoming = tonic::transport::server::TcpIncoming::from(listener);
            let (bid, no_bid) = answers();
            let service = BiddingServiceServer::new(Turns { count: AtomicU64::new(0), bid, no_bid });
            tonic::transport::Server::builder()
                .add_service(service)
                .serve_with_incoming(incoming)
                .await
                .unwrap();
        });
    });
    host
}

#[test]
fn outcomes_are_read_out_of_grpc_answers() {
    let traffic = Traffic { users: 100, ..Traffic::default() };
    let mut messages = Messages::generated(traffic, 1, 100, Encoding::Protobuf).unwrap();
    messages.list = messages
        .list
        .iter()
        .map(|message| tagbid_loadtest::message::Message { tmax: None, ..message.clone() })
        .collect();
    let length = Duration::from_millis(500);
    let mut plan = Plan {
        encoding: Encoding::Protobuf,
        connections: 2,
        streams: 8,
        tmax: Duration::from_secs(30),
        timeout: Duration::from_secs(30),
        reading: Reading::Content,
        ..Plan::new(
            format!("grpc://{}", serve()).parse().unwrap(),
            Pace::per_second(200.0, length),
            length,
            messages,
        )
    };
    plan.headers.insert("authorization", "Bearer t".parse().unwrap());
    let record = run(&plan).unwrap();
    let outcomes = record.tallies().outcomes;
    assert_eq!(
        (outcomes.bid, outcomes.no_bid, outcomes.shed, outcomes.error),
        (25, 25, 25, 25),
        "{record:?}"
    );
    // By gRPC's numbers: OK, INVALID_ARGUMENT, RESOURCE_EXHAUSTED.
    assert_eq!(record.statuses, [(0, 50), (3, 25), (8, 25)].into());
    assert_eq!(record.errors, [("gRPC status InvalidArgument".to_owned(), 25)].into());
    assert_eq!(record.reasons, [("nbr 503".to_owned(), 25)].into());
}
