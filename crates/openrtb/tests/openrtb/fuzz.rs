//! Fuzz targets. In `cargo test` they run briefly; `cargo xtask fuzz json_bytes` runs one for long.

use bumpalo::Bump;
use tagbid_openrtb::{Limits, from_json, from_protobuf};

const FIXTURES: [&str; 3] = [
    include_str!("../../fixtures/banner_web.json"),
    include_str!("../../fixtures/native_app.json"),
    include_str!("../../fixtures/video_dooh.json"),
];

/// Raw bytes get no further than the first key, so most inputs are edits to a good body: place, kind, byte.
fn edited(good: &[u8], edits: &[u8]) -> Vec<u8> {
    let mut body = good.to_vec();
    for edit in edits.chunks_exact(4).take(16) {
        let at = (usize::from(edit[0]) << 8 | usize::from(edit[1])) % body.len().max(1);
        match edit[2] % 4 {
            0 => body.truncate(at),
            1 => body.insert(at, edit[3]),
            2 if at < body.len() => body[at] = edit[3],
            _ => {
                let tail = body.split_off(at);
                body.extend_from_slice(&tail[..tail.len() / 2]);
                body.extend_from_slice(&tail);
            }
        }
    }
    body
}

#[test]
fn json_bytes() {
    bolero::check!().for_each(|input: &[u8]| {
        let arena = Bump::new();
        let Some((choice, edits)) = input.split_first() else {
            return;
        };
        match FIXTURES.get(usize::from(choice % 4)) {
            Some(good) => drop(from_json(&edited(good.as_bytes(), edits), &arena, Limits::default())),
            None => drop(from_json(edits, &arena, Limits::default())),
        }
    });
}

#[test]
fn protobuf_bytes() {
    // id, an imp with a banner and native, bcat, device: enough for edits to reach every kind of value.
    let good = b"\x0a\x01r\x12\x1a\x0a\x011\x12\x04\x08\x80\x01\x10\x6a\x0f\x0a\x02{}\x92\x03\x08\x0a\x021.\x32\x02\x08\x01\x62\x04IAB1\x2a\x0d\x12\x02ua\x22\x09\x09\x00\x00\x00\x00\x00\x00\x45\x40";
    bolero::check!().for_each(|input: &[u8]| {
        let arena = Bump::new();
        drop(from_protobuf(input, &arena, Limits::default()));
        drop(from_protobuf(&edited(good, input), &arena, Limits::default()));
    });
}
