//! The transport floor: a server on the bidder's own workers that reads each request's body, does not parse it, and
//! answers a canned bid. What the bid path costs is told as a multiple of this.
//!
//! **Frozen.** Every published ratio rests on this code; a change of it makes old and new figures incomparable.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::Context;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tagbid_runtime::workers::{Arrival, ConnectionLimits, Serve, Workers, read_body};
use tagbid_runtime::{Drain, SystemClock};
use tokio::net::TcpListener;

/// The bidder's own limit (DESIGN: body 256 KiB).
const BODY_LIMIT: usize = 256 * 1024;

/// A bid of the size that the bid path gives: one banner with notice URLs.
const CANNED: &str = r#"{"id":"000000000001-0000000000000000","bidid":"0000000000000000000000000000000000","cur":"USD","seatbid":[{"seat":"tagbid","bid":[{"id":"00000000000000000000000000000000","impid":"1","price":1.25,"mtype":1,"crid":"1001","cid":"77","adomain":["volta-motors.example"],"cat":["IAB2-3"],"w":300,"h":250,"nurl":"https://n.example/win?t=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&p=${AUCTION_PRICE}","burl":"https://n.example/bill?t=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA&p=${AUCTION_PRICE}","adm":"<a href=\"https://n.example/click?t=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"><img src=\"https://cdn.example/300x250.png\" width=\"300\" height=\"250\"></a>"}]}]}"#;

struct Floor;

impl Serve for Floor {
    async fn serve(self: Rc<Self>, request: Request<Incoming>, _arrival: Arrival) -> Response<Full<Bytes>> {
        let read = read_body(request.into_body(), BODY_LIMIT).await;
        let mut response = Response::new(Full::new(Bytes::from_static(CANNED.as_bytes())));
        if read.is_err() {
            *response.status_mut() = StatusCode::BAD_REQUEST;
        }
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

/// Listens, says where on standard output, and serves until the process is ended.
pub fn run(listen: SocketAddr, workers: usize) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener =
            TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
        writeln!(std::io::stdout(), "listening on {}", listener.local_addr()?)?;
        serve(listener, workers, Drain::default()).await
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Serves on a socket until the drain.
pub async fn serve(listener: TcpListener, workers: usize, drain: Drain) -> anyhow::Result<()> {
    let limits = ConnectionLimits::default();
    let (workers, threads) = Workers::start(workers, limits, Arc::new(SystemClock), &drain, |_| Floor)?;
    workers.accept(listener, drain).await;
    tokio::task::spawn_blocking(|| threads.join()).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tagbid_exchange::net::Connection;

    #[tokio::test]
    async fn any_body_gets_the_canned_bid() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string().parse().unwrap();
        let drain = Drain::default();
        let mut server = tokio::task::JoinSet::new();
        server.spawn(serve(listener, 1, drain.clone()));
        let mut connection = Connection::new(host, Duration::from_secs(5));
        for body in ["", "no JSON at all"] {
            let answer =
                connection.send(&Request::post("/x").body(Bytes::from(body)).unwrap()).await.unwrap();
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, CANNED.as_bytes()));
        }
        assert!(serde_json::from_str::<serde_json::Value>(CANNED).is_ok());
        drop(connection);
        drain.start();
        server.join_next().await.unwrap().unwrap().unwrap();
    }
}
