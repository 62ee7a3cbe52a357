//! Users as lines of JSON.

use serde::Deserialize;
use serde_json::{Map, Value};
use tagbid_clients::{TagRef, TagToLoad, UserToLoad};
use tagbid_types::Timestamp;

use super::{Defaults, FULL, kind};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonUser {
    kind: Option<String>,
    source: Option<String>,
    id: String,
    tags: Vec<JsonTag>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum JsonTag {
    Bare(JsonRef),
    Full(JsonFull),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct JsonFull {
    tag: JsonRef,
    weight: Option<u32>,
    /// Seconds since 1970.
    expires: Option<i64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
pub(in crate::snapshots) enum JsonRef {
    Id(u32),
    Name(String),
}

impl From<JsonRef> for TagRef {
    fn from(tag: JsonRef) -> Self {
        match tag {
            JsonRef::Id(id) => Self::Id(id),
            JsonRef::Name(name) => Self::Name(name),
        }
    }
}

/// A line of NDJSON.
pub(super) fn json_user(text: &str, defaults: &Defaults) -> Result<UserToLoad, String> {
    // The parser's words quote nothing of the line, which holds an id.
    let user: JsonUser = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => problem(text),
        _ => format!("not JSON, at column {}", error.column()),
    })?;
    let tags = user.tags.into_iter().map(|tag| match tag {
        JsonTag::Bare(tag) => TagToLoad { tag: tag.into(), weight: FULL, expires: None },
        JsonTag::Full(JsonFull { tag, weight, expires }) => {
            let expires = expires.map(|at| Timestamp(at.saturating_mul(1_000_000)));
            TagToLoad { tag: tag.into(), weight: weight.unwrap_or(FULL), expires }
        }
    });
    Ok(UserToLoad {
        kind: user.kind.as_deref().map_or(Ok(defaults.kind), kind)?,
        source: user.source.unwrap_or_else(|| defaults.source.clone()),
        id: user.id,
        tags: tags.collect(),
    })
}

/// Which member of a line is not what it should be. Quotes nothing of the line: a member's name may be an id too.
fn problem(text: &str) -> String {
    let user = serde_json::from_str(text);
    let Ok(Value::Object(user)) = user else {
        return "not a user: write {\"id\": ..., \"tags\": [...]}".into();
    };
    if user.keys().any(|name| !["kind", "source", "id", "tags"].contains(&name.as_str())) {
        return "has a member that is none of kind, source, id, tags: leave it out".into();
    }
    let problem = match (user.get("id"), user.get("tags")) {
        (None, _) => Some("id: missing".into()),
        (Some(id), _) if !id.is_string() => Some("id: write it as text, in quotes".into()),
        (_, None) => Some("tags: missing: write [] for a user without tags".into()),
        (_, Some(Value::Array(tags))) => tags
            .iter()
            .enumerate()
            .find_map(|(place, tag)| Some(format!("tags[{place}]{}", problem_of(tag)?))),
        _ => Some("tags: write a list".into()),
    };
    let not_text = |name: &&str| user.get(*name).is_some_and(|value| !value.is_string() && !value.is_null());
    let other = || Some(format!("{}: write it as text", ["kind", "source"].into_iter().find(not_text)?));
    problem.or_else(other).unwrap_or_else(|| "has a member twice: write each once".into())
}

/// What is wrong with a tag, if anything.
fn problem_of(tag: &Value) -> Option<String> {
    let is_ref = |tag: &Value| tag.is_string() || tag.as_u64().is_some_and(|id| u32::try_from(id).is_ok());
    let Value::Object(tag) = tag else {
        return (!is_ref(tag)).then(|| ": write its name, its id, or {\"tag\": ..., \"weight\": ...}".into());
    };
    let wrong = |name: &str, right: fn(&Value) -> bool| {
        let value = tag.get(name).filter(|value| !value.is_null());
        value.is_some_and(|value| !right(value))
    };
    if !tag.get("tag").is_some_and(is_ref) {
        Some(".tag: write the tag's name or its id".into())
    } else if wrong("weight", |weight| weight.as_u64().is_some_and(|weight| u32::try_from(weight).is_ok())) {
        Some(".weight: write a whole number from 0 to 255".into())
    } else if wrong("expires", Value::is_i64) {
        Some(".expires: write seconds since 1970, a whole number".into())
    } else {
        has_others(tag).then(|| ": has a member that is none of tag, weight, expires".into())
    }
}

fn has_others(tag: &Map<String, Value>) -> bool {
    tag.keys().any(|name| !["tag", "weight", "expires"].contains(&name.as_str()))
}

#[cfg(test)]
mod tests {
    use tagbid_tagset::IdKind;

    use super::*;

    fn refused(text: &str) -> String {
        let defaults = Defaults { kind: IdKind::Ifa, source: String::new() };
        json_user(text, &defaults).unwrap_err()
    }

    #[test]
    fn a_line_that_is_no_user_is_told_by_member_without_what_stands_in_it() {
        let tag = |tag: &str| format!(r#"{{"id": "secret", "tags": ["x", {tag}]}}"#);
        let lines = [
            ("not a user", "[1]".to_owned()),
            ("id: missing", r#"{"tags": []}"#.into()),
            ("id: write it as text", r#"{"id": 12345, "tags": []}"#.into()),
            ("id: write it as text", r#"{"id": null, "tags": []}"#.into()),
            ("tags: missing", r#"{"id": "secret"}"#.into()),
            ("tags: write a list", r#"{"id": "secret", "tags": "x"}"#.into()),
            ("kind: write it as text", r#"{"id": "secret", "kind": 3, "tags": []}"#.into()),
            ("none of kind, source, id, tags", r#"{"secret": ["x"]}"#.into()),
            ("a member twice", r#"{"id": "secret", "id": "secret", "tags": []}"#.into()),
            ("tags[1]: write its name", tag("1.5")),
            ("tags[1]: write its name", tag("4294967296")),
            ("tags[1].tag", tag(r#"{"weight": 3}"#)),
            ("tags[1].weight", tag(r#"{"tag": "x", "weight": 0.8}"#)),
            ("tags[1].weight", tag(r#"{"tag": "x", "weight": -1}"#)),
            ("tags[1].expires", tag(r#"{"tag": "x", "expires": "2027-01-01"}"#)),
            ("tags[1]: has a member that is none of", tag(r#"{"tag": "x", "wieght": 3}"#)),
        ];
        for (expected, line) in lines {
            let problem = refused(&line);
            assert!(problem.contains(expected) && !problem.contains("secret"), "{line}: {problem}");
        }
    }
}
