//! The catalog on disk: what a process starts from when the campaigns role is away.
//!
//! A file holds one line of JSON that describes it (revision, moment, length, SHA-256) and then the catalog as JSON. It is
//! written beside and renamed, so that there is always a whole one; what does not fit its description is refused.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};
use tagbid_catalog::Catalog;
use tagbid_types::Timestamp;
use thiserror::Error;

/// Changes when the file's form does.
const FORMAT: u32 = 1;

/// Why a copy cannot be read or written.
#[derive(Debug, Error)]
pub enum CopyError {
    /// The file system refused.
    #[error("catalog copy {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not a whole copy of this version.
    #[error("catalog copy {path} is damaged: {problem}; it will be replaced")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        problem: String,
    },
}

/// A catalog and when it was last known to be up to date.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedCatalog {
    /// The catalog.
    pub catalog: Catalog,
    /// The moment; none: never since it was made.
    pub up_to_date: Option<Timestamp>,
}

/// A file with a copy of the catalog.
#[derive(Clone, Debug)]
pub struct CatalogCopy {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Description {
    format: u32,
    revision: u64,
    up_to_date: Option<Timestamp>,
    bytes: usize,
    sha256: String,
}

impl CatalogCopy {
    /// The copy at this path, which need not exist yet.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Reads the copy; none when there is none. Blocks.
    pub fn load(&self) -> Result<Option<SavedCatalog>, CopyError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.io(error)),
        };
        parse(&bytes).map(Some).map_err(|problem| CopyError::Damaged { path: self.path.clone(), problem })
    }

    /// Replaces the copy, durably. Blocks.
    pub fn save(&self, catalog: &Catalog, up_to_date: Option<Timestamp>) -> Result<(), CopyError> {
        let io = |error| self.io(error);
        let bytes = write(catalog, up_to_date).map_err(|error| io(error.into()))?;
        let directory = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(directory).map_err(io)?;
        let beside = self.path.with_extension("new");
        let mut file = File::create(&beside).map_err(io)?;
        file.write_all(&bytes).map_err(io)?;
        file.sync_all().map_err(io)?;
        fs::rename(&beside, &self.path).map_err(io)?;
        // The rename itself is durable only with the directory.
        File::open(directory).and_then(|dir| dir.sync_all()).map_err(io)
    }

    fn io(&self, source: io::Error) -> CopyError {
        CopyError::Io { path: self.path.clone(), source }
    }
}

fn write(catalog: &Catalog, up_to_date: Option<Timestamp>) -> serde_json::Result<Vec<u8>> {
    let body = serde_json::to_vec(catalog)?;
    let description = Description {
        format: FORMAT,
        revision: catalog.revision.0,
        up_to_date,
        bytes: body.len(),
        sha256: sha256(&body),
    };
    let mut bytes = serde_json::to_vec(&description)?;
    bytes.push(b'\n');
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Result<SavedCatalog, String> {
    let end = bytes.iter().position(|byte| *byte == b'\n').ok_or("it has no first line")?;
    let (line, rest) = bytes.split_at(end);
    let body = rest.get(1..).unwrap_or_default();
    let description: Description = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if description.format != FORMAT {
        return Err(format!("its format is {}, not {FORMAT}", description.format));
    }
    if description.bytes != body.len() {
        return Err(format!("it has {} bytes instead of {}", body.len(), description.bytes));
    }
    if description.sha256 != sha256(body) {
        return Err("its checksum is wrong".into());
    }
    let catalog: Catalog = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if catalog.revision.0 != description.revision {
        return Err("its revision is not the one described".into());
    }
    Ok(SavedCatalog { catalog, up_to_date: description.up_to_date })
}

fn sha256(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in digest::digest(&digest::SHA256, bytes).as_ref() {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
