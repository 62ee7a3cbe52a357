//! Protobuf written by hand: extensions, odd orders, and what no encoder would send.

use bumpalo::Bump;
use tagbid_openrtb::{DropReason, Limits, Request, from_protobuf};

/// A length-delimited field.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2, value.len() as u8];
    out.extend_from_slice(value);
    out
}

/// The extension `number` (201 and up) with this content.
fn extension(number: u32, value: &[u8]) -> Vec<u8> {
    let key = number << 3 | 2;
    let mut out = vec![key as u8 & 0x7F | 0x80, (key >> 7) as u8, value.len() as u8];
    out.extend_from_slice(value);
    out
}

fn protobuf(more: &[Vec<u8>]) -> Vec<u8> {
    let imp = [field(1, b"1"), field(2, b"")].concat();
    [field(1, b"r"), field(2, &imp), more.concat()].concat()
}

fn decode_protobuf<'a>(body: &'a [u8], arena: &'a Bump) -> Request<'a> {
    from_protobuf(body, arena, Limits::default()).unwrap()
}

#[test]
fn the_iabs_extensions_stand_for_ext() {
    let arena = Bump::new();
    let body = protobuf(&[
        field(14, &extension(201, &[vec![1 << 3, 1], field(2, b"1YNN")].concat())),
        field(6, &extension(202, &field(1, b"CPX"))),
    ]);
    let request = decode_protobuf(&body, &arena);
    let regs = request.regs.unwrap();
    assert_eq!((regs.gdpr, regs.us_privacy), (Some(1), Some("1YNN")));
    assert_eq!(request.user.unwrap().consent, Some("CPX"));
}

#[test]
fn parts_of_a_protobuf_message_are_merged_and_scattered_lists_joined() {
    let arena = Bump::new();
    let body = protobuf(&[
        field(5, &field(2, b"agent")),
        field(12, b"IAB1"),
        field(5, &field(3, b"192.0.2.1")),
        field(12, b"IAB2"),
    ]);
    let request = decode_protobuf(&body, &arena);
    let device = request.device.unwrap();
    assert_eq!((device.ua, device.ip), (Some("agent"), Some("192.0.2.1")));
    assert_eq!(request.bcat, ["IAB1", "IAB2"]);
}

#[test]
fn protobuf_of_another_type_or_not_utf8_is_forgiven() {
    let arena = Bump::new();
    let tmax_as_text = field(8, b"120");
    let body = protobuf(&[tmax_as_text, field(5, &field(2, b"caf\xE9"))]);
    let request = decode_protobuf(&body, &arena);
    assert_eq!((request.tmax, request.device.unwrap().ua), (None, Some("caf\u{FFFD}")));
    assert_eq!(request.notes[0].path, "tmax");
}

#[test]
fn protobuf_that_may_restrict_and_has_another_type_restricts() {
    let arena = Bump::new();
    // regs and device as numbers, user's extension 202 as one
    let user_ext = [0xD0, 0x0C, 1];
    let body = protobuf(&[vec![14 << 3, 1], vec![5 << 3, 1], field(6, &user_ext)]);
    let request = decode_protobuf(&body, &arena);
    let (regs, device) = (request.regs.unwrap(), request.device.unwrap());
    assert_eq!((regs.coppa, regs.gdpr, regs.us_privacy), (Some(true), Some(1), Some("?")));
    assert_eq!((device.lmt, request.user.unwrap().consent), (Some(true), Some("?")));

    let badv_as_number = protobuf(&[vec![13 << 3, 1]]);
    assert_eq!(decode_protobuf(&badv_as_number, &arena).unreadable_blocks, Some("badv"));
    let battr_as_double = [field(1, b"2"), field(2, &[[6 << 3 | 1].as_slice(), &[0; 8]].concat())].concat();
    let body = protobuf(&[field(2, &battr_as_double)]);
    let request = decode_protobuf(&body, &arena);
    let marked: Vec<_> = request.imp.iter().map(|imp| imp.unreadable_blocks).collect();
    assert_eq!((marked, request.unreadable_blocks), (vec![false, true], None));

    let floor_as_text = [field(1, b"2"), field(2, b""), field(8, b"9.5")].concat();
    let body = protobuf(&[field(2, &floor_as_text)]);
    let request = decode_protobuf(&body, &arena);
    assert_eq!((request.imp.len(), request.dropped[0].reason), (1, DropReason::Floor));
}

#[test]
fn protobuf_that_is_cut_off_or_malformed_is_refused() {
    let whole = protobuf(&[field(12, b"IAB1")]);
    let cut = &whole[..whole.len() - 1];
    let cases: [(&[u8], &str); 6] = [
        (cut, "a length runs past the end"),
        (
            &[0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F],
            "varint is longer than 64 bits",
        ),
        (&[0x80], "ends inside a varint"),
        (&[0x00], "field number out of range"),
        (&[0x0E], "unknown wire type"),
        (&[0x0C], "a group ends that never started"),
    ];
    for (body, problem) in cases {
        let error = from_protobuf(body, &Bump::new(), Limits::default()).unwrap_err();
        assert!(error.to_string().contains(problem), "{error}");
    }
}

#[test]
fn an_error_in_protobuf_names_its_message_and_field() {
    let cases = [
        (vec![vec![8 << 3, 100], vec![90 << 3 & 0x7F | 0x80, 5, 0x80]], "in field 90: ends inside a varint"),
        (
            vec![field(5, &[&field(2, b"ua")[..], &[0x22, 9]].concat())],
            "in device, field 4: a length runs past",
        ),
        (vec![field(9, b"seat"), vec![0]], "at byte 17: field number out of range"),
    ];
    for (fields, place) in cases {
        let error = from_protobuf(&protobuf(&fields), &Bump::new(), Limits::default()).unwrap_err();
        assert!(error.to_string().contains(place), "{error}");
    }
}
