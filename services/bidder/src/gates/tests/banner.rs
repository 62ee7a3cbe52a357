use tagbid_catalog::{Creative, Markup};
use tagbid_types::NoBidReason;

use super::creatives::banner;
use super::fitting;

const NO: Option<NoBidReason> = Some(NoBidReason::NoCreative);

/// The verdict on a 300x250 banner.
fn refusal(members: &str) -> Option<NoBidReason> {
    fitting(&banner(), &format!(r#""banner":{{{members}}}"#)).err()
}

#[test]
fn the_size_is_one_of_the_formats_or_else_w_and_h() {
    assert_eq!(refusal(r#""w":300,"h":250"#), None);
    assert_eq!(refusal(r#""w":320,"h":50"#), NO);
    assert_eq!(refusal(r#""format":[{"w":320,"h":50},{"w":300,"h":250}]"#), None);
    // The list says all that is permitted.
    assert_eq!(refusal(r#""w":300,"h":250,"format":[{"w":320,"h":50}]"#), NO);
    // An entry that says nothing permits nothing more.
    assert_eq!(refusal(r#""w":320,"h":50,"format":[{}]"#), NO);
    assert_eq!(refusal(r#""format":[{},{"w":320,"h":50}]"#), NO);
    assert_eq!(refusal(r#""w":320,"format":["300x250"]"#), NO);
    assert_eq!(refusal(r#""w":"300px","h":250"#), NO);
    assert_eq!(refusal(r#""w":300"#), None);
    assert_eq!(refusal(r#""h":90"#), NO);
}

#[test]
fn a_banner_that_states_no_size_takes_any() {
    assert_eq!(refusal(""), None);
    assert_eq!(refusal(r#""w":0,"h":0"#), None);
    assert_eq!(refusal(r#""format":[{}]"#), None);
    let fit = fitting(&banner(), r#""banner":{}"#).unwrap();
    assert_eq!((fit.width, fit.height), (Some(300), Some(250)));
}

#[test]
fn a_ratio_takes_what_has_it_and_is_wide_enough() {
    assert_eq!(refusal(r#""format":[{"wratio":6,"hratio":5,"wmin":300}]"#), None);
    assert_eq!(refusal(r#""format":[{"wratio":6,"hratio":5,"wmin":301}]"#), NO);
    assert_eq!(refusal(r#""format":[{"wratio":16,"hratio":9}]"#), NO);
    // Exact pixels beside a ratio are exact.
    assert_eq!(refusal(r#""format":[{"w":200,"h":20,"wratio":6,"hratio":5,"wmin":3}]"#), NO);
}

#[test]
fn html_must_be_among_the_types() {
    assert_eq!(refusal(r#""mimes":["image/jpeg","text/HTML"]"#), None);
    assert_eq!(refusal(r#""mimes":["image/jpeg"]"#), NO);
    let mut script = banner();
    if let Markup::Banner(markup) = &mut script.markup {
        markup.banner_type = 3;
    }
    assert!(fitting(&script, r#""banner":{"mimes":["application/javascript"]}"#).is_ok());
    assert_eq!(refusal(r#""mimes":["application/javascript"]"#), NO);
}

#[test]
fn blocked_types_and_attributes_have_their_own_reason() {
    let blocked = Some(NoBidReason::BlockedAttribute);
    assert_eq!(refusal(r#""btype":[2,4]"#), blocked);
    assert_eq!(refusal(r#""btype":[3]"#), None);
    let noisy = Creative { attributes: vec![2, 510], ..banner() };
    assert_eq!(fitting(&noisy, r#""banner":{"battr":[510]}"#).err(), blocked);
    assert!(fitting(&noisy, r#""banner":{"battr":[1,3]}"#).is_ok());
}

#[test]
fn every_api_that_it_needs_must_be_listed() {
    let mraid = Creative { apis: vec![5, 7], ..banner() };
    let fit = fitting(&mraid, r#""banner":{"api":[3,5,7]}"#).unwrap();
    assert_eq!(fit.api, Some(5));
    assert_eq!(fitting(&mraid, r#""banner":{"api":[5]}"#).err(), NO);
    assert_eq!(fitting(&mraid, r#""banner":{}"#).err(), NO);
}

#[test]
fn what_expands_needs_every_direction_free() {
    let expanding = Creative { attributes: vec![4], ..banner() };
    assert_eq!(fitting(&expanding, r#""banner":{"expdir":[1,3]}"#).err(), NO);
    assert!(fitting(&expanding, r#""banner":{"expdir":[1,2,3,4]}"#).is_ok());
    assert!(fitting(&expanding, r#""banner":{"expdir":[5]}"#).is_ok());
    assert!(fitting(&expanding, r#""banner":{}"#).is_ok());
    assert_eq!(refusal(r#""expdir":[1]"#), None);
}
