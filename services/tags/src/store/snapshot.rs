//! The file of a [`super::MemoryStore`].
//!
//! ```text
//! "tagbid tags 3\n"
//! users, until the end mark: 1, key 16 bytes, flags u8 (1 suppressed, 2 real-time, 4 frequency, 8 erased or linked), offline blobs:
//!   number u8, each: dataset u32, version u32, length u32, bytes; then for each of the flags 2 and 4: expires i64,
//!   length u32, bytes; for flag 8: erased i64, number of other ids u8, each 16 bytes
//! end: 0, number of users u64
//! versions: number u32; each: dataset u32, version u32, u8: 1 on its way, 2 whole
//! suppression list: life u64, revision u64
//! number of the first journal that is newer than this file: u64
//! CRC-32 of everything before it
//! ```
//! Numbers are little-endian. A file is written beside its place and renamed into it, so that a reader finds the old
//! one or the new one, whole. A file that is cut off or damaged is refused, never half-loaded.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use tagbid_ports::OfflineBlob;
use tagbid_tagset::{MAX_BYTES, UserKey};
use tagbid_types::{DatasetId, Revision, Timestamp};
use thiserror::Error;

use super::change::Expiring;
use super::user::{Held, User};
use super::{Sentinel, Standing, Version};

const MAGIC: &[u8; 14] = b"tagbid tags 3\n";
/// Before each user.
pub(super) const USER: u8 = 1;
const SUPPRESSED: u8 = 1;
const REALTIME: u8 = 2;
const FREQUENCY: u8 = 4;
const LISTED: u8 = 8;

/// Why the file could not be read or written.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// The file system refused.
    #[error("tag store file {}: {problem}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What it said.
        problem: io::Error,
    },
    /// It is not what was written.
    #[error(
        "tag store file {}: {problem}; restore a copy, or move it away to start empty, and with it the \
         files {name}.journal.*",
        path.display(),
        name = path.file_name().unwrap_or_default().display(),
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A journal is not what was written.
    #[error(
        "tag store journal {}: {problem}, at byte {at}; restore a copy, or put an empty file in its place to go on \
         without what it holds",
        path.display()
    )]
    JournalDamaged {
        /// The journal.
        path: PathBuf,
        /// Where the record begins that is wrong.
        at: u64,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Journals do not begin where the file ends.
    #[error(
        "tag store journal {} is missing, or {} is too old for those that there are: restore it; or put an empty file \
         in its place to go on without what it held",
        path.display(),
        file.display()
    )]
    JournalMissing {
        /// The journal.
        path: PathBuf,
        /// The store's file.
        file: PathBuf,
    },
    /// Somebody else writes it.
    #[error(
        "tag store file {}: another process uses it; end that one, or set tags.memory_file to another place",
        path.display()
    )]
    InUse {
        /// The file.
        path: PathBuf,
    },
}

/// What a file says beside its users.
#[derive(Debug)]
pub(super) struct Rest {
    pub(super) versions: Held,
    /// None: there is no file.
    pub(super) sentinel: Option<Sentinel>,
    pub(super) journal: u64,
}

/// Reads the file; without one there is nothing to read. Users are handed over while reading: after an error the
/// caller throws them away.
pub(super) fn load(path: &Path, mut user: impl FnMut(UserKey, User)) -> Result<Rest, SnapshotError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Rest { versions: Held::new(), sentinel: None, journal: 0 });
        }
        Err(error) => return Err(io_error(path)(error)),
    };
    let mut from = Summed::new(BufReader::with_capacity(1 << 20, file));
    read_all(&mut from, &mut user).map_err(|problem| match problem {
        Problem::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => damaged(path, "it is cut off"),
        Problem::Io(error) => io_error(path)(error),
        Problem::Damaged(problem) => damaged(path, problem),
    })
}

/// Writes the file: `each` calls the function it is given for every user. The versions are asked for after that, so
/// that they cover every blob that was written; the sentinel was before, so that the users cover it.
pub(super) fn save(
    path: &Path,
    (sentinel, journal): (Sentinel, u64),
    each: impl FnOnce(&mut WriteUser<'_>) -> io::Result<()>,
    versions: impl FnOnce() -> Arc<Held>,
) -> Result<(), SnapshotError> {
    let beside = path.with_extension("saving");
    let end = || (versions(), sentinel, journal);
    let written = write_all(&beside, each, end).and_then(|()| fs::rename(&beside, path));
    // The rename itself is durable once the directory is.
    written.and_then(|()| sync_directory_of(path)).map_err(io_error(path))
}

pub(super) fn sync_directory_of(path: &Path) -> io::Result<()> {
    File::open(directory_of(path))?.sync_all()
}

pub(super) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Writes one user.
pub(super) type WriteUser<'a> = dyn FnMut(&UserKey, &User) -> io::Result<()> + 'a;

fn write_all(
    path: &Path,
    each: impl FnOnce(&mut WriteUser<'_>) -> io::Result<()>,
    end: impl FnOnce() -> (Arc<Held>, Sentinel, u64),
) -> io::Result<()> {
    let mut to = Summed::new(BufWriter::with_capacity(1 << 20, File::create(path)?));
    to.write_all(MAGIC)?;
    let mut users = 0_u64;
    each(&mut |key, user| {
        users += 1;
        write_user(&mut to, key, user)
    })?;
    to.write_all(&[0])?;
    to.write_all(&users.to_le_bytes())?;
    let (versions, sentinel, journal) = end();
    to.write_all(&(versions.len() as u32).to_le_bytes())?;
    for (version, whole) in versions.iter() {
        to.write_all(&version.dataset.0.to_le_bytes())?;
        to.write_all(&version.number.to_le_bytes())?;
        to.write_all(&[1 + u8::from(*whole)])?;
    }
    for number in [sentinel.life, sentinel.revision.0, journal] {
        to.write_all(&number.to_le_bytes())?;
    }
    let sum = to.sum();
    to.write_all(&sum.to_le_bytes())?;
    to.inner.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

pub(super) fn write_user(to: &mut impl Write, key: &UserKey, user: &User) -> io::Result<()> {
    let flag = |set: bool, flag| if set { flag } else { 0 };
    let listed = user.standing.as_ref().filter(|standing| !standing.suppressed);
    let flags = flag(user.is_suppressed(), SUPPRESSED)
        | flag(listed.is_some(), LISTED)
        | flag(user.realtime.is_some(), REALTIME)
        | flag(user.frequency.is_some(), FREQUENCY);
    to.write_all(&[USER])?;
    to.write_all(&key.0)?;
    to.write_all(&[flags, user.offline.len() as u8])?;
    for one in &user.offline {
        to.write_all(&one.dataset.0.to_le_bytes())?;
        to.write_all(&one.version.to_le_bytes())?;
        write_blob(to, &one.blob)?;
    }
    for one in user.realtime.iter().chain(&user.frequency) {
        to.write_all(&one.expires.0.to_le_bytes())?;
        write_blob(to, &one.blob)?;
    }
    if let Some(standing) = listed {
        to.write_all(&standing.erased.0.to_le_bytes())?;
        to.write_all(&[u8::try_from(standing.others.len()).unwrap_or(u8::MAX)])?;
        for other in standing.others.iter().take(u8::MAX.into()) {
            to.write_all(&other.0)?;
        }
    }
    Ok(())
}

fn write_blob(to: &mut impl Write, blob: &[u8]) -> io::Result<()> {
    to.write_all(&(blob.len() as u32).to_le_bytes())?;
    to.write_all(blob)
}

/// Why bytes cannot be read.
pub(super) enum Problem {
    Io(io::Error),
    Damaged(&'static str),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn read_all(from: &mut Summed<impl Read>, user: &mut impl FnMut(UserKey, User)) -> Result<Rest, Problem> {
    if array::<14>(from)? != *MAGIC {
        return Err(Problem::Damaged("it is not a tag store of this version"));
    }
    let mut users = 0_u64;
    while array(from)? == [USER] {
        user(UserKey(array(from)?), read_user(from)?);
        users += 1;
    }
    if u64::from_le_bytes(array(from)?) != users {
        return Err(Problem::Damaged("its number of users is wrong"));
    }
    let mut versions = Held::new();
    for _ in 0..u32::from_le_bytes(array(from)?) {
        let version = read_version(from)?;
        let [state] = array(from)?;
        versions.insert(version, state == 2);
    }
    let sentinel = Some(read_sentinel(from)?);
    let journal = u64::from_le_bytes(array(from)?);
    let sum = from.sum();
    if u32::from_le_bytes(array(from)?) != sum {
        return Err(Problem::Damaged("its checksum is wrong"));
    }
    Ok(Rest { versions, sentinel, journal })
}

pub(super) fn read_version(from: &mut impl Read) -> io::Result<Version> {
    let dataset = DatasetId(u32::from_le_bytes(array(from)?));
    Ok(Version { dataset, number: u32::from_le_bytes(array(from)?) })
}

pub(super) fn read_sentinel(from: &mut impl Read) -> io::Result<Sentinel> {
    let life = u64::from_le_bytes(array(from)?);
    Ok(Sentinel { life, revision: Revision(u64::from_le_bytes(array(from)?)) })
}

pub(super) fn read_user(from: &mut impl Read) -> Result<User, Problem> {
    let [flags, blobs] = array(from)?;
    let mut user = User::default();
    if flags & SUPPRESSED != 0 {
        user.standing = Some(Box::new(Standing { suppressed: true, ..Standing::default() }));
    }
    for _ in 0..blobs {
        user.offline.push(OfflineBlob {
            dataset: DatasetId(u32::from_le_bytes(array(from)?)),
            version: u32::from_le_bytes(array(from)?),
            blob: read_blob(from)?,
        });
    }
    if flags & REALTIME != 0 {
        user.realtime = Some(read_expiring(from)?);
    }
    if flags & FREQUENCY != 0 {
        user.frequency = Some(read_expiring(from)?);
    }
    if flags & LISTED != 0 {
        let erased = Timestamp(i64::from_le_bytes(array(from)?));
        let [number] = array(from)?;
        let others = (0..number).map(|_| Ok(UserKey(array(from)?)));
        let others = others.collect::<io::Result<_>>()?;
        user.standing = Some(Box::new(Standing { suppressed: false, erased, others }));
    }
    Ok(user)
}

fn read_expiring(from: &mut impl Read) -> Result<Expiring, Problem> {
    Ok(Expiring { expires: Timestamp(i64::from_le_bytes(array(from)?)), blob: read_blob(from)? })
}

fn read_blob(from: &mut impl Read) -> Result<Bytes, Problem> {
    let length = u32::from_le_bytes(array(from)?) as usize;
    // A damaged length must not make us ask for gigabytes.
    if length > MAX_BYTES {
        return Err(Problem::Damaged("it holds a blob over the size limit"));
    }
    let mut blob = vec![0; length];
    from.read_exact(&mut blob)?;
    Ok(blob.into())
}

pub(super) fn array<const N: usize>(from: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    from.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Reads or writes, and sums what passes.
struct Summed<T> {
    inner: T,
    hasher: crc32fast::Hasher,
}

impl<T> Summed<T> {
    fn new(inner: T) -> Self {
        Self { inner, hasher: crc32fast::Hasher::new() }
    }

    fn sum(&self) -> u32 {
        self.hasher.clone().finalize()
    }
}

impl<T: Read> Read for Summed<T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(into)?;
        self.hasher.update(into.get(..length).unwrap_or_default());
        Ok(length)
    }
}

impl<T: Write> Write for Summed<T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.inner.write(bytes)?;
        self.hasher.update(bytes.get(..length).unwrap_or_default());
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

pub(super) fn io_error(path: &Path) -> impl Fn(io::Error) -> SnapshotError {
    move |problem| SnapshotError::Io { path: path.to_owned(), problem }
}

fn damaged(path: &Path, problem: &'static str) -> SnapshotError {
    SnapshotError::Damaged { path: path.to_owned(), problem }
}
