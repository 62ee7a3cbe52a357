//! What cannot be served: dropped impressions, refused requests, limits.

use bumpalo::Bump;
use tagbid_openrtb::{DecodeError, DropReason, Limits, NoteKind, from_json};
use tagbid_types::NoBidReason;

use crate::{decode, refuse, with, with_imp};

#[test]
fn bad_impressions_are_dropped_and_the_rest_served() {
    let arena = Bump::new();
    let body =
        r#"{"id":"r","imp":[{"banner":{}},{"id":"2"},{"id":3,"video":{}},null,"x",{"id":"4","banner":7}]}"#;
    let request = decode(body, &arena);
    assert_eq!(request.imp.iter().map(|imp| imp.id).collect::<Vec<_>>(), ["3"]);
    let dropped: Vec<_> = request.dropped.iter().map(|imp| (imp.index, imp.id, imp.reason)).collect();
    assert_eq!(
        dropped,
        [(0, "", DropReason::MissingId), (1, "2", DropReason::NoMedia), (3, "4", DropReason::NoMedia)]
    );
}

#[test]
fn impressions_beyond_the_limit_are_left_out() {
    let arena = Bump::new();
    let imps: Vec<_> = (0..70).map(|id| format!(r#"{{"id":"{id}","banner":{{}}}}"#)).collect();
    let body = format!(r#"{{"id":"r","imp":[{}]}}"#, imps.join(","));
    let request = decode(&body, &arena);
    assert_eq!((request.imp.len(), request.notes[0].kind), (64, NoteKind::TooMany));
}

#[test]
fn deals_without_an_id_are_left_out_and_floors_below_zero_are_none() {
    let arena = Bump::new();
    let body = with_imp(
        r#""bidfloor":-1,"pmp":{"private_auction":1,"deals":[{"bidfloor":2},{"id":"d","bidfloor":-2}]}"#,
    );
    let imp = decode(&body, &arena).imp[0];
    let pmp = imp.pmp.unwrap();
    assert_eq!((imp.bidfloor, pmp.deals.len(), pmp.deals[0].bidfloor), (0.0, 1, 0.0));
    assert!(pmp.private_auction);
}

#[test]
fn what_breaks_the_specification_is_refused_by_name() {
    let imp = r#""imp":[{"id":"1","banner":{}}]"#;
    let cases = [
        (format!("{{{imp}}}"), "id: is required and missing; send a unique string"),
        (r#"{"id":"r"}"#.into(), "imp: no usable impression; send at least one imp object with an id"),
        (
            r#"{"id":"r","imp":[{"banner":{}}]}"#.into(),
            "imp: no usable impression; imp[0]: has no id: give each imp a unique string id",
        ),
        (
            format!(r#"{{"id":"r",{imp},"site":{{}},"app":{{}}}}"#),
            "site and app are both present; send exactly one of site, app, dooh",
        ),
        (
            r#"{"id":"r","imp":[{"id":"1","banner":{}},{"id":1,"banner":{}}]}"#.into(),
            "imp: id \"1\" is given twice; ids must be unique within the request",
        ),
        ("[]".into(), "body is not readable JSON at byte 0: expected an object"),
        (String::new(), "body is not readable JSON at byte 0: ends too early"),
        (
            r#"{"id":"r","device":{"ua":"x""#.into(),
            "body is not readable JSON at byte 28 in device: ends too early",
        ),
        (r#"{"id":"r",}"#.into(), "body is not readable JSON at byte 10: expected a key in quotes"),
        (with(r#""tmax":1"#) + "x", "body is not readable JSON at byte 50: something follows the value"),
    ];
    for (body, text) in cases {
        let error = refuse(body.as_bytes());
        assert_eq!(error.to_string(), text, "{body}");
        assert_eq!(error.reason(), NoBidReason::InvalidRequest);
    }
}

#[test]
fn an_error_names_the_member_that_it_is_in_and_not_the_one_before() {
    let deep = format!("{}1{}", r#"{"a":["#.repeat(20), "]}".repeat(20));
    let cases = [
        (with(&format!(r#""tmax":1,"ext":{deep}"#)), "levels in ext.a.a.a"),
        (with(&format!(r#""tmax":1,"new":{deep}"#)), "levels in new.a.a.a"),
        (with_imp(&format!(r#""secure":1,"ext":{{"prebid":{{}},"x":{deep}}}"#)), "levels in imp.ext.x.a"),
        (with(r#""tmax":1,"ext":{"p":{"q":1,"r":tru}}"#), "in ext.p.r: expected true"),
        (with(r#""device":{"geo":{},"ext":{"p":[{}],"q":{"s" 1}}}"#), "in device.ext.q.s: expected ':'"),
        (with(r#""device":{"geo":{"x":{"y":1}},"ifa":"}"#), "in device.ifa: ends too early"),
        (with(r#""device":{"ua":"x" "os":"y"}"#), "in device: expected ','"),
    ];
    for (body, place) in cases {
        let text = refuse(body.as_bytes()).to_string();
        assert!(text.contains(place), "{text} does not say {place:?}: {body}");
    }
    let long = with(&format!(r#""{}":tru"#, "n".repeat(100_000)));
    assert!(refuse(long.as_bytes()).to_string().len() < 200);
}

#[test]
fn a_block_list_is_read_whole_or_the_request_is_refused() {
    let limits = Limits { list: 3, ..Limits::default() };
    let body = with(r#""badv":["a","b","c","d"]"#);
    let error = from_json(body.as_bytes(), &Bump::new(), limits).unwrap_err();
    assert_eq!(error, DecodeError::TooMany { limit: 3, path: "badv".into(), what: "elements" });
    assert_eq!(error.reason(), NoBidReason::TooLarge);
}

#[test]
fn an_over_long_string_is_absent() {
    let limits = Limits { string: 8, ..Limits::default() };
    let (arena, body) = (Bump::new(), with(r#""device":{"ua":"123456789","os":"12345678"}"#));
    let request = from_json(body.as_bytes(), &arena, limits).unwrap();
    let device = request.device.unwrap();
    assert_eq!((device.ua, device.os), (None, Some("12345678")));
    assert_eq!((request.notes[0].path, request.notes[0].kind), ("device.ua", NoteKind::TooLong));
}
