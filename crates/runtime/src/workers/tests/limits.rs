//! What peers cannot do, and what background work may.

use std::time::{Duration, Instant};

use http_body_util::StreamBody;
use hyper::body::Frame;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::overload::Patience;

const SOON: Duration = Duration::from_secs(10);

async fn wait_ended(given: &Given, what: Ended) {
    let ended = async {
        while given.workers.stats().ended(what) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, ended).await.unwrap_or_else(|_| panic!("nothing ended for {what:?}"));
}

async fn connect(given: &Given) -> TcpStream {
    TcpStream::connect(given.url.trim_start_matches("http://")).await.unwrap()
}

/// Sends a request without a body; the body of the answer, which ends with the connection's next silence.
async fn get(socket: &mut TcpStream, path: &str) -> String {
    socket
        .write_all(format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").as_bytes())
        .await
        .unwrap();
    read_answer(socket).await
}

async fn read_answer(socket: &mut TcpStream) -> String {
    let mut answer = String::new();
    loop {
        let mut part = [0; 4096];
        let read = socket.read(&mut part).await.unwrap();
        assert_ne!(read, 0, "closed after {answer:?}");
        answer.push_str(std::str::from_utf8(&part[..read]).unwrap());
        if let Some((head, body)) = answer.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() == length.parse::<usize>().unwrap() {
                return body.to_owned();
            }
        }
    }
}

#[tokio::test]
async fn who_does_not_read_loses_the_connection() {
    let limits = ConnectionLimits { unread_time: Duration::from_millis(100), ..ConnectionLimits::default() };
    let given = given_two_workers_with(limits).await;
    let mut socket = connect(&given).await;
    socket.write_all(b"POST /endless HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    wait_ended(&given, Ended::Unread).await;
    assert!(post(&given.url, "ok", false).await.is_ok());
}

#[tokio::test]
async fn a_peer_has_so_many_connections_and_a_closed_one_makes_room() {
    let limits = ConnectionLimits { per_peer: 2, ..ConnectionLimits::default() };
    let given = given_two_workers_with(limits).await;
    let (mut first, mut second) = (connect(&given).await, connect(&given).await);
    assert!(get(&mut first, "/").await.ends_with(" 0") && get(&mut second, "/").await.ends_with(" 0"));
    let closed = tokio::time::timeout(SOON, async { connect(&given).await.read(&mut [0]).await }).await;
    assert!(matches!(closed.expect("to be closed at once"), Ok(0) | Err(_)));
    drop(first);
    let there_is_room = async { while post(&given.url, "ok", false).await.is_err() {} };
    tokio::time::timeout(SOON, there_is_room).await.expect("room");
}

#[tokio::test]
async fn a_silent_connection_is_closed() {
    let limits = ConnectionLimits { idle_time: Duration::from_millis(50), ..ConnectionLimits::default() };
    let given = given_two_workers_with(limits).await;
    let _silent = connect(&given).await;
    wait_ended(&given, Ended::Idle).await;
}

type Pieces = futures_util::stream::LocalBoxStream<'static, Result<Frame<Bytes>, std::convert::Infallible>>;

/// A body of so many pieces of a hundred bytes, so far apart.
fn body(pieces: usize, apart: Duration) -> StreamBody<Pieces> {
    StreamBody::new(Box::pin(futures_util::stream::unfold(0, move |piece| async move {
        tokio::time::sleep(apart).await;
        (piece < pieces).then(|| (Ok(Frame::data(Bytes::from_static(&[b'x'; 100]))), piece + 1))
    })))
}

#[tokio::test]
async fn a_body_has_to_come_soon_and_not_in_drops() {
    let pace = |within, least| BodyPace { within: Duration::from_millis(within), least };
    let slow = || body(usize::MAX, Duration::from_millis(20));
    assert_eq!(read_body_paced(slow(), 1 << 20, pace(100, 0)).await, Err(BodyError::TooSlow));
    // 5,000 bytes a second at most.
    let begun = Instant::now();
    assert_eq!(read_body_paced(slow(), 1 << 20, pace(60_000, 20_000)).await, Err(BodyError::TooSlow));
    assert!(begun.elapsed() < SOON);
    let quick = body(50, Duration::ZERO);
    assert_eq!(read_body_paced(quick, 1 << 20, pace(60_000, 100)).await.map(|body| body.len()), Ok(5_000));
}

#[tokio::test]
async fn a_request_that_came_while_its_worker_was_busy_has_waited() {
    let given = given_workers(1, ConnectionLimits::default(), GateOptions::default()).await;
    let (mut busy, mut waits) = (connect(&given).await, connect(&given).await);
    assert!(get(&mut waits, "/").await.ends_with(" 0"));
    busy.write_all(b"POST /stall HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    let stalled = async {
        while !given.stall.begun.load(Ordering::SeqCst) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SOON, stalled).await.expect("the worker to be busy");
    waits.write_all(b"POST /age HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    given.stall.over.store(true, Ordering::SeqCst);
    let age: u64 = read_answer(&mut waits).await.parse().unwrap();
    // It came in the stall, nobody knows when: in the middle of it, then.
    assert!(age >= 100_000, "{age} µs");
    tokio::time::sleep(Duration::from_millis(500)).await;
    let age: u64 = get(&mut waits, "/age").await.parse().unwrap();
    assert!(age < 100_000, "the next has not, the worker slept: {age} µs");
}

/// Bids that one connection gets answered in a second and a half beside a flood of background work.
async fn bids_beside_a_flood(background_percent: u32) -> usize {
    let patience = Patience { target: Duration::from_millis(1), ..Patience::default() };
    let gate = GateOptions { patience, background_percent, ..GateOptions::default() };
    let given = given_workers(1, ConnectionLimits::default(), gate).await;
    let mut flood = JoinSet::new();
    for _ in 0..100 {
        let mut socket = connect(&given).await;
        flood.spawn(async move {
            loop {
                get(&mut socket, "/work").await;
            }
        });
    }
    let (mut bidder, begun, mut bids) = (connect(&given).await, Instant::now(), 0);
    while begun.elapsed() < Duration::from_millis(1_500) {
        get(&mut bidder, "/bid").await;
        bids += 1;
    }
    bids
}

#[tokio::test]
async fn a_flood_of_background_work_leaves_time_for_the_rest() {
    let (few, many) = (bids_beside_a_flood(100).await, bids_beside_a_flood(10).await);
    assert!(many > 2 * few, "{many} with a tenth for the background, {few} with all");
}
