//! Text files, `.gz` unpacked.
//!
//! NDJSON: `{"kind": "ifa", "source": "", "id": "...", "tags": ["Runners", {"tag": 12, "weight": 80, "expires": 1767225600}]}`.
//! `kind` and `source` may be left out for those of the command line; a tag is a name, an id, or an object; weight 255 and
//! the tag's own lifetime where nothing is said.
//!
//! CSV, with a head line: `id,tags` and, if wanted, `kind,source`; tags are names with their weights, `Runners=80;Coffee`.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use serde::Deserialize;
use tagbid_clients::{TagRef, TagToLoad, UserToLoad};
use tagbid_types::Timestamp;

use super::{Defaults, FULL, kind};
use crate::snapshots::TextFile;

/// A file of lines.
pub(super) struct Text {
    lines: TextFile,
    /// Of a CSV file.
    columns: Option<Columns>,
}

/// Where the columns of a CSV file are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Columns {
    id: usize,
    tags: usize,
    kind: Option<usize>,
    source: Option<usize>,
}

impl Text {
    /// Of that name, in lower case.
    pub(super) fn new(file: File, name: &str, bytes: &Arc<AtomicU64>) -> io::Result<Self> {
        Self::of(TextFile::new(file, name, bytes))
    }

    fn of(mut lines: TextFile) -> io::Result<Self> {
        let mut columns = None;
        if lines.is_csv {
            let head = lines.line()?.transpose().map_err(io::Error::other)?.unwrap_or_default();
            columns = Some(Columns::of(&head).map_err(io::Error::other)?);
        }
        Ok(Self { lines, columns })
    }

    /// The next user, or what is wrong with the line, with its number.
    pub(super) fn next(
        &mut self,
        defaults: &Defaults,
    ) -> io::Result<Option<(u64, Result<UserToLoad, String>)>> {
        let line = self.lines.line()?;
        Ok(line.map(|line| (self.lines.number, line.and_then(|line| self.parse(&line, defaults)))))
    }

    fn parse(&self, text: &str, defaults: &Defaults) -> Result<UserToLoad, String> {
        match &self.columns {
            Some(columns) => columns.user(text, defaults),
            None => json_user(text, defaults),
        }
    }
}

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
    Full {
        tag: JsonRef,
        weight: Option<u32>,
        /// Seconds since 1970.
        expires: Option<i64>,
    },
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

fn json_user(text: &str, defaults: &Defaults) -> Result<UserToLoad, String> {
    // The parser's words quote nothing of the line, which holds an id.
    let user: JsonUser = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => "not a user: write kind, source, id, tags".to_owned(),
        _ => format!("not JSON, at column {}", error.column()),
    })?;
    let tags = user.tags.into_iter().map(|tag| match tag {
        JsonTag::Bare(tag) => TagToLoad { tag: tag.into(), weight: FULL, expires: None },
        JsonTag::Full { tag, weight, expires } => {
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

impl Columns {
    fn of(head: &str) -> Result<Self, String> {
        let names = fields(head)?;
        let at = |name: &str| names.iter().position(|one| one.trim().eq_ignore_ascii_case(name));
        let needed = |name: &str| at(name).ok_or_else(|| format!("its first line names no column {name:?}"));
        Ok(Self { id: needed("id")?, tags: needed("tags")?, kind: at("kind"), source: at("source") })
    }

    fn user(&self, text: &str, defaults: &Defaults) -> Result<UserToLoad, String> {
        let values = fields(text)?;
        let at = |column: usize| values.get(column).map(|value| value.trim());
        let optional = |column: Option<usize>| column.and_then(at).filter(|value| !value.is_empty());
        let (id, tags) = at(self.id).zip(at(self.tags)).ok_or("fewer columns than the first line")?;
        Ok(UserToLoad {
            kind: optional(self.kind).map_or(Ok(defaults.kind), kind)?,
            source: optional(self.source).unwrap_or(&defaults.source).to_owned(),
            id: id.to_owned(),
            tags: csv_tags(tags),
        })
    }
}

/// `NAME` or `NAME=WEIGHT`, separated by semicolons.
pub(super) fn csv_tags(text: &str) -> Vec<TagToLoad> {
    text.split(';').map(str::trim).filter(|tag| !tag.is_empty()).map(csv_tag).collect()
}

/// `NAME` or `NAME=WEIGHT`.
fn csv_tag(text: &str) -> TagToLoad {
    let weighted = text.rsplit_once('=').and_then(|(name, weight)| Some((name, weight.trim().parse().ok()?)));
    let (name, weight) = weighted.unwrap_or((text, FULL));
    TagToLoad { tag: TagRef::Name(name.trim().to_owned()), weight, expires: None }
}

/// The fields of a line of CSV (RFC 4180), without line breaks in quotes.
pub(crate) fn fields(line: &str) -> Result<Vec<String>, String> {
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    if quoted {
        return Err("a quote is not closed".into());
    }
    fields.push(field);
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::io::Write;

    use tagbid_tagset::IdKind;

    use super::super::tests::{read, read_all, tag, user};
    use super::*;

    #[test]
    fn ndjson_says_as_much_as_it_needs() {
        let text = br#"{"id": "a", "tags": ["Runners", {"tag": 7, "weight": 80, "expires": 5}]}

            {"kind": "eid", "source": "x.com", "id": "b", "tags": []}"#;
        let found = read("users.ndjson", text);
        let numbered = TagToLoad { tag: TagRef::Id(7), weight: 80, expires: Some(Timestamp(5_000_000)) };
        assert_eq!(found[0], (1, Ok(user("a", vec![tag("Runners", 255), numbered]))));
        let other = UserToLoad { kind: IdKind::Eid, source: "x.com".into(), ..user("b", vec![]) };
        assert_eq!(found[1..], [(3, Ok(other))]);
    }

    #[test]
    fn csv_has_a_head_and_quotes() {
        let text = b"tags,id,kind\nRunners=80; \"Coffee\",a,\n\"Tea, green;Say \"\"hi\"\"=3\",b,eid\n";
        let found = read("users.csv", text);
        assert_eq!(found[0].0, 2);
        let tags = vec![tag("Tea, green", 255), tag("Say \"hi\"", 3)];
        assert_eq!(found[1], (3, Ok(UserToLoad { kind: IdKind::Eid, ..user("b", tags) })));
    }

    #[test]
    fn compressed_files_are_unpacked() {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(b"id,tags\na,x=1\n").unwrap();
        assert_eq!(read("users.csv.gz", &gz.finish().unwrap()), [(2, Ok(user("a", vec![tag("x", 1)])))]);
    }

    #[test]
    fn a_bad_line_is_told_without_what_stands_in_it() {
        let long = vec![b'x'; 3 << 20];
        let text = [
            b"{\"id\": \"secret\"\n{\"id\": \"secret\", \"tags\": 4}\n{\"kind\": \"secret\", \"id\": \"1\", \"tags\": []}\n".as_slice(),
            &long,
            b"\n\xff\n{\"id\": \"a\", \"tags\": []}",
        ];
        let found = read("users.ndjson", &text.concat());
        assert_eq!(found.len(), 6);
        for (number, problem) in &found[..5] {
            let problem = problem.as_ref().unwrap_err();
            assert!(!problem.contains("secret") && !problem.is_empty(), "line {number}: {problem}");
        }
        assert_eq!(found[5], (6, Ok(user("a", vec![]))));
    }

    #[test]
    fn a_csv_file_without_its_columns_is_refused() {
        for (head, missing) in [("id,x\n", "tags"), ("", "id"), ("\"id,tags\n", "quote")] {
            let error = read_all("x.csv", head.as_bytes()).1.unwrap_err().to_string();
            assert!(error.contains(missing), "{error}");
        }
    }

    fn packed(text: &[u8], times: usize) -> Vec<u8> {
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        (0..times).for_each(|_| gz.write_all(text).unwrap());
        gz.finish().unwrap()
    }

    #[test]
    fn a_file_that_goes_on_and_on_without_a_user_is_given_up() {
        let defaults = Defaults { kind: IdKind::Ifa, source: String::new() };
        for filling in [b'x', b'\n'] {
            let user = b"{\"id\": \"a\", \"tags\": []}\n".as_slice();
            // What a small packed file may hold.
            let bomb = user.chain(io::repeat(filling));
            let mut text = Text::of(TextFile::over(Box::new(bomb), false)).unwrap();
            assert!(text.next(&defaults).unwrap().unwrap().1.is_ok());
            let error = text.next(&defaults).unwrap_err().to_string();
            assert!(error.contains("no file of users"), "{error}");
        }
    }

    #[test]
    fn a_file_that_was_cut_off_is_an_error_after_what_is_there() {
        let whole = packed(b"{\"id\": \"a\", \"tags\": []}\n", 1_000);
        for cut in [whole.len() - 1, whole.len() / 2, 5] {
            let (found, ended) = read_all("users.ndjson.gz", &whole[..cut]);
            assert!(found.len() <= 1_000 && found.iter().all(|(_, user)| user.is_ok()));
            assert!(ended.is_err(), "{cut} of {} bytes", whole.len());
        }
        let (_, ended) = read_all("users.ndjson.gz", b"{\"id\": \"a\", \"tags\": []}\n");
        assert!(ended.is_err(), "it is not packed");
    }
}
