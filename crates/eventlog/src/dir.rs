//! The directory of a log: names of segments, the lock, what makes a file's name durable.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::OpenError;

const PREFIX: &str = "events-";
const SUFFIX: &str = ".seg";
/// Files that are not finished: whoever opens the log to write deletes them.
const UNFINISHED: &str = ".new";

/// A segment by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SegmentFile {
    /// Position of its first record.
    pub(crate) first: u64,
    pub(crate) path: PathBuf,
}

/// The directory, and the right to write to it for as long as this lives.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    _lock: File,
}

impl Directory {
    /// Makes the directory where it is missing, takes the lock, clears away what was not finished.
    pub(crate) fn lock(path: &Path) -> Result<Self, OpenError> {
        let io = |error| OpenError::Io { path: path.to_owned(), error };
        fs::create_dir_all(path).map_err(io)?;
        // What is in a directory is only as durable as its name.
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        sync_directory(parent.unwrap_or(Path::new("."))).map_err(io)?;
        let lock = path.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock).map_err(io)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => OpenError::InUse { path: path.to_owned() },
            TryLockError::Error(error) => io(error),
        })?;
        for entry in fs::read_dir(path).map_err(io)? {
            let entry = entry.map_err(io)?.path();
            if entry.as_os_str().as_encoded_bytes().ends_with(UNFINISHED.as_bytes()) {
                fs::remove_file(&entry).map_err(io)?;
            }
        }
        Ok(Self { path: path.to_owned(), _lock: file })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Where the segment that begins with this position is.
pub(crate) fn segment_path(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{PREFIX}{first:020}{SUFFIX}"))
}

/// All segments, in the order of their positions.
pub(crate) fn segments(dir: &Path) -> io::Result<Vec<SegmentFile>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
        if let Some(first) = number.and_then(|number| number.parse().ok()) {
            found.push(SegmentFile { first, path: entry.path() });
        }
    }
    found.sort_unstable_by_key(|segment| segment.first);
    Ok(found)
}

/// Makes a whole file appear under its name: written beside it, durable, renamed. What had the name before is there until
/// then. The file is open for writing at its end.
pub(crate) fn place(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let (file, finish) = begin(path)?;
    let written = io::Write::write_all(&mut &file, bytes);
    match written.and_then(|()| finish.finish(&file)) {
        Ok(()) => Ok(file),
        Err(error) => {
            finish.abandon();
            Err(error)
        }
    }
}

/// A file that has not got its name yet.
pub(crate) struct Unfinished {
    path: PathBuf,
    new: PathBuf,
}

/// Begins such a file.
pub(crate) fn begin(path: &Path) -> io::Result<(File, Unfinished)> {
    let mut new = path.as_os_str().to_owned();
    new.push(UNFINISHED);
    let new = PathBuf::from(new);
    let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(&new)?;
    Ok((file, Unfinished { path: path.to_owned(), new }))
}

impl Unfinished {
    /// Gives it its name, durably.
    pub(crate) fn finish(&self, file: &File) -> io::Result<()> {
        file.sync_all()?;
        fs::rename(&self.new, &self.path)?;
        sync_directory(self.path.parent().unwrap_or(Path::new(".")))
    }

    /// Leaves nothing behind; what cannot be deleted is the next start's.
    pub(crate) fn abandon(&self) {
        if let Err(error) = fs::remove_file(&self.new) {
            tracing::debug!(path = %self.new.display(), %error, "unfinished file stays until the next start");
        }
    }
}

/// Makes names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
