//! Users to load from files, one after the other, in the same order each time: NDJSON and CSV ([`text`], [`json`]), Parquet
//! ([`parquet`]), by the name of the file.

mod json;
mod parquet;
mod text;

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tagbid_clients::UserToLoad;
use tagbid_tagset::IdKind;

pub(super) use self::json::JsonRef;
use self::parquet::Parquet;
use self::text::Text;
pub(crate) use self::text::{column, fields, row};

/// Weight of a tag that says none: the data team means "yes".
pub(super) const FULL: u32 = 255;

/// What lines mean that do not say of what kind their ids are.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    pub(super) kind: IdKind,
    pub(super) source: String,
}

/// A line or row that was read.
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

enum Open {
    Text(Text),
    Parquet(Box<Parquet>),
}

impl Lines {
    pub(super) fn new(files: Vec<PathBuf>, defaults: Defaults) -> Self {
        Self { files, defaults, file: 0, open: None, bytes: Arc::default() }
    }

    /// How many bytes of the files have been read.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The next line that holds something. An error is one of the file system, or of a file that is not what its name
    /// says, or has not the columns that it needs.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        while let Some(path) = self.files.get(self.file) {
            let named =
                |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
            let open = match &mut self.open {
                Some(open) => open,
                None => self.open.insert(Open::new(path, &self.bytes).map_err(named)?),
            };
            let next = match open {
                Open::Text(text) => text.next(&self.defaults),
                Open::Parquet(parquet) => parquet.next(&self.defaults),
            };
            match next.map_err(named)? {
                Some((number, user)) => return Ok(Some(Line { file: self.file, number, user })),
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
        let file = File::open(path)?;
        if file.metadata()?.is_dir() {
            return Err(io::Error::other("it is a directory: name the files in it"));
        }
        let name = path.to_string_lossy().to_ascii_lowercase();
        match name.ends_with(".parquet") {
            true => Ok(Self::Parquet(Box::new(Parquet::new(file, bytes)?))),
            false => Ok(Self::Text(Text::new(file, &name, bytes)?)),
        }
    }
}

/// A kind of id by its name.
pub(crate) fn kind(name: &str) -> Result<IdKind, String> {
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
    use tagbid_clients::{TagRef, TagToLoad};

    use super::*;

    /// Lines by number.
    pub(super) type Read = Vec<(u64, Result<UserToLoad, String>)>;

    /// Everything in a file of that name, until an error.
    pub(super) fn read_all(name: &str, bytes: &[u8]) -> (Read, io::Result<()>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let defaults = Defaults { kind: IdKind::Ifa, source: String::new() };
        let (mut lines, mut found) = (Lines::new(vec![path], defaults), Vec::new());
        loop {
            match lines.next() {
                Ok(Some(line)) => found.push((line.number, line.user)),
                Ok(None) => return (found, Ok(())),
                Err(error) => return (found, Err(error)),
            }
        }
    }

    pub(super) fn read(name: &str, bytes: &[u8]) -> Read {
        let (found, ended) = read_all(name, bytes);
        ended.unwrap();
        found
    }

    pub(super) fn tag(name: &str, weight: u32) -> TagToLoad {
        TagToLoad { tag: TagRef::Name(name.into()), weight, expires: None }
    }

    pub(super) fn user(id: &str, tags: Vec<TagToLoad>) -> UserToLoad {
        UserToLoad { kind: IdKind::Ifa, source: String::new(), id: id.into(), tags }
    }

    #[test]
    fn a_directory_and_a_file_that_is_not_there_are_named() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().to_owned(), dir.path().join("none.ndjson")] {
            let defaults = Defaults { kind: IdKind::Ifa, source: String::new() };
            let error = Lines::new(vec![path.clone()], defaults).next().unwrap_err().to_string();
            assert!(error.starts_with(&path.display().to_string()), "{error}");
        }
    }
}
