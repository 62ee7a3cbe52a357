//! Our JSON against serde_json's.

use bumpalo::Bump;
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tagbid_openrtb::{Limits, from_json};

use crate::{decode, with};

/// Values whose text is printable ASCII, so that none of our leniencies comes into play.
fn tree() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::hash_map("[a-z\"\\\\]{0,12}", inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn document() -> impl Strategy<Value = String> {
    (tree(), any::<bool>()).prop_map(|(tree, pretty)| {
        if pretty { serde_json::to_string_pretty(&tree).unwrap() } else { tree.to_string() }
    })
}

/// A document with a few bytes changed, often no longer JSON. On one line: a line break that an edit puts inside a
/// string is a leniency of ours.
fn broken() -> impl Strategy<Value = String> {
    let edit = (any::<prop::sample::Index>(), "[\\[\\]{}:,\"\\\\tfn0-9.eE+ /u-]", 0..3u8);
    (tree(), prop::collection::vec(edit, 1..3)).prop_map(|(tree, edits)| {
        let mut text = tree.to_string();
        for (place, new, kind) in edits {
            let at = place.index(text.len());
            match kind {
                0 => text.insert_str(at, &new),
                1 => text.replace_range(at..=at, &new),
                _ => drop(text.remove(at)),
            }
            if text.is_empty() {
                text.push('0');
            }
        }
        text
    })
}

fn we_accept(document: &str) -> bool {
    let body = with(&format!(r#""unknown":{document}"#));
    from_json(body.as_bytes(), &Bump::new(), Limits::default()).is_ok()
}

fn serde_accepts(document: &str) -> bool {
    let body = with(&format!(r#""unknown":{document}"#));
    serde_json::from_str::<IgnoredAny>(&body).is_ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever JSON stands in an unknown member, it is skipped.
    #[test]
    fn documents_are_skipped(document in document()) {
        prop_assert!(we_accept(&document), "{document}");
    }

    /// The skipper accepts exactly what serde_json accepts.
    #[test]
    fn broken_documents_are_told_apart(document in broken()) {
        prop_assert_eq!(we_accept(&document), serde_accepts(&document), "{}", document);
    }

    /// A string means to us what it means to serde_json, escaped in any way.
    #[test]
    fn strings_are_unescaped_alike(text in any::<String>(), ascii in any::<bool>()) {
        let mut literal = serde_json::to_string(&text).unwrap();
        if ascii {
            literal = escape_non_ascii(&literal);
        }
        let (arena, body) = (Bump::new(), with(&format!(r#""device":{{"ua":{literal}}}"#)));
        let want = Some(text.as_str()).filter(|text| !text.is_empty());
        prop_assert_eq!(decode(&body, &arena).device.unwrap().ua, want);
    }

    /// Every scalar is read as a walk over serde_json's value says it should be.
    #[test]
    fn scalars_are_read_as_documented(value in scalar()) {
        let body = with(&format!(
            r#""tmax":{value},"device":{{"ua":{value},"js":{value},"pxratio":{value},"devicetype":{value}}},"wlang":{value}"#
        ));
        let arena = Bump::new();
        let request = decode(&body, &arena);
        let device = request.device.unwrap();
        prop_assert_eq!(request.tmax, integer(&value).and_then(|n| n.try_into().ok()));
        prop_assert_eq!(device.devicetype, integer(&value).and_then(|n| n.try_into().ok()));
        prop_assert_eq!(device.pxratio, float(&value));
        prop_assert_eq!(device.js, flag(&value));
        prop_assert_eq!(device.ua.map(str::to_owned), text(&value));
        let alone = value.as_bool().map(|flag| flag.to_string()).or_else(|| text(&value));
        prop_assert_eq!(request.wlang.join(","), alone.unwrap_or_default());
    }
}

fn escape_non_ascii(literal: &str) -> String {
    let escape = |c: char| {
        let units = &mut [0; 2];
        c.encode_utf16(units).iter().map(|unit| format!("\\u{unit:04X}")).collect::<String>()
    };
    literal.chars().map(|c| if c.is_ascii() { c.to_string() } else { escape(c) }).collect()
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..3).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u32>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-1000.0..1000.0f64).prop_map(Value::from),
        any::<i32>().prop_map(|n| json!(n.to_string())),
        (-10.0..10.0f64).prop_map(|n| json!(n.to_string())),
        prop::sample::select(vec!["", "1", "0", "true", "false", "nan", "inf", "1e3", "x"])
            .prop_map(Value::from),
    ]
}

fn integer(value: &Value) -> Option<i64> {
    match value {
        Value::Bool(flag) => Some(i64::from(*flag)),
        Value::Number(_) => value.as_i64().or_else(|| truncated(value.as_f64()?)),
        Value::String(text) => match text.as_str() {
            "true" => Some(1),
            "false" => Some(0),
            _ => text.parse().ok().or_else(|| truncated(float(value)?)),
        },
        _ => None,
    }
}

fn truncated(value: f64) -> Option<i64> {
    (value.abs() < 9e18).then_some(value.trunc() as i64)
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok().filter(|n: &f64| n.is_finite()),
        _ => None,
    }
}

fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::Number(number) => Some(number.as_f64()? != 0.0),
        Value::String(text) => match text.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => float(value).map(|n| n != 0.0),
        },
        _ => None,
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}
