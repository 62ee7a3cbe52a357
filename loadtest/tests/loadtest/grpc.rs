//! Bid requests over gRPC.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use prost_reflect::prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage};
use tagbid_exchange::Traffic;
use tagbid_loadtest::load::{Pace, Plan, Reading, run};
use tagbid_loadtest::message::{Encoding, Messages};
use tagbid_wire::pb::bidding::bidding_service_server::{BiddingService, BiddingServiceServer};
use tagbid_wire::pb::campaigns as pb;
use tonic::{Request, Response, Status};

/// Takes turns: a bid, a no-bid, no time, an error. Wants a token.
struct Turns(AtomicU64);

/// A BidResponse by its JSON.
fn answer(json: &str) -> Bytes {
    let pool = DescriptorPool::decode(tagbid_wire::DESCRIPTORS).unwrap();
    let of = pool.get_message_by_name("com.iabtechlab.openrtb.v2.BidResponse").unwrap();
    let mut message = DynamicMessage::new(of.clone());
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    if let Some(nbr) = json["nbr"].as_i64() {
        message.set_field_by_name("nbr", prost_reflect::Value::I32(nbr as i32));
    }
    if json["bids"] == 1 {
        let seat = pool.get_message_by_name("com.iabtechlab.openrtb.v2.BidResponse.SeatBid").unwrap();
        let bid = pool.get_message_by_name("com.iabtechlab.openrtb.v2.BidResponse.SeatBid.Bid").unwrap();
        let mut seat = DynamicMessage::new(seat);
        let bid = prost_reflect::Value::Message(DynamicMessage::new(bid));
        seat.set_field_by_name("bid", prost_reflect::Value::List(vec![bid]));
        let seats = prost_reflect::Value::List(vec![prost_reflect::Value::Message(seat)]);
        message.set_field_by_name("seatbid", seats);
    }
    message.encode_to_vec().into()
}

#[tonic::async_trait]
impl BiddingService for Turns {
    async fn bid(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
        let token = request.metadata().get("authorization").map(|value| value.as_bytes().to_vec());
        assert_eq!(token.as_deref(), Some(&b"Bearer t"[..]));
        match self.0.fetch_add(1, Ordering::Relaxed) % 4 {
            0 => Ok(Response::new(answer(r#"{"bids":1}"#))),
            1 => Ok(Response::new(answer(r#"{"nbr":503}"#))),
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
            let service = BiddingServiceServer::new(Turns(AtomicU64::new(0)));
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
        tmax: Duration::from_secs(10),
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
    assert_eq!(record.reasons, [("nbr 503".to_owned(), 25)].into());
}
