//! Every attribute from the places where requests of 2.5 and 2.6 have it, and what holds where they do not.

use serde_json::{Value, json};
use tagbid_openrtb::{Limits, from_json};
use tagbid_targeting::{Expr, HoursOfWeek, Leaf, Lists, OsRange, Point, oracle};

use super::*;

/// 2024-01-01, a Monday, midnight UTC.
const MONDAY: Timestamp = Timestamp::from_secs(1_704_067_200);

/// What `check` sees of the first impression of a request.
fn seen<T>(request: &Value, check: impl FnOnce(&Attributes<'_>) -> T) -> T {
    let (arena, body, exchange) = (Bump::new(), request.to_string(), "demo".parse().unwrap());
    let read = from_json(body.as_bytes(), &arena, Limits::default()).unwrap();
    let request = attributes(&read, &exchange, MONDAY, &arena);
    check(&with_imp(&request, &read.imp[0], &arena))
}

fn values(request: &Value, dimension: Dimension) -> Vec<String> {
    seen(request, |attributes| attributes.values(dimension).iter().map(ToString::to_string).collect())
}

/// A request with these members beside the least that it needs.
fn request(members: Value) -> Value {
    let mut request = json!({"id": "r", "imp": [{"id": "1", "banner": {}}]});
    request.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    request
}

fn imp(members: Value) -> Value {
    let mut imp = json!({"id": "1"});
    imp.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    json!({"id": "r", "site": {}, "imp": [imp]})
}

#[track_caller]
fn says(request: &Value, dimension: Dimension, expected: &[&str]) {
    assert_eq!(values(request, dimension), expected, "{} of {request}", dimension.as_str());
}

#[test]
fn the_device_and_its_place_are_read_wherever_they_stand() {
    use Dimension::*;
    let device = |members: Value| request(json!({"site": {}, "device": members}));
    let place = |members: Value| device(json!({"geo": members}));
    let cases = [
        (place(json!({"country": "US"})), Country, &["usa"][..]),
        (place(json!({"country": "USA", "region": "CA"})), Region, &["us-ca"]),
        (place(json!({"region": "US-CA"})), Region, &["us-ca"]),
        (place(json!({"city": " São  Paulo"})), City, &["são paulo"]),
        (place(json!({"city": "unknown"})), City, &[]),
        (place(json!({"country": "GBR", "zip": "SW1A 1AA"})), Postcode, &["gbr-sw1a1aa"]),
        (place(json!({"country": "DEU", "zip": 10115})), Postcode, &["deu-10115"]),
        (place(json!({"zip": "10115"})), Postcode, &[]),
        (device(json!({"devicetype": 4})), DeviceType, &["phone"]),
        (device(json!({"devicetype": "1"})), DeviceType, &["mobile"]),
        (device(json!({"devicetype": 99})), DeviceType, &[]),
        (device(json!({"make": "Apple"})), DeviceMake, &["apple"]),
        (device(json!({"model": "iPhone", "hwv": "5S"})), DeviceModel, &["iphone", "iphone 5s"]),
        (device(json!({"model": "iPhone", "hwv": "iPhone14,2"})), DeviceModel, &["iphone", "iphone14,2"]),
        (device(json!({"sua": {"model": "SM-S901B"}})), DeviceModel, &["sm-s901b"]),
        (device(json!({"ext": {"sua": {"model": "SM-S901B"}}})), DeviceModel, &["sm-s901b"]),
        (device(json!({"os": "iPhone OS"})), Os, &["ios"]),
        (device(json!({"os": "Windows 10"})), Os, &["windows"]),
        (device(json!({"sua": {"platform": {"brand": "Chrome OS"}}})), Os, &["chromeos"]),
        (
            device(json!({"ua": "Mozilla/5.0 (Linux; Android 13; Pixel) Chrome/119 Safari/537"})),
            Os,
            &["android"],
        ),
        (
            device(json!({"ua": "Mozilla/5.0 (Linux; Android 13; Pixel) Chrome/119 Safari/537"})),
            Browser,
            &["chrome"],
        ),
        (device(json!({"sua": {"browsers": [{"brand": "Microsoft Edge"}]}})), Browser, &["edge"]),
        (device(json!({"language": "DE"})), Language, &["de"]),
        (device(json!({"langb": "pt-BR"})), Language, &["pt"]),
        (device(json!({"language": "eng"})), Language, &["en"]),
        (device(json!({"connectiontype": 6})), Connection, &["cell", "cell_4g"]),
        (device(json!({"connectiontype": 0})), Connection, &[]),
        (device(json!({"carrier": "Verizon", "mccmnc": "310-005"})), Carrier, &["310-005", "verizon"]),
        (device(json!({"carrier": "310005"})), Carrier, &["310-005"]),
    ];
    for (request, dimension, expected) in cases {
        says(&request, dimension, expected);
    }
}

#[test]
fn the_person_is_where_the_device_is_else_where_they_live() {
    let located = |device: Value, user: Value| {
        let request = request(json!({"site": {}, "device": {"geo": device}, "user": {"geo": user}}));
        seen(&request, |a| {
            (a.values(Dimension::Country).first().map(ToString::to_string), a.location, a.hour_of_week)
        })
    };
    let berlin = json!({"country": "DEU", "lat": 52.5, "lon": 13.4});
    let tokyo = json!({"country": "JPN", "lat": 35.7, "lon": 139.7, "utcoffset": 540});
    let at = |lat, lon| Some(Point { lat, lon });
    assert_eq!(located(berlin.clone(), tokyo.clone()), (Some("deu".into()), at(52.5, 13.4), Some(1)));
    assert_eq!(located(json!({"type": 2}), tokyo.clone()), (Some("jpn".into()), at(35.7, 139.7), Some(9)));
    let city = json!({"country": "DEU", "city": "Berlin", "lat": 95.0, "lon": 13.4});
    assert_eq!(located(city, tokyo), (Some("deu".into()), None, Some(1)));
    assert_eq!(located(json!({}), json!({})), (None, None, None));
}

#[test]
fn site_app_and_screen_tell_where_the_ad_is_seen() {
    use Dimension::*;
    let site = |members: Value| request(json!({"site": members}));
    let app = |members: Value| request(json!({"app": members}));
    let dooh = |members: Value| request(json!({"dooh": members}));
    let kw25 = json!({"keywords": "Shoes, Running  Gear", "content": {"keywords": "ＳＰＯＲＴ"}});
    let kw26 = json!({"kwarray": ["shoes", "cafe\u{301}"], "content": {"kwarray": ["a,b"]}});
    let cats = json!({"cat": ["IAB1"], "sectioncat": ["IAB2-3"], "pagecat": ["IAB17-44"]});
    let taxed = json!({"cattax": 6, "cat": ["483"], "content": {"cattax": 7, "cat": ["JLBCU7"]}});
    let older = json!({"ext": {"cattax": 6}, "cat": ["483"], "content": {"ext": {"cattax": 2}, "cat": [53]}});
    let cases = [
        (site(json!({})), Channel, &["site"][..]),
        (dooh(json!({"id": "screen-7"})), Channel, &["dooh"]),
        (dooh(json!({"id": "screen-7"})), Site, &["screen-7"]),
        (site(json!({"id": "S1", "publisher": {"id": 77}})), Site, &["s1"]),
        (site(json!({"id": "S1", "publisher": {"id": 77}})), Publisher, &["77"]),
        (app(json!({"bundle": "com.Example.Game", "id": "9"})), App, &["com.example.game"]),
        (app(json!({"id": "9"})), App, &["9"]),
        (site(json!({"domain": "www.News.example.com"})), Domain, &["example.com", "news.example.com"]),
        (
            site(json!({"page": "https://news.example.com:8080/a?b=c"})),
            Domain,
            &["example.com", "news.example.com"],
        ),
        (site(json!({"domain": "müller.de"})), Domain, &["xn--mller-kva.de"]),
        (app(json!({"publisher": {"domain": "studio.example"}})), Domain, &["studio.example"]),
        (site(kw25.clone()), Keyword, &["running gear", "shoes", "sport"]),
        (app(kw25.clone()), Keyword, &["running gear", "shoes", "sport"]),
        (dooh(kw25), Keyword, &["running gear", "shoes", "sport"]),
        (site(kw26.clone()), Keyword, &["a", "b", "café", "shoes"]),
        (app(kw26), Keyword, &["a", "b", "café", "shoes"]),
        (site(json!({"search": "Running shoes"})), Keyword, &["running", "running shoes", "shoes"]),
        (site(cats.clone()), Category, &["iab1", "iab17", "iab17-44", "iab2", "iab2-3"]),
        (app(cats), Category, &["iab1", "iab17", "iab17-44", "iab2", "iab2-3"]),
        (site(taxed.clone()), Category, &["6:483", "7:jlbcu7"]),
        (app(taxed), Category, &["6:483", "7:jlbcu7"]),
        (app(older), Category, &["2:53", "6:483"]),
        (dooh(json!({"content": {"cat": ["IAB19"]}})), Category, &["iab19"]),
        (app(json!({"content": {"language": "fr"}})), Language, &["fr"]),
        (app(json!({"content": {"langb": "zh-Hant"}})), Language, &["zh"]),
    ];
    for (request, dimension, expected) in cases {
        says(&request, dimension, expected);
    }
    // What the person is interested in is theirs, not the page's.
    let user = request(json!({"site": {}, "user": {"keywords": "shoes", "kwarray": ["hats"]}}));
    says(&user, Keyword, &[]);
}

#[test]
fn an_impression_tells_its_placement() {
    use Dimension::*;
    let sizes = json!([{"w": 300, "h": 250}, {"w": 728, "h": 90}]);
    let both =
        json!({"banner": {"w": 300, "h": 250, "pos": 1}, "video": {"w": 640, "h": 360, "pos": 7, "skip": 1}});
    let deals = json!({"banner": {}, "pmp": {"deals": [{"id": "Deal-1"}, {"id": 2}]}});
    let cases = [
        (json!({"banner": {"format": sizes, "w": 1, "h": 1}}), Size, &["300x250", "728x90"][..]),
        (json!({"banner": {"w": "300", "h": 250.0}}), Size, &["300x250"]),
        (json!({"banner": {"format": [{"wratio": 6, "hratio": 5}], "w": 300, "h": 250}}), Size, &["300x250"]),
        (json!({"banner": {"w": 0, "h": 0}}), Size, &[]),
        (both.clone(), Size, &["300x250", "640x360"]),
        (both.clone(), Format, &["banner", "video"]),
        (both.clone(), Position, &["above_fold", "fullscreen"]),
        (both.clone(), Skippable, &["yes"]),
        (both, Interstitial, &["no"]),
        (json!({"banner": {"pos": 0}, "video": {"pos": 3}}), Position, &["below_fold"]),
        (json!({"video": {"skip": 0}}), Skippable, &["no"]),
        (json!({"video": {}}), Skippable, &[]),
        (json!({"banner": {}}), Skippable, &[]),
        (json!({"banner": {}, "instl": 1}), Interstitial, &["yes"]),
        (json!({"video": {"plcmt": 3}}), Interstitial, &["yes"]),
        (json!({"video": {"ext": {"plcmt": 3}}}), Interstitial, &["yes"]),
        (
            json!({"audio": {}, "native": {"request": "{\"assets\":[{\"id\":1,\"title\":{\"len\":9}}]}"}}),
            Format,
            &["audio", "native"],
        ),
        (deals, Deal, &["2", "deal-1"]),
        (json!({"banner": {}}), Deal, &[]),
    ];
    for (members, dimension, expected) in cases {
        says(&imp(members), dimension, expected);
    }
}

/// A request that says nothing: no test holds, and all their negations do.
#[test]
fn what_a_request_does_not_say_is_absent() {
    use Dimension::*;
    let said = [Exchange, Channel, Format, Interstitial];
    let bare = request(json!({"site": {}}));
    for dimension in Dimension::ALL.into_iter().filter(|dimension| !said.contains(dimension)) {
        says(&bare, dimension, &[]);
        let present = Expr::Leaf(Leaf::Present(dimension));
        seen(&bare, |attributes| {
            assert!(!oracle::truth(&present, attributes, &Lists::default()).holds());
            let absent = Expr::Not(Box::new(present));
            assert!(oracle::truth(&absent, attributes, &Lists::default()).holds());
        });
    }
    let every_hour = Expr::Leaf(Leaf::Hour(HoursOfWeek::from_hours(0..168).unwrap()));
    seen(&bare, |attributes| {
        assert!(!oracle::truth(&every_hour, attributes, &Lists::default()).holds());
        assert!(oracle::truth(&Expr::Not(Box::new(every_hour)), attributes, &Lists::default()).holds());
    });
}

#[test]
fn versions_of_systems_are_compared_as_devices_write_them() {
    let within = |device: Value, os: &str, min: Option<&str>, max: Option<&str>| {
        let own = |bound: Option<&str>| bound.map(str::to_owned);
        let expr = Expr::Leaf(Leaf::OsVersion(OsRange { os: os.into(), min: own(min), max: own(max) }));
        let request = request(json!({"site": {}, "device": device}));
        seen(&request, |attributes| oracle::truth(&expr, attributes, &Lists::default()).holds())
    };
    let windows = json!({"os": "Windows", "osv": "10.0.19045"});
    assert!(within(windows.clone(), "windows", Some("10.0.19041"), None));
    assert!(!within(windows, "Windows", Some("10.0.22000"), None));
    assert!(within(json!({"os": "iOS", "osv": "iOS 17"}), "ios", Some("17"), Some("17.0")));
    assert!(within(json!({"os": "iOS", "osv": "14.4_1"}), "ios", Some("14.4.1"), Some("14.4.1")));
    assert!(within(json!({"os": "iOS", "osv": 17.2}), "ios", Some("17.2"), None));
    assert!(within(json!({"os": "Android 12"}), "android", Some("12"), Some("12")));
    let chrome = json!({"ua": "Mozilla/5.0 (Linux; Android 13; Pixel) Chrome/119 Safari/537"});
    assert!(within(chrome, "android", Some("13"), Some("13")));
    assert!(!within(json!({"os": "iOS", "osv": "latest"}), "ios", Some("1"), None));
    assert!(within(json!({"os": "iOS", "osv": "latest"}), "ios", None, None));
}
