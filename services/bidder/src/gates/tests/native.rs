use serde_json::json;
use tagbid_catalog::{Creative, Markup, NativeMarkup};
use tagbid_types::NoBidReason;

use super::creatives::native;
use super::fitting;

const NO: Option<NoBidReason> = Some(NoBidReason::NoCreative);

/// The verdict on a native request for these assets.
fn wanting(creative: &Creative, assets: serde_json::Value) -> Option<NoBidReason> {
    let request = json!({ "ver": "1.2", "assets": assets }).to_string();
    fitting(creative, &format!(r#""native":{}"#, json!({ "request": request }))).err()
}

/// The verdict on a required image.
fn image(wanted: serde_json::Value) -> Option<NoBidReason> {
    wanting(&native(), json!([{ "id": 1, "required": 1, "img": wanted }]))
}

#[test]
fn all_required_assets_must_be_there_and_optional_ones_may() {
    let common = json!([
        { "id": 1, "required": 1, "title": { "len": 90 } },
        { "id": 2, "required": 1, "img": { "type": 3, "wmin": 300, "hmin": 157 } },
        { "id": 3, "required": 1, "data": { "type": 1 } },
        { "id": 6, "required": 0, "data": { "type": 3 } },
    ]);
    assert_eq!(wanting(&native(), common), None);
    let rating = json!([{ "id": 6, "required": 1, "data": { "type": 3 } }]);
    assert_eq!(wanting(&native(), rating), NO);
}

#[test]
fn texts_must_not_be_longer_than_asked_for() {
    let title = |len| wanting(&native(), json!([{ "id": 1, "required": 1, "title": { "len": len } }]));
    // "Red shoes, half price"
    assert_eq!((title(21), title(20)), (None, NO));
    let mut umlauts = native();
    umlauts.markup = Markup::Native(NativeMarkup { title: "äöü".into(), assets: vec![] });
    assert_eq!(wanting(&umlauts, json!([{ "id": 1, "required": 1, "title": { "len": 3 } }])), None);
    let data =
        |len| wanting(&native(), json!([{ "id": 1, "required": 1, "data": { "type": 1, "len": len } }]));
    assert_eq!((data(4), data(3)), (None, NO));
}

#[test]
fn images_are_of_the_type_and_size_asked_for() {
    assert_eq!(image(json!({ "type": 3, "w": 1200, "h": 627 })), None);
    assert_eq!(image(json!({ "type": 3, "w": 1200, "h": 628 })), NO);
    assert_eq!(image(json!({ "type": 1, "w": 1200, "h": 627 })), NO);
    // Beside a least size an exact one is only a wish.
    assert_eq!(image(json!({ "type": 3, "w": 600, "wmin": 300, "h": 400, "hmin": 157 })), None);
    assert_eq!(image(json!({ "type": 3, "wmin": 1201 })), NO);
    assert_eq!(image(json!({ "wmin": 50, "hmin": 50 })), None);
}

#[test]
fn images_are_of_a_mime_type_asked_for() {
    assert_eq!(image(json!({ "type": 3, "mimes": ["image/jpg", "image/png"] })), None);
    assert_eq!(image(json!({ "type": 3, "mimes": ["image/gif"] })), NO);
}

#[test]
fn what_cannot_be_answered_gets_no_bid() {
    assert_eq!(
        wanting(&native(), json!([{ "id": 1, "required": 1, "video": { "mimes": ["video/mp4"] } }])),
        NO
    );
    assert_eq!(wanting(&native(), json!([{ "required": 1, "title": { "len": 90 } }])), NO);
    assert_eq!(wanting(&native(), json!([{ "id": 1, "video": {} }])), NO, "nothing of it can be filled");
    assert_eq!(wanting(&native(), json!([])), NO);
    assert_eq!(fitting(&native(), r#""native":{"request":"no json"}"#).err(), NO);
    assert_eq!(fitting(&native(), r#""native":{"ver":"1.2"}"#).err(), NO);
}

#[test]
fn attributes_and_apis_count_as_elsewhere() {
    let title = r#""request":"{\"assets\":[{\"id\":1,\"title\":{\"len\":90}}]}""#;
    let noisy = Creative { attributes: vec![3], ..native() };
    let blocked = fitting(&noisy, &format!(r#""native":{{{title},"battr":[3]}}"#));
    assert_eq!(blocked.err(), Some(NoBidReason::BlockedAttribute));
    let needs = Creative { apis: vec![7], ..native() };
    assert_eq!(fitting(&needs, &format!(r#""native":{{{title}}}"#)).err(), NO);
    assert_eq!(fitting(&needs, &format!(r#""native":{{{title},"api":[7]}}"#)).unwrap().api, Some(7));
}
