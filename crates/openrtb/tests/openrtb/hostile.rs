//! Bodies made to hurt. Each is read on a thread with a small stack, and must end in bounded time.

use std::time::{Duration, Instant};

use bumpalo::Bump;
use tagbid_openrtb::{DecodeError, Limits, from_json, from_protobuf};

use crate::{with, with_imp};

/// Reads with the stack of a fibre; returns why it was refused, if so.
fn on_a_small_stack(body: Vec<u8>, read: fn(&[u8], Limits) -> Option<DecodeError>) -> Option<DecodeError> {
    let started = Instant::now();
    let reader = move || read(&body, Limits::default());
    let refused = std::thread::Builder::new().stack_size(128 * 1024).spawn(reader).unwrap().join().unwrap();
    assert!(started.elapsed() < Duration::from_secs(5), "took {:?}", started.elapsed());
    refused
}

fn json(body: &[u8], limits: Limits) -> Option<DecodeError> {
    from_json(body, &Bump::new(), limits).err()
}

fn protobuf(body: &[u8], limits: Limits) -> Option<DecodeError> {
    from_protobuf(body, &Bump::new(), limits).err()
}

fn is_too_deep(refused: Option<DecodeError>) -> bool {
    matches!(refused, Some(DecodeError::TooDeep { limit: 32, .. }))
}

#[test]
fn deep_nesting_is_refused_without_touching_the_stack() {
    let nested =
        |open: &str, close: &str, times: usize| format!("{}1{}", open.repeat(times), close.repeat(times));
    let bodies = [
        with(&format!(r#""x":{}"#, nested(r#"{"x":"#, "}", 10_000))),
        with(&format!(r#""ext":{}"#, nested(r#"{"ext":"#, "}", 10_000))),
        with(&format!(r#""bcat":{}"#, nested("[", "]", 30_000))),
        with(&format!(r#""imp":{}"#, nested("[", "]", 30_000))),
        with(&format!(r#""device":{{"geo":{}}}"#, nested(r#"{"geo":"#, "}", 10_000))),
        with_imp(&format!(r#""native":{{"request":{}}}"#, nested(r#"{"native":"#, "}", 10_000))),
    ];
    for body in bodies {
        assert!(is_too_deep(on_a_small_stack(body.into_bytes(), json)));
    }
    for unclosed in ["[", "{\"a\":", "{\"imp\":[", "{\"ext\":{\"a\":["] {
        let body = with("\"x\":").into_bytes();
        let body =
            [&body[..body.len() - 1], unclosed.repeat(1024 * 1024 / unclosed.len()).as_bytes()].concat();
        assert!(is_too_deep(on_a_small_stack(body, json)));
    }
    assert!(on_a_small_stack(vec![b'['; 1024 * 1024], json).is_some());
}

#[test]
fn nesting_up_to_the_limit_is_served() {
    let body = with(&format!(r#""x":{}1{}"#, "[".repeat(31), "]".repeat(31)));
    assert_eq!(on_a_small_stack(body.into_bytes(), json), None);
}

#[test]
fn a_deep_native_request_costs_only_itself() {
    let deep = r#"{\"native\":"#.repeat(20_000);
    let body = with_imp(&format!(r#""native":{{"request":"{deep}"}}"#));
    assert_eq!(on_a_small_stack(body.into_bytes(), json), None);
    let deep = r#"{"assets":["#.repeat(20).replace('"', "\\\"");
    let body = with_imp(&format!(r#""native":{{"request":"{deep}"}}"#));
    assert_eq!(on_a_small_stack(body.into_bytes(), json), None);
}

#[test]
fn many_objects_are_refused_before_they_fill_memory() {
    for (before, after) in [(r#""user":{"data":"#, "}"), (r#""device":{"sua":{"browsers":"#, "}}")] {
        let body = with(&format!("{before}[{}{{}}]{after}", "{},".repeat(300_000)));
        let refused = on_a_small_stack(body.into_bytes(), json);
        assert!(matches!(refused, Some(DecodeError::TooMany { .. })), "{before}: {refused:?}");
    }
}

#[test]
fn deep_groups_are_refused_without_touching_the_stack() {
    assert!(is_too_deep(on_a_small_stack(vec![0x7B; 1024 * 1024], protobuf)));
}

#[test]
fn scattered_lists_and_split_messages_are_bounded() {
    // `bcat` and `badv` in turns, one byte each: every turn copies the list so far.
    let lists = [0x62, 1, b'a', 0x6A, 1, b'b'].repeat(150_000);
    assert!(matches!(on_a_small_stack(lists, protobuf), Some(DecodeError::TooMany { .. })));
    // `device` over and over: every part makes a new merged copy.
    let parts = [0x2A, 0].repeat(500_000);
    assert!(matches!(on_a_small_stack(parts, protobuf), Some(DecodeError::TooMany { .. })));
}

#[test]
fn a_message_inside_itself_is_read_no_deeper_than_the_types_go() {
    let mut body = Vec::new();
    for _ in 0..2_000 {
        // Field 2 (`imp`) around everything so far.
        let mut len = body.len();
        let mut head = vec![0x12];
        while len >= 0x80 {
            head.push(len as u8 | 0x80);
            len >>= 7;
        }
        head.push(len as u8);
        body.splice(0..0, head);
    }
    assert!(on_a_small_stack(body, protobuf).is_some());
}
