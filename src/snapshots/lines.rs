//! Users to load from files, one after the other, in the same order each time.
//!
//! NDJSON: `{"kind": "ifa", "source": "", "id": "...", "tags": ["Runners", {"tag": 12, "weight": 80, "expires": 1767225600}]}`.
//! `kind` and `source` may be left out for those of the command line; a tag is a name, an id, or an object; weight 255 and
//! the tag's own lifetime where nothing is said.
//!
//! CSV, with a head line: `id,tags` and, if wanted, `kind,source`; tags are names with their weights, `Runners=80;Coffee`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;
use tagbid_clients::{TagRef, TagToLoad, UserToLoad};
use tagbid_tagset::IdKind;
use tagbid_types::Timestamp;

/// Longest line: 512 tags with long names.
const MAX_LINE: u64 = 1 << 20;

/// Weight of a tag that says none: the data team means "yes".
const FULL: u32 = 255;

/// What lines mean that do not say of what kind their ids are.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    pub(super) kind: IdKind,
    pub(super) source: String,
}

/// A line that was read.
#[derive(Debug)]
pub(super) struct Line {
    /// Of which file.
    pub(super) file: usize,
    /// From 1.
    pub(super) number: u64,
    /// The user, or what is wrong.
    pub(super) user: Result<UserToLoad, String>,
}

/// Reads files one after the other.
pub(super) struct Lines {
    files: Vec<PathBuf>,
    defaults: Defaults,
    file: usize,
    open: Option<Open>,
    bytes: Arc<AtomicU64>,
}

/// A file whose bytes are counted as they are read, before they are unpacked.
struct Counted(File, Arc<AtomicU64>);

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(into)?;
        self.1.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

struct Open {
    from: BufReader<Box<dyn Read + Send>>,
    /// Of a CSV file.
    columns: Option<Columns>,
    number: u64,
}

/// Where the columns of a CSV file are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Columns {
    id: usize,
    tags: usize,
    kind: Option<usize>,
    source: Option<usize>,
}

impl Lines {
    pub(super) fn new(files: Vec<PathBuf>, defaults: Defaults) -> Self {
        Self { files, defaults, file: 0, open: None, bytes: Arc::default() }
    }

    /// How many bytes of the files have been read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The next line that holds something. An error is one of the file system, or a CSV file without its head.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        while let Some(path) = self.files.get(self.file) {
            let named =
                |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
            let open = match &mut self.open {
                Some(open) => open,
                None => self.open.insert(Open::new(path, &self.bytes).map_err(named)?),
            };
            match open.line().map_err(named)? {
                Some(text) => {
                    let user = text.and_then(|text| open.parse(&text, &self.defaults));
                    return Ok(Some(Line { file: self.file, number: open.number, user }));
                }
                None => {
                    self.open = None;
                    self.file += 1;
                }
            }
        }
        Ok(None)
    }
}

impl Open {
    fn new(path: &Path, bytes: &Arc<AtomicU64>) -> io::Result<Self> {
        let file = Counted(File::open(path)?, Arc::clone(bytes));
        let name = path.to_string_lossy().to_ascii_lowercase();
        let (name, from): (_, Box<dyn Read + Send>) = match name.strip_suffix(".gz") {
            Some(inner) => (inner.to_owned(), Box::new(flate2::read::MultiGzDecoder::new(file))),
            None => (name, Box::new(file)),
        };
        let mut open = Self { from: BufReader::with_capacity(1 << 16, from), columns: None, number: 0 };
        if name.ends_with(".csv") {
            let head = open.line()?.transpose().map_err(io::Error::other)?.unwrap_or_default();
            open.columns = Some(Columns::of(&head).map_err(io::Error::other)?);
        }
        Ok(open)
    }

    /// The next line that is not empty, or why it cannot be read; none after the last.
    fn line(&mut self) -> io::Result<Option<Result<String, String>>> {
        loop {
            let mut line = Vec::new();
            if self.from.by_ref().take(MAX_LINE + 1).read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            if line.len() as u64 > MAX_LINE {
                if !line.ends_with(b"\n") {
                    self.skip_line()?;
                }
                return Ok(Some(Err(format!("longer than {MAX_LINE} bytes"))));
            }
            let text = line.trim_ascii();
            if !text.is_empty() {
                let text = String::from_utf8(text.to_vec());
                return Ok(Some(text.map_err(|_| "not UTF-8".to_owned())));
            }
        }
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let (skip, ended) = match self.from.fill_buf()? {
                [] => return Ok(()),
                buffer => match buffer.iter().position(|byte| *byte == b'\n') {
                    Some(end) => (end + 1, true),
                    None => (buffer.len(), false),
                },
            };
            self.from.consume(skip);
            if ended {
                return Ok(());
            }
        }
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
enum JsonRef {
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
        let tags = tags.split(';').map(str::trim).filter(|tag| !tag.is_empty()).map(csv_tag);
        Ok(UserToLoad {
            kind: optional(self.kind).map_or(Ok(defaults.kind), kind)?,
            source: optional(self.source).unwrap_or(&defaults.source).to_owned(),
            id: id.to_owned(),
            tags: tags.collect(),
        })
    }
}

/// `NAME` or `NAME=WEIGHT`.
fn csv_tag(text: &str) -> TagToLoad {
    let weighted = text.rsplit_once('=').and_then(|(name, weight)| Some((name, weight.trim().parse().ok()?)));
    let (name, weight) = weighted.unwrap_or((text, FULL));
    TagToLoad { tag: TagRef::Name(name.trim().to_owned()), weight, expires: None }
}

/// The fields of a line of CSV (RFC 4180), without line breaks in quotes.
fn fields(line: &str) -> Result<Vec<String>, String> {
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

/// A kind of id by its name.
pub(super) fn kind(name: &str) -> Result<IdKind, String> {
    match name {
        "buyeruid" => Ok(IdKind::BuyerUid),
        "eid" => Ok(IdKind::Eid),
        "ifa" => Ok(IdKind::Ifa),
        "exchange_user" => Ok(IdKind::ExchangeUser),
        _ => Err("unknown kind: write buyeruid, eid, ifa or exchange_user".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(name: &str, text: &[u8]) -> Vec<(u64, Result<UserToLoad, String>)> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let defaults = Defaults { kind: IdKind::Ifa, source: String::new() };
        let mut lines = Lines::new(vec![path], defaults);
        std::iter::from_fn(|| lines.next().unwrap()).map(|line| (line.number, line.user)).collect()
    }

    fn tag(name: &str, weight: u32) -> TagToLoad {
        TagToLoad { tag: TagRef::Name(name.into()), weight, expires: None }
    }

    fn user(id: &str, tags: Vec<TagToLoad>) -> UserToLoad {
        UserToLoad { kind: IdKind::Ifa, source: String::new(), id: id.into(), tags }
    }

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
            let error = Open::new_for_test(head).unwrap_err().to_string();
            assert!(error.contains(missing), "{error}");
        }
    }

    impl Open {
        fn new_for_test(text: &str) -> io::Result<()> {
            let dir = tempfile::tempdir()?;
            let path = dir.path().join("x.csv");
            std::fs::write(&path, text)?;
            Self::new(&path, &Arc::default()).map(drop)
        }
    }
}
