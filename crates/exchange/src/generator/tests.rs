use super::*;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

fn generator(seed: u64) -> Generator {
    let traffic = Traffic { users: 1_000, ..Traffic::default() };
    Generator::new(Arc::new(World::standard()), traffic, seed)
}

fn sample(count: usize) -> Vec<Value> {
    generator(42).take(count).map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
}

/// How many requests have something at this JSON pointer.
fn having(requests: &[Value], pointer: &str) -> usize {
    requests.iter().filter(|request| request.pointer(pointer).is_some()).count()
}

#[test]
fn a_seed_gives_the_same_bytes_for_ever() {
    // A change of this number is a change of every published measurement: say so in the changelog.
    assert_eq!(format!("{:016x}", generator(1).fingerprint(2_000)), "b7c702327fdc6c95");
    assert_ne!(generator(1).fingerprint(100), generator(2).fingerprint(100));
}

#[test]
fn requests_are_json_of_one_to_four_kilobytes() {
    let mut sizes: Vec<usize> = generator(7).take(2_000).map(|r| r.body.len()).collect();
    sizes.sort_unstable();
    assert!((600..=1_500).contains(&sizes[20]), "first percentile: {}", sizes[20]);
    assert!((1_200..=2_500).contains(&sizes[1_000]), "median: {}", sizes[1_000]);
    assert!((2_000..=5_000).contains(&sizes[1_979]), "99th percentile: {}", sizes[1_979]);
}

/// What some requests have and others do not.
#[rustfmt::skip]
const SOMETIMES: [&str; 38] = [
    "/site/domain", "/app/bundle", "/dooh/venuetype", "/imp/1/id", "/imp/0/banner/format/1/w",
    "/imp/0/video/plcmt", "/imp/0/video/placement", "/imp/0/audio/feed", "/imp/0/native/request",
    "/imp/0/pmp/deals/0/id", "/imp/0/bidfloorcur", "/imp/0/instl", "/imp/0/qty/multiplier",
    "/device/geo/lat", "/device/geo/city", "/device/sua/browsers", "/device/ifa", "/device/carrier",
    "/user/buyeruid", "/user/eids/0/uids/0/id", "/user/ext/eids/0/uids/0/id", "/user/consent",
    "/user/ext/consent", "/regs/gdpr", "/regs/ext/gdpr", "/regs/us_privacy", "/regs/gpp", "/regs/coppa",
    "/source/schain/nodes/1/asi", "/source/ext/schain/nodes/0/asi", "/bcat/0", "/badv/0", "/wseat/0",
    "/cur/1", "/site/keywords", "/site/kwarray/0", "/app/content/series", "/user/data/0/segment/0/id",
];

#[test]
fn all_that_a_bidder_must_understand_occurs() {
    let requests = sample(2_000);
    let everywhere = ["/id", "/imp/0/id", "/source"];
    for pointer in everywhere {
        assert_eq!(having(&requests, pointer), requests.len(), "{pointer}");
    }
    for pointer in SOMETIMES {
        let count = having(&requests, pointer);
        assert!((2..requests.len()).contains(&count), "{pointer}: {count}");
    }
}

#[test]
fn each_request_is_from_one_place_and_names_its_impressions_once() {
    for request in sample(500) {
        let places = ["/site", "/app", "/dooh"].iter().filter(|p| request.pointer(p).is_some()).count();
        assert_eq!(places, 1);
        let ids: Vec<&str> =
            request["imp"].as_array().unwrap().iter().map(|i| i["id"].as_str().unwrap()).collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
    }
}

#[test]
fn a_native_request_holds_another_as_a_string() {
    let inner = sample(500)
        .iter()
        .filter_map(|request| request.pointer("/imp/0/native/request")?.as_str().map(str::to_owned))
        .map(|text| serde_json::from_str::<Value>(&text).unwrap())
        .map(|inner| {
            inner.pointer("/native/assets").or(inner.get("assets")).unwrap().as_array().unwrap().len()
        })
        .collect::<HashSet<_>>();
    assert_eq!(inner, HashSet::from([4, 6]));
}

#[test]
fn a_user_stays_at_home() {
    let mut homes: HashMap<String, String> = HashMap::new();
    for request in sample(2_000) {
        let Some(user) = request.pointer("/user/buyeruid").and_then(Value::as_str) else {
            continue;
        };
        let city = request.pointer("/device/geo/city").and_then(Value::as_str).unwrap();
        let home = homes.entry(user.to_owned()).or_insert_with(|| city.to_owned());
        assert_eq!(home, city, "{user} moved");
    }
    assert!(homes.len() > 100, "only {} users were named", homes.len());
}

#[test]
fn who_refused_is_sent_without_ids() {
    for request in sample(2_000) {
        let refused = request.pointer("/regs/us_privacy").is_some_and(|text| text == "1YYN");
        let child = request.pointer("/regs/coppa").is_some();
        if refused || child {
            assert!(request.pointer("/user/buyeruid").is_none());
            assert!(request.pointer("/user/id").is_none());
        }
    }
}

#[test]
fn the_openrtb_crate_reads_every_request_without_a_remark() {
    let mut arena = bumpalo::Bump::new();
    for generated in generator(11).take(1_000) {
        arena.reset();
        let read =
            tagbid_openrtb::from_json(&generated.body, &arena, tagbid_openrtb::Limits::default()).unwrap();
        assert_eq!(
            (read.notes, read.dropped),
            (&[][..], &[][..]),
            "{}",
            String::from_utf8_lossy(&generated.body)
        );
        assert_eq!(read.id, generated.id);
    }
}
