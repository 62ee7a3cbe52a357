//! `BiddingService.Bid`: for the exchange that the credential is of, from its networks, at its rate.

use std::rc::Rc;

use tagbid_runtime::auth::{Secret, TokenConfig, Tokens};
use tagbid_runtime::overload::Why;
use tagbid_wire::pb::bidding::bidding_service_server::BiddingService;
use tagbid_wire::pb::campaigns::ExplainRequest;
use tokio::sync::{Semaphore, mpsc};
use tonic::service::Interceptor;
use tonic::transport::server::TcpConnectInfo;
use tonic::{Code, Request, Status};

use super::*;
use crate::grpc::BidderGrpc;
use crate::service::WorkerCall;

/// id "a"; imp { id "1", banner { w 300, h 250 }, secure 1 }; device { geo { country "USA" } }.
const PROTOBUF: &[u8] =
    b"\x0a\x01a\x12\x0d\x0a\x011\x12\x06\x08\xac\x02\x10\xfa\x01\x60\x01\x2a\x07\x22\x05\x1a\x03USA";

const TOKEN: &str = "a-token-of-sixteen-or-more";

/// Runs a story beside the worker that the gRPC face hands its calls to.
fn beside_a_worker<F: Future>(exchange: Exchange, story: impl FnOnce(BidderGrpc) -> F) -> F::Output {
    beside_a_busy_worker(Duration::ZERO, exchange, story)
}

/// The same beside one that takes so long to come to each call.
fn beside_a_busy_worker<F: Future>(
    wait: Duration,
    exchange: Exchange,
    story: impl FnOnce(BidderGrpc) -> F,
) -> F::Output {
    let turned = Arc::new(FakeClock::at(Timestamp::from_secs(1_750_000_000)));
    let clock: Arc<dyn Clock> = Arc::clone(&turned) as Arc<dyn Clock>;
    let shared = shared(catalog(1), clock, Arc::new(Same::default()), exchange);
    let worker = Rc::new(Worker::open(Arc::clone(&shared), 0));
    let (calls, mut called) = mpsc::channel::<WorkerCall>(16);
    let grpc = BidderGrpc {
        submit: Arc::new(move |call| calls.try_send(call).is_ok()),
        calls: Arc::new(Semaphore::new(8)),
        message_bytes: 1 << 16,
        shared,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        let working = async {
            while let Some(WorkerCall(call)) = called.recv().await {
                turned.advance(wait);
                call(Rc::clone(&worker));
            }
            std::future::pending().await
        };
        tokio::select! {
            told = story(grpc) => told,
            never = working => never,
        }
    })
}

/// A request as it comes through the interceptor, with a token of this scope.
fn request<T>(body: T, scope: &str, named: Option<&str>, peer: &str) -> Request<T> {
    let token = TokenConfig { name: "t".into(), token: Secret::new(TOKEN), scope: scope.into() };
    let mut shown = Request::new(());
    shown.metadata_mut().insert("authorization", format!("Bearer {TOKEN}").parse().unwrap());
    let shown = Tokens::new(&[token]).unwrap().call(shown).unwrap();
    let mut request = Request::new(body);
    *request.extensions_mut() = shown.extensions().clone();
    let remote_addr = format!("{peer}:4711").parse().ok();
    request.extensions_mut().insert(TcpConnectInfo { local_addr: None, remote_addr });
    if let Some(named) = named {
        request.metadata_mut().insert("x-tagbid-exchange", named.parse().unwrap());
    }
    request
}

async fn bid(grpc: &BidderGrpc, scope: &str, named: Option<&str>, peer: &str) -> Result<Bytes, Code> {
    let request = request(Bytes::from_static(PROTOBUF), scope, named, peer);
    let answer = BiddingService::bid(grpc, request).await;
    answer.map(tonic::Response::into_inner).map_err(|status: Status| status.code())
}

fn has_bid(answer: &Result<Bytes, Code>) -> bool {
    let crid = b"shop.example";
    answer.as_ref().is_ok_and(|body| body.windows(crid.len()).any(|part| part == crid))
}

#[test]
fn an_exchange_bids_with_its_own_token_and_nobody_in_its_name() {
    beside_a_worker(Exchange::default(), async |grpc: BidderGrpc| {
        let home = "127.0.0.1";
        for named in [None, Some("demo")] {
            let answer = bid(&grpc, "exchange:demo", named, home).await;
            assert!(has_bid(&answer), "{answer:?}");
        }
        for (scope, named) in [
            ("exchange:demo", Some("other")),
            ("exchange:demo", Some("")),
            ("exchange:other", Some("demo")),
            ("role", Some("demo")),
            ("operator", Some("demo")),
            ("advertiser:1", Some("demo")),
        ] {
            let answer = bid(&grpc, scope, named, home).await;
            assert_eq!(answer, Err(Code::PermissionDenied), "{scope} {named:?}");
        }
        let explain = request(ExplainRequest::default(), "exchange:demo", None, home);
        let refused = BiddingService::explain(&grpc, explain).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied, "an exchange's token opens nothing else");
    });
}

#[test]
fn the_exchanges_networks_and_rate_hold_over_grpc_too() {
    let exchange = Exchange {
        key: Secret::new("the-key-of-the-url"),
        networks: vec!["192.0.2.0/24".into()],
        max_rate: 10,
        ..Exchange::default()
    };
    beside_a_worker(exchange, async |grpc: BidderGrpc| {
        let elsewhere = bid(&grpc, "exchange:demo", None, "198.51.100.7").await;
        assert_eq!(elsewhere, Err(Code::PermissionDenied));
        let (home, mapped) = ("192.0.2.7", "[::ffff:192.0.2.7]");
        // A tenth of a second's worth at once: one, and the one that is due.
        assert!(has_bid(&bid(&grpc, "exchange:demo", None, home).await));
        assert!(has_bid(&bid(&grpc, "exchange:demo", None, mapped).await));
        assert_eq!(bid(&grpc, "exchange:demo", None, home).await, Err(Code::ResourceExhausted));
    });
}

#[test]
fn a_call_that_waited_too_long_for_its_worker_is_turned_away() {
    // The exchange waits for a second, less a margin of 5 ms: half of that is 497 ms.
    for (wait_ms, turned_away) in [(400, false), (600, true)] {
        beside_a_busy_worker(
            Duration::from_millis(wait_ms),
            Exchange::default(),
            async |grpc: BidderGrpc| {
                let answer = bid(&grpc, "exchange:demo", None, "127.0.0.1").await;
                assert_eq!(
                    answer.as_ref().err() == Some(&Code::ResourceExhausted),
                    turned_away,
                    "{answer:?}"
                );
                let shed = grpc.shared.metrics.shard(0).shed(Why::TooOld).get();
                assert_eq!(shed, u64::from(turned_away));
            },
        );
    }
}
