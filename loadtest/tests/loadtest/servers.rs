//! HTTP servers that do as they are told, each on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What a server does with the n-th request that reaches it, its path and query, and its body.
pub(crate) type Answer = dyn Fn(u64, &str, &[u8]) -> (Duration, Response<Full<Bytes>>) + Send + Sync;

/// Where the server is: "127.0.0.1:PORT". It ends with the process.
pub(crate) fn serve(
    answer: impl Fn(u64, &str, &[u8]) -> (Duration, Response<Full<Bytes>>) + Send + Sync + 'static,
) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap().to_string();
    listener.set_nonblocking(true).unwrap();
    let answer: Arc<Answer> = Arc::new(answer);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(accept(listener, answer));
    });
    host
}

async fn accept(listener: std::net::TcpListener, answer: Arc<Answer>) {
    let listener = TcpListener::from_std(listener).unwrap();
    let count = Arc::new(AtomicU64::new(0));
    let mut connections = JoinSet::new();
    loop {
        let (socket, _) = listener.accept().await.unwrap();
        let (count, answer) = (Arc::clone(&count), Arc::clone(&answer));
        let service = service_fn(move |request: Request<Incoming>| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            let answer = Arc::clone(&answer);
            async move {
                let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
                let body = request.into_body().collect().await?.to_bytes();
                let (delay, response) = answer(number, &path, &body);
                if !delay.is_zero() {
                    tokio::time::sleep(delay).await;
                }
                Ok::<_, hyper::Error>(response)
            }
        });
        connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service));
    }
}

/// 204.
pub(crate) fn no_bid() -> Response<Full<Bytes>> {
    Response::builder().status(204).body(Full::default()).unwrap()
}
