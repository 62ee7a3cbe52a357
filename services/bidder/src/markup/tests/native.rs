use serde_json::{Value, json};

use super::{CLICK, PIXEL, written};
use crate::gates::tests::creatives::native;

/// The answer to a native request.
fn answer(request: &Value) -> Value {
    let imp = json!({ "request": request.to_string() });
    serde_json::from_str(&written(&native(), &format!(r#""native":{imp}"#))).unwrap()
}

#[test]
fn exactly_the_assets_that_were_asked_for_and_are_there_are_sent() {
    let answer = answer(&json!({ "ver": "1.2", "assets": [
        { "id": 10, "required": 1, "title": { "len": 90 } },
        { "id": 20, "required": 1, "img": { "type": 3, "wmin": 300 } },
        { "id": 30, "img": { "type": 1, "w": 80, "h": 80 } },
        { "id": 40, "data": { "type": 1 } },
        { "id": 50, "data": { "type": 3 } },
    ]}));
    let expected = json!({
        "ver": "1.2",
        "link": { "url": CLICK },
        "assets": [
            { "id": 10, "required": 1, "title": { "text": "Red shoes, half price" } },
            { "id": 20, "required": 1,
              "img": { "type": 3, "w": 1200, "h": 627, "url": "https://cdn.acme.example/main.jpg" } },
            { "id": 30, "img": { "type": 1, "w": 80, "h": 80, "url": "https://cdn.acme.example/icon.png" } },
            { "id": 40, "data": { "type": 1, "value": "Acme" } },
        ],
        "imptrackers": [PIXEL],
    });
    assert_eq!(answer, expected);
}

#[test]
fn the_impression_is_tracked_once_in_the_way_the_request_supports() {
    let tracked = |ver: &str, trackers: Value| {
        let assets = json!([{ "id": 1, "title": { "len": 90 } }]);
        answer(&json!({ "ver": ver, "assets": assets, "eventtrackers": trackers }))
    };
    let image = json!([{ "event": 2, "methods": [2] }, { "event": 1, "methods": [2, 1] }]);
    let by_event = tracked("1.2", image.clone());
    assert_eq!(by_event["eventtrackers"], json!([{ "event": 1, "method": 1, "url": PIXEL }]));
    assert_eq!(by_event["imptrackers"], Value::Null);
    for (ver, trackers) in [("1.2", json!([{ "event": 1, "methods": [2] }])), ("1.1", image)] {
        let by_list = tracked(ver, trackers);
        assert_eq!((&by_list["imptrackers"], &by_list["eventtrackers"]), (&json!([PIXEL]), &Value::Null));
        assert_eq!(by_list["ver"], ver);
    }
}

#[test]
fn the_first_version_has_its_envelope() {
    let answer = answer(&json!({ "ver": "1.0", "assets": [{ "id": 1, "title": { "len": 90 } }] }));
    assert_eq!(answer["native"]["assets"][0]["title"]["text"], "Red shoes, half price");
}
