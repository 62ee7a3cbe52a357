//! What keeps a log from being opened or read.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::format::HeaderError;

/// Why a log cannot be written.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A setting that cannot be meant.
    #[error("{0}")]
    Setting(String),
    /// Another process has it.
    #[error(
        "events.dir {path:?}: another process writes this event log; give each process a directory of its own"
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The disk refused.
    #[error("event log {path:?}: {error}")]
    Io {
        /// Directory or file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The last segment cannot be read.
    #[error(transparent)]
    Segment(#[from] ReadError),
    /// Nothing tells where sources stand.
    #[error(
        "event log {path:?}: no segment that is left tells how far each source got, and appending could repeat records; \
         move the directory away to begin a new log"
    )]
    Sources {
        /// The directory.
        path: PathBuf,
    },
    /// The operating system gives no randomness or no thread.
    #[error("event log: {0}")]
    System(String),
}

/// Why a log cannot be read on.
#[derive(Debug, Error)]
pub enum ReadError {
    /// There is no log.
    #[error("{path:?} is no event log: it has no file named \"erased\"; name the directory of events.dir")]
    NoLog {
        /// The directory.
        path: PathBuf,
    },
    /// The disk refused.
    #[error("event log {path:?}: {error}")]
    Io {
        /// Directory or file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A segment of another version.
    #[error("event log {path:?}: written in format version {version}; use the tagbid that wrote it")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        version: u16,
    },
    /// A segment whose head is gone.
    #[error(
        "event log {path:?}: its header is damaged or it is no segment; move the file away to go on without it"
    )]
    Header {
        /// The file.
        path: PathBuf,
    },
    /// A record of a newer version.
    #[error(
        "event log {path:?}: the record at {offset} was written by a newer tagbid: use that one ({problem})"
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is unknown.
        problem: String,
    },
}

impl ReadError {
    pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |error| Self::Io { path: path.clone(), error }
    }

    pub(crate) fn header(path: &Path, error: HeaderError) -> Self {
        match error {
            HeaderError::Damaged => Self::Header { path: path.to_owned() },
            HeaderError::Version(version) => Self::Version { path: path.to_owned(), version },
        }
    }
}
