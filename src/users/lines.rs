//! Persons from files, one after the other, in the same order each time.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;
use tagbid_clients::RawId;
use tagbid_tagset::IdKind;

use super::Ids;
use crate::snapshots::{TextFile, column, fields, kind, row};

/// A line that was read.
#[derive(Debug)]
pub(super) struct Line {
    /// Of which file.
    pub(super) file: usize,
    /// From 1.
    pub(super) number: u64,
    /// The person's ids, or what is wrong.
    pub(super) person: Result<Vec<RawId>, String>,
}

/// Reads files one after the other.
pub(super) struct Lines<'a> {
    ids: &'a Ids,
    file: usize,
    open: Option<(TextFile, Option<Columns>)>,
    bytes: Arc<AtomicU64>,
}

/// Where the columns of a CSV file are.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Columns {
    all: usize,
    id: usize,
    kind: Option<usize>,
    source: Option<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(ids: &'a Ids) -> Self {
        Self { ids, file: 0, open: None, bytes: Arc::default() }
    }

    /// How many bytes of the files have been read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The next line that holds something. An error is one of the file system, or a CSV file without its head.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        while let Some(path) = self.ids.files.get(self.file) {
            let named =
                |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
            let (text, columns) = match &mut self.open {
                Some(open) => open,
                None => self.open.insert(open(path, &self.bytes).map_err(named)?),
            };
            if let Some(line) = text.line().map_err(named)? {
                let person = line.and_then(|line| match columns {
                    Some(columns) => columns.person(&line, self.ids),
                    None => json_person(&line, self.ids),
                });
                return Ok(Some(Line { file: self.file, number: text.number, person }));
            }
            self.open = None;
            self.file += 1;
        }
        Ok(None)
    }
}

fn open(path: &Path, bytes: &Arc<AtomicU64>) -> io::Result<(TextFile, Option<Columns>)> {
    let name = path.to_string_lossy().to_ascii_lowercase();
    if name.ends_with(".parquet") {
        return Err(io::Error::other("people are not read from Parquet: write NDJSON or CSV"));
    }
    let mut text = TextFile::new(File::open(path)?, &name, bytes);
    if !text.is_csv {
        return Ok((text, None));
    }
    let head = text.line()?.transpose().map_err(io::Error::other)?.unwrap_or_default();
    Ok((text, Some(Columns::of(&head).map_err(io::Error::other)?)))
}

#[derive(Deserialize)]
struct JsonId {
    kind: Option<String>,
    source: Option<String>,
    id: String,
}

/// What else stands in the line, such as tags, is not of interest here: files of imports can be used as they are.
#[derive(Deserialize)]
struct JsonPerson {
    #[serde(flatten)]
    id: JsonId,
    #[serde(default)]
    also: Vec<JsonId>,
}

fn json_person(text: &str, ids: &Ids) -> Result<Vec<RawId>, String> {
    // The parser's words quote nothing of the line, which holds an id.
    let person: JsonPerson = serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => "not a person: write kind, source, id, also".to_owned(),
        _ => format!("not JSON, at column {}", error.column()),
    })?;
    [person.id]
        .into_iter()
        .chain(person.also)
        .map(|id| raw(id.kind.as_deref(), id.source, id.id, ids))
        .collect()
}

fn raw(named: Option<&str>, source: Option<String>, id: String, ids: &Ids) -> Result<RawId, String> {
    let of: IdKind = named.map_or(Ok(ids.kind), kind)?;
    // Another kind than the command line's does not have the source that stands there.
    let source = source.unwrap_or_else(|| if of == ids.kind { ids.source.clone() } else { String::new() });
    Ok(RawId { kind: of, source, id })
}

impl Columns {
    fn of(head: &str) -> Result<Self, String> {
        let names = fields(head)?;
        let id = column(&names, "id")?.ok_or("its first line names no column \"id\"")?;
        Ok(Self { all: names.len(), id, kind: column(&names, "kind")?, source: column(&names, "source")? })
    }

    fn person(&self, text: &str, ids: &Ids) -> Result<Vec<RawId>, String> {
        let values = row(text, self.all)?;
        let at = |column: usize| values.get(column).map(|value| value.trim());
        let optional = |column: Option<usize>| column.and_then(at).filter(|value| !value.is_empty());
        let id = at(self.id).ok_or("fewer columns than the first line")?;
        let source = optional(self.source).map(str::to_owned);
        Ok(vec![raw(optional(self.kind), source, id.to_owned(), ids)?])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Vec<(u64, Result<Vec<RawId>, String>)> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        let ids = Ids { files: vec![path], kind: IdKind::Eid, source: "x.com".into(), token: String::new() };
        let mut lines = Lines::new(&ids);
        std::iter::from_fn(|| lines.next().unwrap()).map(|line| (line.number, line.person)).collect()
    }

    fn id(kind: IdKind, source: &str, id: &str) -> RawId {
        RawId { kind, source: source.into(), id: id.into() }
    }

    #[test]
    fn a_line_is_a_person_with_one_id_or_several() {
        let text = r#"{"id": "a"}

            {"id": "b", "also": [{"kind": "ifa", "id": "c"}, {"source": "y.com", "id": "d"}], "tags": ["x"]}
            {"kind": "ifa", "id": "secret", "also": 4}
            {"id": "secret""#;
        let found = read("ids.ndjson", text);
        assert_eq!(found[0], (1, Ok(vec![id(IdKind::Eid, "x.com", "a")])));
        let all = [id(IdKind::Eid, "x.com", "b"), id(IdKind::Ifa, "", "c"), id(IdKind::Eid, "y.com", "d")];
        assert_eq!(found[1], (3, Ok(all.to_vec())));
        for (number, problem) in &found[2..] {
            let problem = problem.as_ref().unwrap_err();
            assert!(!problem.contains("secret") && !problem.is_empty(), "line {number}: {problem}");
        }
        assert_eq!(found.len(), 4);
    }

    #[test]
    fn csv_names_its_columns() {
        let found = read("ids.csv", "kind,id\n,a\nifa,b\nnone,c\n");
        assert_eq!(
            found[..2],
            [(2, Ok(vec![id(IdKind::Eid, "x.com", "a")])), (3, Ok(vec![id(IdKind::Ifa, "", "b")])),]
        );
        assert!(found[2].1.as_ref().unwrap_err().contains("unknown kind"));
        let cut = read("ids.csv", "tags,id\nRunners, Tea,a\n");
        assert!(cut[0].1.as_ref().unwrap_err().contains("quotes"), "not somebody else: {cut:?}");
    }
}
