use super::*;
use crate::message::Message;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::sync::atomic::{AtomicU64, Ordering};
use tagbid_exchange::Traffic;
use tagbid_runtime::Drain;
use tokio::net::TcpListener;

fn messages() -> Messages {
    Messages::generated(Traffic { users: 100, ..Traffic::default() }, 1, 50, Encoding::Json).unwrap()
}

fn plan(url: Uri, pace: Pace) -> Plan {
    Plan { connections: 4, sample_every: Some(97), ..Plan::new(url, pace, LENGTH, messages()) }
}

const LENGTH: Duration = Duration::from_millis(600);

fn per_second(rate: f64) -> Pace {
    Pace::per_second(rate, LENGTH)
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
    let record = run(&plan(floor(), per_second(500.0))).unwrap();
    assert_eq!(record.tallies().due, 300);
    assert_eq!(record.answers() + record.skipped + record.errors.values().sum::<u64>(), 300);
    assert_eq!(record.statuses.keys().copied().collect::<Vec<_>>(), [200]);
    assert_eq!(record.windows.iter().map(|window| window.tallies.due).collect::<Vec<_>>(), [300]);
    assert_eq!(record.windows[0].latency.len(), record.served().len());
    assert!(!record.samples.is_empty());
}

#[test]
fn saturation_sends_as_fast_as_answers_come() {
    // What the thread did before is none of it.
    let start = Instant::now();
    while start.elapsed() < LENGTH {
        std::hint::spin_loop();
    }
    let record = run(&plan(floor(), Pace::Saturate)).unwrap();
    assert!(record.answers() > 4, "more than one on each connection: {}", record.answers());
    assert_eq!((record.skipped, record.tallies().outcomes.error), (0, 0));
    assert!(record.busy > 0.0 && record.busy <= 1.1, "{}", record.busy);
}

#[test]
fn threads_share_the_work_and_their_records_add_up() {
    let plan = Plan { threads: 3, connections: 5, ..plan(floor(), per_second(500.0)) };
    assert_eq!(run(&plan).unwrap().tallies().due, 300);
    assert_eq!((0..3).map(|part| share(5, 3, part)).collect::<Vec<_>>(), [2, 2, 1]);
}

#[test]
fn a_warm_up_is_sent_and_not_counted() {
    let answered = Arc::new(AtomicU64::new(0));
    let url = answering(Arc::clone(&answered), |_| Duration::ZERO);
    let plan = Plan { warmup: Duration::from_millis(400), ..plan(url, per_second(100.0)) };
    let record = run(&plan).unwrap();
    assert_eq!((record.tallies().due, answered.load(Ordering::Relaxed)), (60, 100));
}

#[test]
fn nobody_there_is_an_error() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}/").parse().unwrap();
    let error = run(&plan(url, per_second(10.0))).unwrap_err().to_string();
    assert!(error.contains("cannot connect"), "{error}");
}

/// A server that answers each request, by its number, with a 204 after some time.
fn answering(count: Arc<AtomicU64>, delay: fn(u64) -> Duration) -> Uri {
    serve_with(async move |listener: TcpListener| {
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let count = Arc::clone(&count);
            let answer = service_fn(move |request: Request<hyper::body::Incoming>| {
                let number = count.fetch_add(1, Ordering::Relaxed);
                async move {
                    request.into_body().collect().await?;
                    tokio::time::sleep(delay(number)).await;
                    let mut answer = http::Response::new(Full::<Bytes>::default());
                    *answer.status_mut() = http::StatusCode::NO_CONTENT;
                    Ok::<_, hyper::Error>(answer)
                }
            });
            connections.spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), answer));
        }
    })
}

#[test]
fn a_stall_is_charged_to_every_request_that_it_held_up() {
    // The server sleeps for 300 ms before its eleventh answer.
    let stall = |number: u64| Duration::from_millis(if number == 10 { 300 } else { 0 });
    let url = answering(Arc::default(), stall);
    let record = run(&Plan { connections: 1, ..plan(url, per_second(200.0)) }).unwrap();
    // 30 requests were due in the stall's first 150 ms; measured from the actual sending only one looks slow.
    let slow = |latencies: &crate::record::Latencies| {
        let slow = latencies.histogram().iter_recorded().filter(|v| v.value_iterated_to() > 150_000);
        slow.map(|v| v.count_at_value()).sum::<u64>()
    };
    assert!(slow(&record.served()) >= 28, "{record:?}");
    assert!(slow(&record.raw) < 10, "{record:?}");
}

#[test]
fn what_is_due_while_too_much_is_unanswered_is_skipped_and_counts_as_failed() {
    let url = answering(Arc::default(), |_| Duration::from_millis(250));
    let plan = Plan { connections: 2, in_flight: 5, ..plan(url, per_second(100.0)) };
    let record = run(&plan).unwrap();
    let tallies = record.tallies();
    // Two connections answer four times a second each: at most 5 + 2 * 2 within the run are taken.
    assert!(tallies.skipped >= 30 && tallies.errors() >= tallies.skipped, "{record:?}");
    assert_eq!(tallies.due, 60);
    assert_eq!(record.windows[0].tallies.skipped, tallies.skipped);
    // Fewer than there are connections is fewer all the same.
    let url = answering(Arc::default(), |_| Duration::from_millis(250));
    let record = run(&Plan { connections: 8, in_flight: 1, ..self::plan(url, per_second(100.0)) }).unwrap();
    assert!(record.tallies().skipped >= 50, "{record:?}");
}

#[test]
fn answers_after_tmax_are_late_and_after_the_time_out_errors() {
    let delay = |number: u64| Duration::from_millis(if number.is_multiple_of(2) { 40 } else { 0 });
    let url = answering(Arc::default(), delay);
    let mut late = plan(url, per_second(50.0));
    late.messages.list =
        late.messages.list.iter().map(|message| Message { tmax: None, ..message.clone() }).collect();
    let late = Plan { tmax: Duration::from_millis(30), ..late };
    let outcomes = run(&late).unwrap().tallies().outcomes;
    // A slow machine may make more of them late, never fewer.
    assert!(outcomes.late >= 15 && outcomes.no_bid + outcomes.late == 30, "{outcomes:?}");
    let silent = answering(Arc::default(), |_| Duration::from_secs(60));
    let gone =
        Plan { timeout: Duration::from_millis(400), connections: 30, ..plan(silent, per_second(50.0)) };
    let record = run(&gone).unwrap();
    assert_eq!(record.tallies().outcomes.error, 30, "{record:?}");
    assert!(record.errors.contains_key("no answer in time"), "{record:?}");
}
