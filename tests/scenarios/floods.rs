//! Peers that mean harm, frame by frame: what they send costs them their connection, or nobody else anything.

use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tagbid_testkit::http2::{Frame, Http2, INITIAL_WINDOW, flag, kind, post};
use tagbid_testkit::wait_until;

use crate::exchange::{banner, bid, no_bid_reason};
use crate::stack::{SOON, Stack};

/// "The endpoint detected that its peer is exhibiting a behavior that might be generating excessive load" (RFC 9113
/// section 7).
const ENHANCE_YOUR_CALM: u32 = 11;

/// What a connection may cost in memory: its windows (1 MiB) and a few answers, of each of the few in a test, and what an allocator
/// keeps.
const MEMORY: u64 = 64 << 20;

fn given() -> Stack {
    Stack::all_with("[listen.limits]\nstream_s = 1\n")
}

fn connect(stack: &Stack) -> Http2 {
    Http2::connect(stack.http, &[]).unwrap()
}

/// Another exchange is answered, and in time: neither turned away nor late.
fn others_are_served(stack: &Stack) {
    assert_eq!(no_bid_reason(&bid(stack.http, &banner("u"))), "no_match");
}

/// Bytes of memory that the bidder's process holds (proc(5): resident pages, of 4 KiB on what we test on).
fn memory(stack: &Stack) -> u64 {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", stack.bidder.pid().unwrap())).unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

/// How often a limit ended something.
fn ended(stack: &Stack, why: &str) -> u64 {
    sample(&stack.admin_get("/metrics").1, &format!("tagbid_connections_ended_total{{why=\"{why}\"}} "))
}

/// The number behind a name with labels in Prometheus' text format.
pub(crate) fn sample(text: &str, name: &str) -> u64 {
    let found = text.lines().find_map(|line| line.strip_prefix(name));
    found.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

/// A request of which the end is still to come.
fn half_a_request(client: &mut Http2) -> (u32, Vec<u8>) {
    let stream = client.next_stream();
    let head = post("/openrtb2/demo", &[("content-type", "application/json")]);
    (stream, Frame::bytes(kind::HEADERS, flag::END_HEADERS, stream, &head))
}

fn reset(stream: u32) -> Vec<u8> {
    let cancel = 8_u32;
    Frame::bytes(kind::RST_STREAM, 0, stream, &cancel.to_be_bytes())
}

#[test]
fn requests_that_are_reset_at_once_end_their_connection() {
    let stack = given();
    let before = memory(&stack);
    // CVE-2023-44487: each is opened and reset in one packet.
    let mut rapid = connect(&stack);
    let mut flood = Vec::new();
    for _ in 0..5_000 {
        let (stream, head) = half_a_request(&mut rapid);
        flood.extend([head, reset(stream)].concat());
    }
    // The server may have closed before it has read everything.
    let _cut_off = rapid.send(&flood);
    let code = rapid.wait_end().unwrap();
    assert!(code.is_none_or(|code| code == ENHANCE_YOUR_CALM), "{code:?}");

    // The same, slowly enough that the server has begun each.
    let mut patient = connect(&stack);
    let (mut asked, mut open) = (0, true);
    while open && asked < 2_000 {
        let (stream, head) = half_a_request(&mut patient);
        open = patient.send(&head).is_ok() && matches!(patient.wait_seen(), Ok(true));
        open &= patient.send(&reset(stream)).is_ok();
        asked += 1;
    }
    assert!((256..2_000).contains(&asked), "ended after {asked}");
    assert_eq!(ended(&stack, "given_up"), 1);
    others_are_served(&stack);
    assert!(memory(&stack) < before + MEMORY);
}

#[test]
fn a_head_without_end_or_measure_ends_its_connection() {
    let stack = given();
    let before = memory(&stack);
    let head = post("/openrtb2/demo", &[]);
    // CVE-2024-27316: a head that goes on and on.
    let mut endless = connect(&stack);
    let stream = endless.next_stream();
    let mut flood = Frame::bytes(kind::HEADERS, flag::END_STREAM, stream, &head);
    let more = post("/", &[("x", "y")]).split_off(9);
    (0..100_000).for_each(|_| flood.extend(Frame::bytes(kind::CONTINUATION, 0, stream, &more)));
    let _cut_off = endless.send(&flood);
    assert!(endless.wait_end().unwrap().is_none_or(|code| code == ENHANCE_YOUR_CALM));

    // CVE-2016-6581: 4,000 bytes in HPACK's table, and 12,000 bytes that each stand for them, are 48 MB.
    let mut bomb = connect(&stack);
    let stream = bomb.next_stream();
    let mut head = post("/openrtb2/demo", &[]);
    // "Literal with incremental indexing, new name": it becomes entry 62.
    head.extend([0x40, 1, b'x', 127, 0xa1, 0x1e]);
    head.extend([b'y'; 127 + 33 + 30 * 128]);
    head.extend([0x80 | 62; 12_000]);
    let _cut_off =
        bomb.send(&Frame::bytes(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, stream, &head));
    let answer = bomb.wait_frame(|frame| frame.stream == stream || frame.goaway_code().is_some()).unwrap();
    // h2 answers 431, or ends the connection; either way it has not unfolded it.
    assert!(answer.is_none_or(|frame| frame.kind != kind::DATA));
    others_are_served(&stack);
    assert!(memory(&stack) < before + MEMORY);
}

#[test]
fn floods_of_small_frames_keep_nobody_waiting() {
    let stack = given();
    let before = memory(&stack);
    let over = AtomicBool::new(false);
    let ping = Frame::bytes(kind::PING, 0, 0, b"12345678").repeat(1_000);
    let settings = Frame::bytes(kind::SETTINGS, 0, 0, &[]).repeat(1_000);
    let window = Frame::bytes(8, 0, 0, &1_u32.to_be_bytes()).repeat(1_000);
    thread::scope(|scope| {
        for flood in [&ping, &settings, &window] {
            scope.spawn(|| flood_until(&over, stack.http, flood));
        }
        (0..20).for_each(|_| others_are_served(&stack));
        over.store(true, Ordering::Relaxed);
    });
    assert!(memory(&stack) < before + MEMORY);
}

/// Sends as fast as the server takes it, on another connection whenever it takes no more, until it is over.
fn flood_until(over: &AtomicBool, to: SocketAddr, flood: &[u8]) {
    while !over.load(Ordering::Relaxed) {
        let Ok(mut client) = Http2::connect(to, &[]) else { continue };
        while !over.load(Ordering::Relaxed) && client.send_within(flood, Duration::from_secs(5)).is_ok() {}
    }
}

#[test]
fn empty_frames_end_their_connection() {
    let stack = given();
    // CVE-2019-9518.
    let mut client = connect(&stack);
    let (stream, mut flood) = half_a_request(&mut client);
    flood.extend(Frame::bytes(kind::DATA, 0, stream, &[]).repeat(100_000));
    let _cut_off = client.send(&flood);
    assert!(client.wait_end().unwrap().is_none_or(|code| code == ENHANCE_YOUR_CALM));
    others_are_served(&stack);
}

#[test]
fn answers_that_nobody_takes_are_given_up() {
    let stack = given();
    let before = memory(&stack);
    // A window of nothing: the answers, which explain themselves here, cannot be sent.
    let mut shut = Http2::connect(stack.http, &[(INITIAL_WINDOW, 0)]).unwrap();
    let streams: Vec<u32> = (0..100).map(|_| shut.next_stream()).collect();
    for stream in &streams {
        let head = post("/openrtb2/nbr", &[("content-type", "application/json")]);
        let head = Frame::bytes(kind::HEADERS, flag::END_HEADERS, *stream, &head);
        let data = Frame::bytes(kind::DATA, flag::END_STREAM, *stream, b"{");
        shut.send(&[head, data].concat()).unwrap();
    }
    let mut left: Vec<u32> = streams;
    while !left.is_empty() {
        let reset = shut.wait_frame(|frame| frame.kind == kind::RST_STREAM).unwrap();
        let reset = reset.expect("every stream to be reset");
        left.retain(|stream| *stream != reset.stream);
    }
    assert_eq!(ended(&stack, "long_stream"), 100);
    assert!(shut.wait_seen().unwrap(), "the connection is still of use");
    others_are_served(&stack);
    assert!(memory(&stack) < before + MEMORY);
}

#[test]
fn peers_that_say_nothing_or_too_little_cost_nobody_else_anything() {
    let stack = given();
    // 500 connections that send one letter, and 50 with requests that never end, 200 on each.
    let mut silent: Vec<TcpStream> = (0..500).map(|_| TcpStream::connect(stack.http).unwrap()).collect();
    silent.iter_mut().for_each(|socket| _ = std::io::Write::write(socket, b"P").unwrap());
    let mut halves: Vec<Http2> = (0..50).map(|_| connect(&stack)).collect();
    for client in &mut halves {
        let heads: Vec<Vec<u8>> = (0..200).map(|_| half_a_request(client).1).collect();
        client.send(&heads.concat()).unwrap();
        assert!(client.wait_seen().unwrap());
    }
    (0..20).for_each(|_| others_are_served(&stack));
    wait_until("half requests to be given up", SOON, || ended(&stack, "long_stream") >= 10_000);
    others_are_served(&stack);
}
