use std::cell::Cell;
use std::sync::atomic::AtomicBool;

use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

use super::*;

mod limits;

use crate::SystemClock;
use crate::overload::GateOptions;

/// Answers with its worker's index and how many requests that worker saw, or panics when asked to.
struct Echo {
    index: usize,
    seen: Cell<usize>,
    gate: Rc<Gate>,
    stall: Arc<Stall>,
}

/// Keeps a worker for as long as a test wants.
#[derive(Default)]
struct Stall {
    begun: AtomicBool,
    over: AtomicBool,
}

impl Serve for Echo {
    async fn serve(self: Rc<Self>, request: Request<Incoming>, arrival: Arrival) -> Response<Full<Bytes>> {
        assert!(request.uri().path() != "/panic", "asked to");
        assert!(arrival.at <= SystemClock.monotonic());
        self.seen.set(self.seen.get() + 1);
        match request.uri().path() {
            "/endless" => return Response::new(Full::new(vec![b'x'; 64 << 20].into())),
            "/age" => {
                let age = SystemClock.monotonic().since(arrival.at);
                return Response::new(Full::new(age.as_micros().to_string().into()));
            }
            "/stall" => {
                self.stall.begun.store(true, Ordering::SeqCst);
                while !self.stall.over.load(Ordering::SeqCst) {
                    std::hint::spin_loop();
                }
            }
            "/work" => {
                let begun = std::time::Instant::now();
                while begun.elapsed() < std::time::Duration::from_micros(200) {
                    std::hint::spin_loop();
                }
            }
            "/bid" => _ = self.gate.admit(arrival.at, std::time::Duration::from_secs(10)),
            _ => {}
        }
        let limit = if request.uri().path() == "/large" { 100_000 } else { 10 };
        let body = read_body(request.into_body(), limit).await;
        let text = match body {
            Ok(body) => format!("{} {}", self.index, body.len()),
            Err(error) => format!("{error:?}"),
        };
        Response::new(Full::new(text.into()))
    }

    fn gate(&self) -> Option<Rc<Gate>> {
        Some(Rc::clone(&self.gate))
    }

    fn is_background(&self, request: &Request<Incoming>) -> bool {
        request.uri().path() == "/work"
    }
}

struct Given {
    workers: Workers<Echo>,
    threads: WorkerThreads,
    drain: Drain,
    url: String,
    stall: Arc<Stall>,
}

async fn given_two_workers() -> Given {
    given_two_workers_with(ConnectionLimits::default()).await
}

async fn given_two_workers_with(limits: ConnectionLimits) -> Given {
    given_workers(2, limits, GateOptions::default()).await
}

async fn given_workers(count: usize, limits: ConnectionLimits, gate: GateOptions) -> Given {
    let drain = Drain::default();
    let stall = Arc::new(Stall::default());
    let kept = Arc::clone(&stall);
    let open = move |index| Echo {
        index,
        seen: Cell::new(0),
        gate: Gate::new(Arc::new(SystemClock), gate),
        stall: Arc::clone(&kept),
    };
    let (workers, threads) = Workers::start(count, limits, Arc::new(SystemClock), &drain, open).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let tasks = crate::Tasks::new(drain.clone());
    tasks.spawn("accept", workers.clone().accept(listener, drain.clone()));
    Given { workers, threads, drain, url, stall }
}

async fn post(url: &str, body: &'static str, http2: bool) -> Result<String, String> {
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
    let request = Request::post(url).body(Full::from(body)).unwrap();
    let response = client.request(request).await.map_err(|error| error.to_string())?;
    let body = response.into_body().collect().await.map_err(|error| error.to_string())?;
    Ok(String::from_utf8(body.to_bytes().into()).unwrap())
}

#[tokio::test]
async fn both_http_versions_are_answered_on_one_port() {
    let given = given_two_workers().await;
    assert!(post(&given.url, "abc", false).await.unwrap().ends_with(" 3"));
    assert!(post(&given.url, "abcd", true).await.unwrap().ends_with(" 4"));
    assert_eq!(post(&given.url, "more than ten", false).await.unwrap(), "TooLarge");
}

#[tokio::test]
async fn a_peer_that_sends_too_much_gets_its_answer_and_no_broken_stream() {
    use hyper_util::rt::TokioIo;

    let given = given_two_workers().await;
    let address = given.url.trim_start_matches("http://");
    for http2 in [false, true] {
        let (given, long) = (format!("{}/large", given.url), "x".repeat(390_000).leak());
        assert_eq!(post(&given, long, http2).await.unwrap(), "TooLarge");
    }
    // The whole body is taken: a stream that is reset would fail the sender's writes.
    let socket = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), socket).await.unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    // Slowly, so that the limit is passed long before the end.
    let pieces = futures_util::stream::unfold(0, move |piece| {
        counted.store(piece, Ordering::Relaxed);
        async move {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            let data = hyper::body::Frame::data(Bytes::from_static(&[b'x'; 10_000]));
            (piece < 39).then_some((Ok::<_, std::convert::Infallible>(data), piece + 1))
        }
    });
    let body = http_body_util::StreamBody::new(Box::pin(pieces));
    let request = Request::post("http://x/large").body(body).unwrap();
    tokio::select! {
        answer = sender.send_request(request) => assert!(answer.is_ok()),
        ended = connection => panic!("{ended:?}"),
    }
    assert_eq!(sent.load(Ordering::Relaxed), 39);
}

#[tokio::test]
async fn a_panic_costs_one_connection_and_is_counted() {
    let given = given_two_workers().await;
    for http2 in [false, true] {
        assert!(post(&format!("{}/panic", given.url), "", http2).await.is_err());
        assert!(post(&given.url, "ok", http2).await.is_ok());
    }
    // The client may see the connection close before its worker has counted.
    let counted = async {
        while given.workers.stats().panics.load(Ordering::Relaxed) != 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), counted).await.expect("the panic to be counted");
}

#[tokio::test]
async fn calls_run_on_a_worker() {
    let given = given_two_workers().await;
    let (tell, told) = tokio::sync::oneshot::channel();
    assert!(given.workers.submit(move |echo| assert!(tell.send(echo.index).is_ok())));
    assert!(told.await.unwrap() < 2);
}

#[tokio::test]
async fn a_drain_closes_idle_connections_and_ends_the_threads() {
    let given = given_two_workers().await;
    assert!(post(&given.url, "x", false).await.is_ok());
    given.drain.start();
    tokio::task::spawn_blocking(move || given.threads.join()).await.unwrap();
    assert!(post(&given.url, "x", false).await.is_err(), "nobody accepts any more");
}

#[tokio::test]
async fn a_drain_serves_those_who_have_connected() {
    let given = given_two_workers().await;
    let address = given.url.trim_start_matches("http://").to_owned();
    let mut early = TcpStream::connect(&address).await.unwrap();
    assert!(!ask(&mut early).await.contains("close"));
    // The test's runtime has one thread, so the acceptor has had no turn when the drain starts.
    let connect = |_| TcpStream::from_std(std_connection(&address)).unwrap();
    let late: Vec<TcpStream> = (0..16).map(connect).collect();
    given.drain.start();
    for mut socket in late {
        assert!(ask(&mut socket).await.starts_with("HTTP/1.1 200"));
    }
    tokio::task::spawn_blocking(move || given.threads.join()).await.unwrap();
}

fn std_connection(address: &str) -> StdStream {
    let socket = StdStream::connect(address).unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

#[tokio::test]
async fn a_head_has_to_come_soon_once_it_has_begun() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let limits =
        ConnectionLimits { head_time: std::time::Duration::from_millis(50), ..ConnectionLimits::default() };
    let given = given_two_workers_with(limits).await;
    let address = given.url.trim_start_matches("http://");
    let (mut idle, mut slow) =
        (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
    let mut fresh = TcpStream::connect(address).await.unwrap();
    ask(&mut idle).await;
    ask(&mut slow).await;
    for socket in [&mut slow, &mut fresh] {
        socket.write_all(b"POST / HTTP/1.1\r\nhost").await.unwrap();
        let closed = tokio::time::timeout(std::time::Duration::from_secs(10), socket.read_u8()).await;
        assert!(closed.expect("to be closed").is_err());
    }
    ask(&mut idle).await;
}

/// A connection to the workers that is kept alive, and what it answers to one request.
async fn ask(socket: &mut TcpStream) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    socket.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n0 0") && !answer.ends_with(b"\r\n\r\n1 0") {
        let read = socket.read_buf(&mut answer).await.unwrap();
        assert_ne!(read, 0, "closed after {:?}", String::from_utf8_lossy(&answer));
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_leaving_process_serves_on_and_tells_each_connection_to_go() {
    let given = given_two_workers().await;
    let address = given.url.trim_start_matches("http://");
    let mut kept = TcpStream::connect(address).await.unwrap();
    assert!(!ask(&mut kept).await.contains("close"));
    let (mut sender, connection) = hyper::client::conn::http2::handshake(
        TokioExecutor::new(),
        hyper_util::rt::TokioIo::new(TcpStream::connect(address).await.unwrap()),
    )
    .await
    .unwrap();
    let mut http2 = Box::pin(connection);
    let request = || Request::post("http://x/").body(Full::<Bytes>::default()).unwrap();
    tokio::select! {
        answered = sender.send_request(request()) => assert!(answered.is_ok()),
        ended = http2.as_mut() => panic!("{ended:?}"),
    }

    given.drain.leave();
    assert!(ask(&mut kept).await.contains("connection: close"));
    let mut late = TcpStream::connect(address).await.unwrap();
    assert!(ask(&mut late).await.contains("connection: close"), "new ones are served and told as well");
    // A GOAWAY ends the connection without an error; without one it would wait for ever.
    tokio::time::timeout(std::time::Duration::from_secs(10), http2).await.expect("GOAWAY").unwrap();
    drop(sender);
    assert!(post(&given.url, "x", true).await.is_ok());
}

#[tokio::test]
async fn an_answer_does_not_wait_for_what_follows_its_request() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let given = given_two_workers().await;
    let mut socket = TcpStream::connect(given.url.trim_start_matches("http://")).await.unwrap();
    // A line break too many, and the first half of the next request.
    let sent = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab\r\nPOST / HTTP/1.1\r\nho";
    socket.write_all(sent.as_bytes()).await.unwrap();
    let mut answer = [0; 15];
    let read = tokio::time::timeout(std::time::Duration::from_secs(10), socket.read_exact(&mut answer)).await;
    read.expect("the answer to come").unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}
