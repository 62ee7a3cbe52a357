use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::sync::oneshot;
use tokio_stream::StreamExt;
use tonic::body::Body;
use tonic::server::NamedService;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus as Told;
use tonic_health::pb::health_client::HealthClient;

use super::*;
use crate::limits::LimitOptions;

/// A service of which every call panics.
#[derive(Clone)]
struct Panicking;

impl NamedService for Panicking {
    const NAME: &'static str = "test.Panicking";
}

impl tower::Service<http::Request<Body>> for Panicking {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        assert!(request.uri().path().is_empty(), "asked to");
        ready(Ok(http::Response::new(Body::empty())))
    }
}

struct Given {
    channel: Channel,
    url: String,
    ready: Arc<AtomicBool>,
    drain: Drain,
    served: oneshot::Receiver<Result<(), String>>,
}

async fn given_a_port() -> Given {
    given_a_port_with(LimitOptions::default()).await
}

async fn given_a_port_with(limits: LimitOptions) -> Given {
    let port = Port::new(&limits);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (ready, drain) = (Arc::new(AtomicBool::new(false)), Drain::default());
    let watched = Arc::clone(&ready);
    let health: Health = Box::new(move || vec![("test.Panicking".into(), watched.load(Ordering::Relaxed))]);
    let mut routes = RoutesBuilder::default();
    routes.add_service(Panicking);
    let descriptors = tonic_health::pb::FILE_DESCRIPTOR_SET;
    let (tasks, ended) = (crate::Tasks::new(drain.clone()), drain.clone());
    let (tell, served) = oneshot::channel();
    tasks.spawn("grpc", async move {
        let _ = tell.send(serve(listener, port, routes, descriptors, health, ended).await);
    });
    let channel = Channel::from_shared(url.clone()).unwrap().connect().await.unwrap();
    Given { channel, url, ready, drain, served }
}

/// What the health service says, from now on.
async fn watch(given: &Given, service: &str) -> tonic::Streaming<tonic_health::pb::HealthCheckResponse> {
    let request = HealthCheckRequest { service: service.into() };
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    loop {
        let mut client = HealthClient::new(given.channel.clone());
        let known = client.check(request.clone()).await.is_ok();
        let watched = client.watch(request.clone()).await.unwrap().into_inner();
        if known {
            return watched;
        }
        assert!(tokio::time::Instant::now() < deadline, "{service:?} never became known");
        tokio::task::yield_now().await;
    }
}

async fn told(
    watched: &mut (
             impl tokio_stream::Stream<Item = Result<tonic_health::pb::HealthCheckResponse, tonic::Status>> + Unpin
         ),
) -> Option<Told> {
    let next = tokio::time::timeout(Duration::from_secs(10), watched.next()).await.expect("news");
    next.map(|response| response.unwrap().status())
}

#[tokio::test]
async fn health_follows_each_service_and_ends_with_the_port() {
    let given = given_a_port().await;
    let mut watched = watch(&given, "test.Panicking").await;
    assert_eq!(told(&mut watched).await, Some(Told::NotServing));
    given.ready.store(true, Ordering::Relaxed);
    assert_eq!(told(&mut watched).await, Some(Told::Serving));
    let unknown = HealthCheckRequest { service: "test.Other".into() };
    let error = HealthClient::new(given.channel.clone()).check(unknown).await.unwrap_err();
    assert_eq!(error.code(), tonic::Code::NotFound);
    given.drain.leave();
    assert_eq!(told(&mut watched).await, Some(Told::NotServing));
    given.drain.start();
    assert_eq!(told(&mut watched).await, None, "a watcher does not hold up the drain");
    let served = tokio::time::timeout(Duration::from_secs(10), given.served).await;
    assert_eq!(served.expect("the port to end").unwrap(), Ok(()));
}

#[tokio::test]
async fn a_panic_in_a_call_is_counted_and_costs_that_call() {
    crate::telemetry::count_panics();
    let (given, before) = (given_a_port().await, crate::telemetry::panics());
    let mut client = tonic::client::Grpc::new(given.channel.clone());
    client.ready().await.unwrap();
    let codec = tonic_prost::ProstCodec::<HealthCheckRequest, HealthCheckRequest>::default();
    let path = http::uri::PathAndQuery::from_static("/test.Panicking/Call");
    let request = tonic::Request::new(HealthCheckRequest::default());
    assert!(client.unary(request, path, codec).await.is_err());
    assert!(crate::telemetry::panics() > before);
    assert_eq!(told(&mut watch(&given, "test.Panicking").await).await, Some(Told::NotServing), "it goes on");
}

#[tokio::test]
async fn a_port_holds_so_many_connections_of_a_peer_and_none_that_is_silent() {
    use tokio::io::AsyncReadExt;

    let limits = LimitOptions { connections_per_peer: 2, head_ms: 100, ..LimitOptions::default() };
    let given = given_a_port_with(limits).await;
    let address = given.url.trim_start_matches("http://");
    let connect = async || tokio::net::TcpStream::connect(address).await.unwrap();
    // The channel has the first place.
    let mut silent = connect().await;
    let refused =
        tokio::time::timeout(Duration::from_secs(10), async { connect().await.read(&mut [0]).await });
    assert!(matches!(refused.await.expect("to be closed at once"), Ok(0) | Err(_)));
    let ended = tokio::time::timeout(Duration::from_secs(10), async {
        let mut greeting = Vec::new();
        silent.read_to_end(&mut greeting).await
    });
    assert!(ended.await.is_ok(), "whoever says nothing loses its place");
    assert_eq!(
        told(&mut watch(&given, "test.Panicking").await).await,
        Some(Told::NotServing),
        "others go on"
    );
}
