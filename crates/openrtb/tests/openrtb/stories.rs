//! What exchanges send, and what becomes of it.

use bumpalo::Bump;
use tagbid_openrtb::{Limits, NoteKind, from_json};

use crate::{decode, with, with_imp};

const BANNER: &str = include_str!("../../fixtures/banner_web.json");
const NATIVE: &str = include_str!("../../fixtures/native_app.json");
const VIDEO: &str = include_str!("../../fixtures/video_dooh.json");

#[test]
fn a_banner_request_of_2_6_is_read_whole() {
    let arena = Bump::new();
    let request = decode(BANNER, &arena);
    assert_eq!(request.notes, []);
    assert_eq!((request.at, request.tmax, request.cur), (1, Some(120), ["USD"].as_slice()));
    let [imp] = request.imp else { panic!("one impression") };
    assert_eq!((imp.bidfloor, imp.bidfloorcur, imp.secure), (0.35, "USD", Some(true)));
    assert_eq!(imp.gpid, Some("/1234/news/article#mpu"));
    let banner = imp.banner.unwrap();
    assert_eq!(banner.format.iter().map(|f| (f.w, f.h)).next_back(), Some((Some(336), Some(280))));
    assert_eq!((banner.battr, banner.topframe), ([1, 3, 5].as_slice(), Some(false)));
    let deal = imp.pmp.unwrap().deals[0];
    assert_eq!((deal.id, deal.bidfloor, deal.bidfloorcur, deal.at), ("deal-2201", 1.25, "USD", Some(1)));
    assert_eq!(request.site.unwrap().keywords().collect::<Vec<_>>(), ["rates", "economy"]);
    let geo = request.device.unwrap().geo.unwrap();
    assert_eq!((geo.lat, geo.country, geo.utcoffset), (Some(52.37), Some("NLD"), Some(60)));
    assert_eq!(request.user.unwrap().eids[0].uids[0].id, Some("AQIDBA=="));
    assert_eq!(request.source.unwrap().schain.unwrap().nodes[0].asi, Some("exchange.example"));
    assert_eq!((request.bcat, request.badv), (["IAB25", "IAB26"].as_slice(), ["blocked.example"].as_slice()));
}

#[test]
fn a_native_request_of_2_5_is_found_at_its_2_6_places() {
    let arena = Bump::new();
    let request = decode(NATIVE, &arena);
    assert_eq!(request.notes, []);
    let regs = request.regs.unwrap();
    assert_eq!((regs.gdpr, regs.gpp, regs.gpp_sid), (Some(1), Some("DBABMA~1YNN"), [6].as_slice()));
    let user = request.user.unwrap();
    assert_eq!((user.consent, user.eids[0].source), (Some("CPXxRfAPXxRfAAfKABENB"), Some("id.example")));
    assert_eq!(request.source.unwrap().schain.unwrap().complete, Some(true));
    let device = request.device.unwrap();
    assert_eq!((device.lmt, device.geo.unwrap().lat), (Some(false), Some(40.7)));
    assert_eq!(device.sua.unwrap().platform.unwrap().version, ["14"]);
    assert_eq!(request.app.unwrap().name, Some("Puzzle été"));
    let imp = request.imp[0];
    assert_eq!((imp.bidfloor, imp.instl), (0.5, false));
    let native = imp.native.unwrap().request.unwrap();
    assert_eq!((native.context, native.eventtrackers[0].methods), (Some(1), [1, 2].as_slice()));
    let [title, image, data, video] = native.assets else { panic!("four assets") };
    assert_eq!((title.id, title.required, title.title.unwrap().len), (Some(1), true, Some(90)));
    assert_eq!((image.img.unwrap().wmin, image.img.unwrap().mimes), (Some(1200), ["image/jpeg"].as_slice()));
    assert_eq!((data.required, data.data.unwrap().r#type), (false, Some(1)));
    assert_eq!(video.video.unwrap().protocols, [2, 3]);
}

#[test]
fn video_audio_and_out_of_home_are_read() {
    let arena = Bump::new();
    let request = decode(VIDEO, &arena);
    let [video, audio] = request.imp else { panic!("two impressions") };
    assert_eq!((video.multiplier(), audio.multiplier(), video.ssai), (1.5, 1.0, Some(3)));
    let pod = video.video.unwrap();
    assert_eq!((pod.podid, pod.poddur, pod.maxseq), (Some("break-1"), Some(120), Some(4)));
    assert_eq!((pod.plcmt, pod.companionad[0].vcm, pod.skip), (Some(1), Some(true), Some(false)));
    let audio = audio.audio.unwrap();
    assert_eq!((audio.startdelay, audio.stitched, audio.nvol), (Some(-1), Some(true), Some(2)));
    assert_eq!(request.dooh.unwrap().venuetype, ["transit.train_stations"]);
    assert_eq!((request.at, request.user.unwrap().data[0].segtax), (1, Some(4)));
}

#[test]
fn defaults_are_those_of_the_specification() {
    let arena = Bump::new();
    let body = with_imp(r#""pmp":{"deals":[{"id":"d"}]}"#);
    let request = decode(&body, &arena);
    assert_eq!((request.at, request.test, request.tmax, request.allimps), (2, false, None, false));
    let imp = request.imp[0];
    assert_eq!((imp.bidfloor, imp.bidfloorcur, imp.secure, imp.exp), (0.0, "USD", None, None));
    let deal = imp.pmp.unwrap().deals[0];
    assert_eq!((deal.bidfloor, deal.bidfloorcur, deal.at), (0.0, "USD", None));
}

#[test]
fn a_member_beats_its_older_place_in_any_order() {
    for user in [r#"{"consent":"A","ext":{"consent":"B"}}"#, r#"{"ext":{"consent":"B"},"consent":"A"}"#] {
        let (arena, body) = (Bump::new(), with(&format!(r#""user":{user}"#)));
        assert_eq!(decode(&body, &arena).user.unwrap().consent, Some("A"), "{user}");
    }
    for video in [r#"{"protocol":2,"protocols":[3,5]}"#, r#"{"protocols":[3,5],"protocol":2}"#] {
        let (arena, body) = (Bump::new(), with_imp(&format!(r#""video":{video}"#)));
        assert_eq!(decode(&body, &arena).imp[0].video.unwrap().protocols, [3, 5], "{video}");
    }
    let (arena, body) =
        (Bump::new(), with_imp(r#""video":{"protocol":2},"ext":{"is_rewarded_inventory":1}"#));
    let imp = decode(&body, &arena).imp[0];
    assert_eq!((imp.video.unwrap().protocols, imp.rwdd), ([2].as_slice(), true));
}

#[test]
fn wrong_types_with_a_plain_meaning_are_read() {
    let arena = Bump::new();
    let body = with(concat!(
        r#""tmax":"120","at":1.0,"test":true,"allimps":"1","bcat":"IAB1, IAB2","cur":"EUR","wseat":[7,"b"],"#,
        r#""device":{"w":300.9,"h":"250","pxratio":"1.5","devicetype":true,"osv":14.10,"language":["en"],"dnt":"false"},"#,
        r#""site":{"keywords":["a","b"],"mobile":2,"cat":"IAB3","domain":5},"regs":{"gpp_sid":"2,6"}"#
    ));
    let request = decode(&body, &arena);
    assert_eq!(request.notes, []);
    assert_eq!((request.tmax, request.at, request.test, request.allimps), (Some(120), 1, true, true));
    assert_eq!(
        (request.bcat, request.cur, request.wseat),
        (["IAB1", "IAB2"].as_slice(), ["EUR"].as_slice(), ["7", "b"].as_slice())
    );
    let device = request.device.unwrap();
    assert_eq!((device.w, device.h, device.pxratio), (Some(300), Some(250), Some(1.5)));
    assert_eq!((device.devicetype, device.osv, device.language), (Some(1), Some("14.10"), Some("en")));
    assert_eq!(device.dnt, Some(false));
    let site = request.site.unwrap();
    assert_eq!((site.keywords, site.mobile, site.domain), (Some("a,b"), Some(true), Some("5")));
    assert_eq!(request.regs.unwrap().gpp_sid, [2, 6]);
}

#[test]
fn wrong_types_without_a_meaning_are_absent_and_named() {
    let arena = Bump::new();
    let body = with(
        r#""tmax":-5,"at":{},"device":{"w":"wide","geo":{"lat":91,"lon":[]}},"site":7,"wlang":[1,{},[2]]"#,
    );
    let request = decode(&body, &arena);
    assert_eq!((request.tmax, request.at, request.site), (None, 2, None));
    let geo = request.device.unwrap().geo.unwrap();
    assert_eq!((request.device.unwrap().w, geo.lat, geo.lon), (None, None, None));
    assert_eq!(request.wlang, ["1"]);
    let notes: Vec<_> = request.notes.iter().map(|note| (note.path, note.kind)).collect();
    assert_eq!(
        notes,
        [
            ("tmax", NoteKind::OutOfRange),
            ("at", NoteKind::WrongType),
            ("device.w", NoteKind::WrongType),
            ("device.geo.lon", NoteKind::WrongType),
            ("device.geo.lat", NoteKind::OutOfRange),
            ("site", NoteKind::WrongType),
            ("wlang", NoteKind::WrongType),
            ("wlang", NoteKind::WrongType),
        ]
    );
}

#[test]
fn a_privacy_signal_that_cannot_be_read_counts_as_set() {
    let arena = Bump::new();
    let body = with(
        r#""regs":{"coppa":"maybe","gdpr":[],"ext":{"us_privacy":{},"gpp":{}}},"device":{"lmt":"x","dnt":{}}"#,
    );
    let request = decode(&body, &arena);
    let (regs, device) = (request.regs.unwrap(), request.device.unwrap());
    assert_eq!((regs.coppa, regs.gdpr), (Some(true), Some(1)));
    assert_eq!((regs.us_privacy, regs.gpp), (Some("?"), Some("?")));
    assert_eq!((device.lmt, device.dnt), (Some(true), Some(true)));
    // and one that says nothing counts as absent
    let body = with(r#""regs":{"coppa":null,"gdpr":""},"device":{"lmt":null}"#);
    let request = decode(&body, &arena);
    assert_eq!((request.regs.unwrap().gdpr, request.device.unwrap().lmt), (None, None));
}

#[test]
fn null_and_the_empty_string_are_absent_and_the_last_of_two_counts() {
    let arena = Bump::new();
    let body = with(r#""device":{"ua":"","ip":null,"os":"a","os":"b"},"user":null,"site":{"cat":null}"#);
    let request = decode(&body, &arena);
    let device = request.device.unwrap();
    assert_eq!((device.ua, device.ip, device.os, request.user), (None, None, Some("b"), None));
    assert_eq!(request.notes, []);
}

#[test]
fn text_is_unescaped_and_repaired_never_trusted() {
    let arena = Bump::new();
    let escaped = with(r#""site":{"name":"\u00e9\ud83d\ude00\n\/","domain":"\ud83dx","\u0069d":"k"}"#);
    let request = decode(&escaped, &arena);
    let site = request.site.unwrap();
    assert_eq!((site.name, site.domain, site.id), (Some("é😀\n/"), Some("\u{FFFD}x"), Some("k")));
    assert_eq!(request.notes[0].kind, NoteKind::Utf8);

    let mut broken = with(r#""site":{"name":"caf#","domain":"é.example"}"#).into_bytes();
    let at = broken.iter().position(|b| *b == b'#').unwrap();
    broken[at] = 0xE9;
    let request = from_json(&broken, &arena, Limits::default()).unwrap();
    let site = request.site.unwrap();
    assert_eq!((site.name, site.domain), (Some("caf\u{FFFD}"), Some("é.example")));
}

#[test]
fn a_byte_order_mark_and_white_space_are_forgiven() {
    let arena = Bump::new();
    let body = format!("\u{FEFF} \r\n\t{} \n", with(r#" "tmax" : 9 "#));
    assert_eq!(decode(&body, &arena).tmax, Some(9));
}

#[test]
fn a_native_request_comes_as_string_object_or_envelope() {
    let forms = [
        r#"{"assets":[{"id":7,"title":{"len":25}}]}"#,
        r#""{\"assets\":[{\"id\":7,\"title\":{\"len\":25}}]}""#,
        r#""{\"native\":{\"assets\":[{\"id\":7,\"title\":{\"len\":25}}]}}""#,
        r#"{"native":{"assets":[{"id":7,"title":{"len":25}}]}}"#,
    ];
    for form in forms {
        let (arena, body) = (Bump::new(), with_imp(&format!(r#""native":{{"request":{form}}}"#)));
        let native = decode(&body, &arena).imp[0].native.unwrap();
        assert_eq!(native.request.unwrap().assets[0].title.unwrap().len, Some(25), "{form}");
    }
}

#[test]
fn a_native_request_of_garbage_costs_only_itself() {
    for garbage in [r#""...Native Spec request...""#, r#""{\"assets\":[}""#, "7", r#""[]""#] {
        let (arena, body) =
            (Bump::new(), with_imp(&format!(r#""native":{{"request":{garbage},"ver":"1.0"}}"#)));
        let request = decode(&body, &arena);
        let native = request.imp[0].native.unwrap();
        assert_eq!((native.request, native.ver), (None, Some("1.0")), "{garbage}");
        assert_eq!(request.notes.last().unwrap().path, "imp.native.request", "{garbage}");
    }
}
