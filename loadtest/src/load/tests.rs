use super::*;
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::sync::atomic::{AtomicU64, Ordering};
use tagbid_runtime::Drain;
use tokio::net::TcpListener;

fn plan(url: Uri, pace: Pace) -> Plan {
    Plan {
        url,
        pace,
        connections: 4,
        duration: Duration::from_millis(600),
        requests: requests(Traffic { users: 100, ..Traffic::default() }, 1, 50),
    }
}

/// A server on a thread of its own; the generator needs the calling one.
fn serve_with<F: Future<Output = ()>>(serve: impl FnOnce(TcpListener) -> F + Send + 'static) -> Uri {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    listener.set_nonblocking(true).unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { serve(TcpListener::from_std(listener).unwrap()).await });
    });
    url
}

fn floor() -> Uri {
    serve_with(|listener| async {
        crate::floor::serve(listener, 1, Drain::default()).await.unwrap();
    })
}

#[test]
fn a_steady_rate_is_kept_and_answers_are_counted() {
    let measured = run(&plan(floor(), Pace::PerSecond(500.0))).unwrap();
    assert_eq!(measured.answers() + measured.skipped, 300);
    assert_eq!(measured.statuses.keys().copied().collect::<Vec<_>>(), [200]);
    assert_eq!(measured.latency.len(), measured.answers());
    assert!(!measured.samples.is_empty());
}

#[test]
fn saturation_sends_as_fast_as_answers_come() {
    let measured = run(&plan(floor(), Pace::Saturate)).unwrap();
    assert!(measured.answers() > 4, "more than one on each connection: {}", measured.answers());
    assert_eq!((measured.skipped, measured.invalid(Pace::Saturate)), (0, None));
}

#[test]
fn a_stall_is_charged_to_every_request_that_it_held_up() {
    // The server sleeps for 300 ms before its eleventh answer.
    let url = serve_with(|listener| async move {
        let answered = AtomicU64::new(0);
        let answer = service_fn(|request: Request<hyper::body::Incoming>| {
            let stall = answered.fetch_add(1, Ordering::Relaxed) == 10;
            async move {
                request.into_body().collect().await?;
                if stall {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
                Ok::<_, hyper::Error>(http::Response::new(Full::<Bytes>::default()))
            }
        });
        let (socket, _) = listener.accept().await.unwrap();
        // It ends when the generator hangs up.
        let _ended = http1::Builder::new().serve_connection(TokioIo::new(socket), answer).await;
    });
    let one_connection = Plan { connections: 1, ..plan(url, Pace::PerSecond(200.0)) };
    let measured = run(&one_connection).unwrap();
    // 56 requests were due in the stall's first 280 ms; measured from the actual sending only one would look slow.
    let slow = measured.latency.iter_recorded().filter(|v| v.value_iterated_to() > 20_000);
    let held_up: u64 = slow.map(|v| v.count_at_value()).sum();
    assert!(held_up >= 50, "{held_up} were slow in {measured:?}");
}

#[test]
fn who_falls_short_is_told() {
    let nobody = Measured {
        statuses: BTreeMap::new(),
        failures: 0,
        skipped: 0,
        latency: latencies(),
        lag: latencies(),
        elapsed: Duration::from_secs(1),
        samples: Vec::new(),
    };
    assert_eq!(nobody.invalid(Pace::Saturate).as_deref(), Some("no answers"));
    let slow = Measured { statuses: BTreeMap::from([(204, 900)]), ..nobody.clone() };
    assert_eq!(slow.invalid(Pace::PerSecond(900.0)), None);
    let why = slow.invalid(Pace::PerSecond(1_000.0));
    assert_eq!(why.as_deref(), Some("900 instead of 1000 requests a second"));
    let mut late = slow.clone();
    late.lag.saturating_record(5_000);
    assert!(late.invalid(Pace::PerSecond(900.0)).unwrap().contains("late"));
    let failing = Measured { failures: 2, ..slow };
    assert!(failing.invalid(Pace::Saturate).unwrap().contains("2 requests failed"));
}
