//! What can go wrong before a test has what it stands on.

use std::io;
use std::path::PathBuf;

/// Why a server or a child process could not be had.
#[derive(Debug, thiserror::Error)]
pub enum KitError {
    /// A program is not installed.
    #[error("{program} not found: run `cargo xtask setup`")]
    Missing {
        /// What was looked for, on the path and in the usual directories.
        program: &'static str,
    },
    /// PostgreSQL refuses to run as root and there is no other user to run it as.
    #[error("running as root and neither user `postgres` nor `nobody` exists: run `cargo xtask setup`")]
    NoUser,
    /// A file or process operation failed.
    #[error("{what} ({path}): {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// On which file or program.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A helper program ended with an error.
    #[error("{what} failed: {output}")]
    Failed {
        /// What was tried.
        what: &'static str,
        /// What the program printed.
        output: String,
    },
    /// A server did not answer in time, or ended while starting.
    #[error("{name} is not ready after {seconds} s; the end of its log:\n{log}")]
    NotReady {
        /// Which server or process.
        name: String,
        /// How long was waited.
        seconds: u64,
        /// The last lines it wrote.
        log: String,
    },
    /// More tests than databases in one test binary.
    #[error("all {limit} Redis databases of this test binary are taken")]
    NoDatabaseLeft {
        /// How many there are.
        limit: u32,
    },
}

impl KitError {
    /// For `map_err`: an I/O error with what was tried on which path.
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }
}

/// What a test gets when it cannot go on.
#[track_caller]
#[expect(clippy::panic, reason = "a test without its server has failed; the message names the remedy")]
pub(crate) fn or_fail<T>(result: Result<T, KitError>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{error}"),
    }
}
