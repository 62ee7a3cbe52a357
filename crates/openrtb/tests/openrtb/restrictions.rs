//! What is there, cannot be read and may restrict: it never counts as absent.

use bumpalo::Bump;
use tagbid_openrtb::DropReason;

use crate::{decode, refuse, with, with_imp};

#[test]
fn an_object_of_privacy_signals_that_cannot_be_read_counts_as_all_of_them() {
    let cases = [
        (r#"[{"gdpr":1,"coppa":1}]"#, 1),
        (r#""{\"coppa\":1}""#, 1),
        ("true", 1),
        (r#"{"ext":"{}"}"#, 1),
        (r#"{"gdpr":0,"ext":[{"us_privacy":"1YYN"}]}"#, 0),
    ];
    for (regs, gdpr) in cases {
        let (arena, body) = (Bump::new(), with(&format!(r#""regs":{regs}"#)));
        let read = decode(&body, &arena).regs.unwrap();
        assert_eq!((read.coppa, read.gdpr), (Some(true), Some(gdpr)), "{regs}");
        assert_eq!((read.us_privacy, read.gpp), (Some("?"), Some("?")), "{regs}");
    }
    for user in [r#"[{"consent":"CPX"}]"#, r#"{"consent":{}}"#, r#"{"ext":[{"consent":"CPX"}]}"#] {
        let (arena, body) = (Bump::new(), with(&format!(r#""user":{user}"#)));
        assert_eq!(decode(&body, &arena).user.unwrap().consent, Some("?"), "{user}");
    }
    let (arena, body) = (Bump::new(), with(r#""device":[{"lmt":1}]"#));
    let device = decode(&body, &arena).device.unwrap();
    assert_eq!((device.lmt, device.dnt), (Some(true), Some(true)));
}

#[test]
fn gpp_sections_that_cannot_be_read_deny_whatever_else_is_said() {
    let (arena, body) = (Bump::new(), with(r#""regs":{"gdpr":0,"gpp_sid":[7,"usca"],"us_privacy":"1YNN"}"#));
    let regs = decode(&body, &arena).regs.unwrap();
    assert_eq!((regs.gdpr, regs.us_privacy), (Some(1), Some("?")));
}

#[test]
fn a_dsa_that_cannot_be_read_requires_transparency() {
    for dsa in [r#""dsa":"yes""#, r#""dsa":{"dsarequired":"yes"}"#, r#""ext":{"dsa":[{"dsarequired":3}]}"#] {
        let (arena, body) = (Bump::new(), with(&format!(r#""regs":{{{dsa}}}"#)));
        assert_eq!(decode(&body, &arena).regs.unwrap().dsa.unwrap().dsarequired, Some(2), "{dsa}");
    }
}

#[test]
fn an_empty_list_or_string_in_place_of_something_else_restricts_nothing() {
    let arena = Bump::new();
    let body = with(r#""regs":{"coppa":0,"ext":[]},"user":{"id":"u","ext":""},"device":[],"badv":[]"#);
    let request = decode(&body, &arena);
    let in_imp = with_imp(r#""pmp":"","native":"""#);
    let imp = decode(&in_imp, &arena).imp[0];
    assert_eq!((imp.pmp, imp.native), (None, None));
    let regs = request.regs.unwrap();
    assert_eq!((regs.coppa, regs.gdpr, regs.us_privacy), (Some(false), None, None));
    assert_eq!((request.user.unwrap().consent, request.device), (None, None));
    assert_eq!(request.notes, []);
}

#[test]
fn a_taxonomy_that_cannot_be_read_is_none_that_we_know() {
    for members in [r#""cattax":"six""#, r#""ext":[{"cattax":6}]"#, r#""ext":{"cattax":{}}"#] {
        let (arena, body) = (Bump::new(), with(members));
        assert_eq!(decode(&body, &arena).cattax, Some(0), "{members}");
    }
}

#[test]
fn a_block_list_of_which_a_part_cannot_be_read_keeps_bids_off_the_request() {
    let long = format!(r#""a.example,{}""#, "b".repeat(64 * 1024));
    for member in ["badv", "bcat", "acat", "bapp", "wseat", "bseat", "cur", "wlang", "wlangb"] {
        for value in [long.as_str(), "{}", r#"{"0":"a"}"#, r#"["a",["b"]]"#, r#"["a",{}]"#] {
            let (arena, body) = (Bump::new(), with(&format!(r#""{member}":{value}"#)));
            assert_eq!(decode(&body, &arena).unreadable_blocks, Some(member), "{value}");
        }
    }
}

#[test]
fn one_of_an_impression_keeps_bids_off_that_impression_alone() {
    for blocks in [
        r#""banner":{"battr":["x"]}"#,
        r#""banner":{"btype":[{}]}"#,
        r#""video":{"battr":[1,99999999999]}"#,
        r#""native":{"battr":{}}"#,
    ] {
        let body =
            format!(r#"{{"id":"r","imp":[{{"id":"1",{blocks}}},{{"id":"2","banner":{{"battr":[1]}}}}]}}"#);
        let arena = Bump::new();
        let request = decode(&body, &arena);
        let marked: Vec<_> = request.imp.iter().map(|imp| (imp.id, imp.unreadable_blocks)).collect();
        assert_eq!((marked, request.unreadable_blocks), (vec![("1", true), ("2", false)], None), "{blocks}");
    }
}

#[test]
fn a_block_list_is_read_whole_whatever_kinds_of_scalars_it_holds() {
    let (arena, body) = (
        Bump::new(),
        with(r#""badv":null,"bcat":"","bapp":[null,"",7,true,-1.5],"wseat":false,"bseat":"a, b""#),
    );
    let request = decode(&body, &arena);
    assert_eq!((request.badv.len(), request.bcat.len()), (0, 0));
    assert_eq!(request.bapp, ["7", "true", "-1.5"]);
    assert_eq!((request.wseat, request.bseat), (["false"].as_slice(), ["a", "b"].as_slice()));
    assert_eq!((request.unreadable_blocks, request.notes.len()), (None, 0));
    let body = with_imp(r#""video":{"battr":[null,"",true,"3",4.0]}"#);
    let imp = decode(&body, &arena).imp[0];
    assert_eq!((imp.video.unwrap().battr, imp.unreadable_blocks), ([1, 3, 4].as_slice(), false));
}

#[test]
fn what_an_impression_demands_and_cannot_be_read_is_demanded() {
    for demand in [r#""secure":{}"#, r#""secure":"yes""#] {
        let (arena, body) = (Bump::new(), with_imp(demand));
        assert_eq!(decode(&body, &arena).imp[0].secure, Some(true), "{demand}");
    }
    for pmp in [r#""x""#, r#"{"private_auction":"yes","deals":[{"id":"d"}]}"#, r#"[{"deals":[]}]"#] {
        let (arena, body) = (Bump::new(), with_imp(&format!(r#""pmp":{pmp}"#)));
        assert!(decode(&body, &arena).imp[0].pmp.unwrap().private_auction, "{pmp}");
    }
    let sizes = |banner: &str| {
        let body =
            format!(r#"{{"id":"r","imp":[{{"id":"1","banner":{banner}}},{{"id":"2","banner":{{}}}}]}}"#);
        let arena = Bump::new();
        let imps = decode(&body, &arena).imp;
        assert_eq!(imps[1].banner.unwrap().w, None);
        let banner = imps[0].banner.unwrap();
        (banner.w, banner.h, banner.format.iter().map(|format| (format.w, format.h)).collect::<Vec<_>>())
    };
    let nothing = Some(u32::MAX);
    assert_eq!(sizes(r#"{"w":"300px","h":250}"#), (nothing, Some(250), vec![]));
    assert_eq!(sizes(r#"{"format":["300x250"]}"#), (nothing, nothing, vec![]));
    let first_lost = r#"{"w":{},"format":[{"w":1,"h":2}]}"#;
    assert_eq!(sizes(first_lost), (nothing, nothing, vec![(Some(1), Some(2))]));
    assert_eq!(sizes(r#"{"format":"300x250","w":300,"h":250}"#), (Some(300), Some(250), vec![]));
    assert_eq!(
        sizes(r#"{"w":null,"format":[{"w":{},"h":2},{"w":"1","h":2}]}"#).2,
        [(nothing, Some(2)), (Some(1), Some(2))]
    );
}

#[test]
fn an_impression_whose_floor_cannot_be_read_is_dropped() {
    let unreadable = [
        r#""bidfloor":true"#,
        r#""bidfloor":"abc""#,
        r#""bidfloor":{}"#,
        r#""bidfloor":1e999"#,
        r#""bidfloor":1,"bidfloorcur":{}"#,
        r#""bidfloor":[2],"pmp":{"deals":[{"id":"d","bidfloor":1}]}"#,
        r#""video":{"mincpmpersec":"x"}"#,
    ];
    for floor in unreadable {
        let body =
            format!(r#"{{"id":"r","imp":[{{"id":"1","banner":{{}},{floor}}},{{"id":"2","banner":{{}}}}]}}"#);
        let arena = Bump::new();
        let request = decode(&body, &arena);
        let dropped: Vec<_> = request.dropped.iter().map(|imp| (imp.id, imp.reason)).collect();
        assert_eq!(dropped, [("1", DropReason::Floor)], "{floor}");
        assert_eq!((request.imp.len(), request.imp[0].id), (1, "2"), "{floor}");
    }
    let alone = refuse(with_imp(r#""bidfloor":true"#).as_bytes()).to_string();
    assert!(alone.contains("imp[0]: has a floor that cannot be read: send bidfloor as a number"), "{alone}");
}

#[test]
fn a_floor_in_quotes_is_read_and_one_that_says_nothing_is_none() {
    for (floor, read) in [(r#""1.5""#, 1.5), ("null", 0.0), (r#""""#, 0.0)] {
        let (arena, body) = (Bump::new(), with_imp(&format!(r#""bidfloor":{floor}"#)));
        assert_eq!(decode(&body, &arena).imp[0].bidfloor, read, "{floor}");
    }
}

#[test]
fn a_deal_whose_price_or_advertisers_cannot_be_read_is_left_out() {
    let arena = Bump::new();
    let body = with_imp(
        r#""bidfloor":1,"pmp":{"deals":[{"id":"a","bidfloor":"abc"},{"id":"b","bidfloor":"2.5"},
        {"id":"c","bidfloor":{}},{"id":"d","wadomain":{}},{"id":"s","wseat":[{}]},{"id":"e"}]}"#,
    );
    let request = decode(&body, &arena);
    let deals = request.imp[0].pmp.unwrap().deals;
    let kept: Vec<_> = deals.iter().map(|deal| (deal.id, deal.bidfloor)).collect();
    assert_eq!((request.imp[0].bidfloor, kept), (1.0, vec![("b", 2.5), ("e", 0.0)]));
}

#[test]
fn of_a_privacy_signal_that_is_said_twice_the_restrictive_one_stands() {
    let alike = [
        r#"{"gdpr":1,"gdpr":0,"coppa":1,"coppa":0,"us_privacy":"1YYN","us_privacy":null}"#,
        r#"{"gdpr":1,"gdpr":null,"coppa":true,"coppa":"","us_privacy":"1YYN","ext":{"gdpr":0,"coppa":0}}"#,
        r#"{"gdpr":0,"coppa":0,"ext":{"gdpr":1,"coppa":1,"us_privacy":"1YYN"}}"#,
        r#"{"ext":{"gdpr":0,"gdpr":1,"gdpr":0,"coppa":1,"coppa":0,"us_privacy":"1YYN"},"gdpr":0,"coppa":0}"#,
        r#"{"gdpr":1,"coppa":1},"regs":{"gdpr":0,"coppa":0,"us_privacy":"1YYN"}"#,
        r#"{"gdpr":1,"coppa":1,"us_privacy":"1YYN"},"regs":null"#,
    ];
    for regs in alike {
        let (arena, body) = (Bump::new(), with(&format!(r#""regs":{regs}"#)));
        let read = decode(&body, &arena).regs.unwrap();
        assert_eq!((read.coppa, read.gdpr, read.us_privacy), (Some(true), Some(1), Some("1YYN")), "{regs}");
    }
    let differ = [
        r#"{"us_privacy":"1YYN","us_privacy":"1YNN","gpp":"DBAA","ext":{"gpp":"DBAB"}}"#,
        r#"{"us_privacy":"1YNN","gpp":"DBAA"},"regs":{"us_privacy":"1YYN","gpp":"DBAB"}"#,
    ];
    for regs in differ {
        let (arena, body) = (Bump::new(), with(&format!(r#""regs":{regs}"#)));
        let read = decode(&body, &arena).regs.unwrap();
        assert_eq!((read.us_privacy, read.gpp), (Some("?"), Some("?")), "{regs}");
    }
    for (sections, said) in [("[7]", (None, None)), ("[2]", (Some(1), Some("?")))] {
        let (arena, body) =
            (Bump::new(), with(&format!(r#""regs":{{"gpp_sid":[7],"ext":{{"gpp_sid":{sections}}}}}"#)));
        let read = decode(&body, &arena).regs.unwrap();
        assert_eq!((read.gdpr, read.us_privacy, read.gpp_sid), (said.0, said.1, [7].as_slice()));
    }
}

#[test]
fn an_element_of_a_list_may_hold_several_by_commas() {
    let arena = Bump::new();
    let lists = r#""badv":["foo.example, priv.example","bar.example"],"bcat":["IAB25,IAB26"],"wseat":["a,b,,"],"cur":["USD, EUR"]"#;
    let body = with(lists);
    let request = decode(&body, &arena);
    assert_eq!(request.badv, ["foo.example", "priv.example", "bar.example"]);
    assert_eq!((request.bcat, request.wseat), (["IAB25", "IAB26"].as_slice(), ["a", "b"].as_slice()));
    assert_eq!((request.cur, request.unreadable_blocks), (["USD", "EUR"].as_slice(), None));
    let body = with_imp(r#""video":{"battr":["1,3",4]}"#);
    let imp = decode(&body, &arena).imp[0];
    assert_eq!((imp.video.unwrap().battr, imp.unreadable_blocks), ([1, 3, 4].as_slice(), false));
}
