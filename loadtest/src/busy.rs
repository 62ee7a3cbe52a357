//! A server whose work is known: it spins for so long on each request. What a generator measures of it is no surprise.

use std::io::Write;
use std::process::ExitCode;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tagbid_runtime::workers::{Arrival, ConnectionLimits, Serve, Workers, read_body};
use tagbid_runtime::{Drain, SystemClock};
use tokio::net::TcpListener;

/// Longest body that it reads.
const BODY_LIMIT: usize = 256 * 1024;

struct Busy(Duration);

impl Serve for Busy {
    async fn serve(self: Rc<Self>, request: Request<Incoming>, _arrival: Arrival) -> Response<Full<Bytes>> {
        // Whoever sends nonsense gets the same answer: the work is what matters.
        let _read = read_body(request.into_body(), BODY_LIMIT).await;
        let start = Instant::now();
        while start.elapsed() < self.0 {
            std::hint::spin_loop();
        }
        Response::new(Full::new(Bytes::from_static(b"{}")))
    }
}

/// Listens, says where on standard output, and serves until the process is ended.
pub fn run(micros: u64) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        writeln!(std::io::stdout(), "listening on {}", listener.local_addr()?)?;
        let (work, drain) = (Duration::from_micros(micros), Drain::default());
        let limits = ConnectionLimits::default();
        let (workers, threads) =
            Workers::start(1, limits, Arc::new(SystemClock), &drain, move |_| Busy(work))?;
        workers.accept(listener, drain).await;
        tokio::task::spawn_blocking(|| threads.join()).await?;
        Ok(ExitCode::SUCCESS)
    })
}
