//! What a [`super::MemoryStore`] was told since its file was written, so that a killed process loses nothing that it
//! acknowledged.
//!
//! ```text
//! "tagbid tags journal 2\n"
//! records: length u32, CRC-32 of the length u32, CRC-32 of the payload u32, payload
//! payload: 1, a user as in the file, who has nothing when forgotten; 2, dataset u32, version u32, u8: 0 the store does not
//!   have it, 1 it is on its way, 2 it is whole; 3, life u64, revision u64: the suppression list is applied so far
//! ```
//! Records hold what a user has after a change, not the change: reading one twice does no harm, so the file may already
//! hold what its journal says again. Journals are numbered; each save begins a new one, and the file names the first
//! that is newer than it.
//!
//! A process that is killed leaves at most one incomplete record, at the end, of a write that it did not acknowledge;
//! after a power loss the end may be zeros. Both are cut off. Anything else that does not fit is damage, and is refused.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tagbid_tagset::{MAX_BYTES, UserKey};

use super::snapshot::{self, SnapshotError};
use super::user::User;
use super::{MAX_VERSIONS, Sentinel, Version};

const MAGIC: &[u8; 22] = b"tagbid tags journal 2\n";
const HEADER: usize = 12;
const VERSION: u8 = 2;
const SENTINEL: u8 = 3;

/// Longest record: a user with every blob at its cap.
const MAX_RECORD: usize = (MAX_VERSIONS + 2) * (MAX_BYTES + 16) + 64 + 256 * size_of::<UserKey>();

/// Bytes that may wait while the disk refuses them; from here on writes are refused before they are made.
const MAX_PENDING: usize = 64 << 20;

/// When an acknowledged write is safe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// It survives the death of the process, however sudden. After a power loss or a crash of the operating system the
    /// last seconds may be missing.
    #[default]
    Process,
    /// It survives a power loss: every acknowledgement waits for the disk.
    Disk,
}

/// One entry.
#[derive(Debug)]
pub(super) enum Record {
    User(UserKey, User),
    /// None: the store does not have it any more.
    Version(Version, Option<bool>),
    Sentinel(Sentinel),
}

#[derive(Debug)]
pub(super) struct Journal {
    base: PathBuf,
    durability: Durability,
    /// Records that no commit has taken yet.
    pending: Mutex<Vec<u8>>,
    open: Mutex<Open>,
}

/// The journal that is written now.
#[derive(Debug)]
struct Open {
    number: u64,
    /// None: closed.
    file: Option<File>,
    /// Bytes up to the end of the last whole commit.
    length: u64,
}

impl Journal {
    /// Reads all journals from this number on, then goes on with the last one.
    pub(super) fn open(
        base: &Path,
        first: u64,
        durability: Durability,
        mut apply: impl FnMut(Record),
    ) -> Result<Self, SnapshotError> {
        // Earlier ones are left of a save that was killed before it could delete them; the next save does.
        let numbers: Vec<_> = numbers(base)?.into_iter().filter(|number| *number >= first).collect();
        if !numbers.iter().copied().eq((first..).take(numbers.len())) || first > 0 && numbers.is_empty() {
            return Err(SnapshotError::JournalMissing { path: path(base, first), file: base.to_owned() });
        }
        let number = numbers.last().copied().unwrap_or(first);
        let mut open = Open::begin(base, number)?;
        for earlier in numbers {
            let length = read(&path(base, earlier), earlier == number, &mut apply)?;
            open.length = length.max(MAGIC.len() as u64);
        }
        open.cut().map_err(snapshot::io_error(&path(base, number)))?;
        Ok(Self { base: base.to_owned(), durability, pending: Mutex::default(), open: Mutex::new(open) })
    }

    /// Notes what a user has now. Call it while the user is locked: the order of a user's records is that of the
    /// changes.
    pub(super) fn user(&self, key: &UserKey, user: &User) {
        // Writing to memory does not fail.
        self.append(|to| drop(snapshot::write_user(to, key, user)));
    }

    /// Notes whether the store has a version, and whether it is whole.
    pub(super) fn version(&self, version: Version, whole: Option<bool>) {
        self.append(|to| {
            to.push(VERSION);
            to.extend(version.dataset.0.to_le_bytes());
            to.extend(version.number.to_le_bytes());
            to.push(whole.map_or(0, |whole| 1 + u8::from(whole)));
        });
    }

    /// Notes that the suppression list is applied so far; after the users whom that concerned.
    pub(super) fn sentinel(&self, sentinel: Sentinel) {
        self.append(|to| {
            to.push(SENTINEL);
            to.extend(sentinel.life.to_le_bytes());
            to.extend(sentinel.revision.0.to_le_bytes());
        });
    }

    fn append(&self, payload: impl FnOnce(&mut Vec<u8>)) {
        let mut pending = lock(&self.pending);
        let start = pending.len();
        pending.extend([0; HEADER]);
        payload(&mut pending);
        let body = pending.get(start + HEADER..).unwrap_or_default();
        let header = header(body);
        if let Some(place) = pending.get_mut(start..start + HEADER) {
            place.copy_from_slice(&header);
        }
    }

    /// Whether so much waits for a disk that refuses it that no more should be written.
    pub(super) fn is_full(&self) -> bool {
        lock(&self.pending).len() > MAX_PENDING
    }

    /// Makes everything durable that was noted before the call. Blocks.
    pub(super) fn commit(&self) -> Result<(), SnapshotError> {
        let mut open = lock(&self.open);
        self.commit_to(&mut open)
    }

    fn commit_to(&self, open: &mut Open) -> Result<(), SnapshotError> {
        let taken = std::mem::take(&mut *lock(&self.pending));
        if taken.is_empty() {
            return Ok(());
        }
        open.write(&taken, self.durability).map_err(|error| {
            // Whoever noted it must hear that it is not durable, and the next commit tries again.
            let mut pending = lock(&self.pending);
            let newer = std::mem::replace(&mut *pending, taken);
            pending.extend(newer);
            snapshot::io_error(&path(&self.base, open.number))(error)
        })
    }

    /// Ends the journal and begins the next, whose number it returns: a file that is written from now on, and names
    /// that number, holds all that the ended one says. Blocks.
    pub(super) fn rotate(&self) -> Result<u64, SnapshotError> {
        let mut open = lock(&self.open);
        self.commit_to(&mut open)?;
        *open = Open::begin(&self.base, open.number + 1)?;
        Ok(open.number)
    }

    /// Deletes the journals before this number: the file holds what they say.
    pub(super) fn forget_before(&self, number: u64) -> Result<(), SnapshotError> {
        for old in numbers(&self.base)?.into_iter().filter(|old| *old < number) {
            let old = path(&self.base, old);
            fs::remove_file(&old).map_err(snapshot::io_error(&old))?;
        }
        Ok(())
    }

    /// Lets go of the file: what is noted from now on is refused.
    pub(super) fn close(&self) {
        lock(&self.open).file = None;
    }
}

impl Open {
    /// The journal of this number, made if there is none, for this process alone.
    fn begin(base: &Path, number: u64) -> Result<Self, SnapshotError> {
        let path = path(base, number);
        let io = |error| snapshot::io_error(&path)(error);
        let mut file = OpenOptions::new().create(true).append(true).open(&path).map_err(io)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => SnapshotError::InUse { path: base.to_owned() },
            TryLockError::Error(error) => io(error),
        })?;
        let length = file.metadata().map_err(io)?.len();
        if length < MAGIC.len() as u64 {
            // New, or of a process that was killed when it had only just made it.
            file.set_len(0).map_err(io)?;
            file.write_all(MAGIC).map_err(io)?;
            snapshot::sync_directory_of(&path).map_err(io)?;
        }
        Ok(Self { number, file: Some(file), length: length.max(MAGIC.len() as u64) })
    }

    fn write(&mut self, bytes: &[u8], durability: Durability) -> io::Result<()> {
        // An attempt that failed may have left a part of itself.
        self.cut()?;
        let file = self.file.as_mut().ok_or_else(|| io::Error::other("the tag store is closed"))?;
        file.write_all(bytes)?;
        if durability == Durability::Disk {
            file.sync_data()?;
        }
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Cuts off what is beyond the last whole commit.
    fn cut(&self) -> io::Result<()> {
        match &self.file {
            Some(file) if file.metadata()?.len() != self.length => file.set_len(self.length),
            _ => Ok(()),
        }
    }
}

fn header(payload: &[u8]) -> [u8; HEADER] {
    let length = (payload.len() as u32).to_le_bytes();
    let parts = [length, crc32fast::hash(&length).to_le_bytes(), crc32fast::hash(payload).to_le_bytes()];
    let mut header = [0; HEADER];
    header.copy_from_slice(parts.as_flattened());
    header
}

/// Reads one journal; the length up to the end of its last whole record. Only the last journal may have more.
fn read(path: &Path, last: bool, apply: &mut impl FnMut(Record)) -> Result<u64, SnapshotError> {
    let io = |error| snapshot::io_error(path)(error);
    let mut from = BufReader::with_capacity(1 << 20, File::open(path).map_err(io)?);
    let mut at = match read_full(&mut from, MAGIC.len()).map_err(io)? {
        magic if magic == MAGIC => magic.len() as u64,
        // Killed when it had only just been made, or put there by hand to go on without the journal.
        start if MAGIC.starts_with(&start) => return Ok(0),
        _ => return Err(damaged(path, 0, "it is not a journal of this version")),
    };
    loop {
        match next(&mut from).map_err(io)? {
            Next::Record(payload) => {
                let record = parse(&payload).ok_or_else(|| damaged(path, at, "a record has no meaning"))?;
                apply(record);
                at += (HEADER + payload.len()) as u64;
            }
            Next::End => return Ok(at),
            Next::Torn if last => {
                tracing::warn!(path = %path.display(), at, "the last record is incomplete and is cut off");
                return Ok(at);
            }
            Next::Torn => return Err(damaged(path, at, "a record is incomplete")),
            Next::Damaged(problem) => return Err(damaged(path, at, problem)),
        }
    }
}

enum Next {
    Record(Vec<u8>),
    End,
    Torn,
    Damaged(&'static str),
}

fn next(from: &mut impl Read) -> io::Result<Next> {
    let head = read_full(from, HEADER)?;
    let Some((length, rest)) = head.split_first_chunk::<4>() else {
        return Ok(if head.is_empty() { Next::End } else { Next::Torn });
    };
    let Some((sum, expected)) = rest.split_first_chunk::<4>() else {
        return Ok(Next::Torn);
    };
    if head.len() < HEADER || is_zero(&head) && rest_is_zero(from)? {
        return Ok(Next::Torn);
    }
    let size = u32::from_le_bytes(*length) as usize;
    if crc32fast::hash(length).to_le_bytes() != *sum || size > MAX_RECORD {
        return Ok(Next::Damaged("the length of a record is wrong"));
    }
    let payload = read_full(from, size)?;
    if payload.len() < size {
        return Ok(Next::Torn);
    }
    if crc32fast::hash(&payload).to_le_bytes() == expected {
        return Ok(Next::Record(payload));
    }
    let lost = is_zero(&payload) && rest_is_zero(from)?;
    Ok(if lost { Next::Torn } else { Next::Damaged("the checksum of a record is wrong") })
}

fn parse(payload: &[u8]) -> Option<Record> {
    let mut from = payload;
    let record = match snapshot::array(&mut from).ok()? {
        [snapshot::USER] => {
            let key = UserKey(snapshot::array(&mut from).ok()?);
            Record::User(key, snapshot::read_user(&mut from).ok()?)
        }
        [VERSION] => {
            let version = snapshot::read_version(&mut from).ok()?;
            let [state] = snapshot::array(&mut from).ok()?;
            Record::Version(version, (state != 0).then_some(state == 2))
        }
        [SENTINEL] => Record::Sentinel(snapshot::read_sentinel(&mut from).ok()?),
        _ => return None,
    };
    from.is_empty().then_some(record)
}

fn read_full(from: &mut impl Read, size: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(size);
    from.take(size as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn rest_is_zero(from: &mut impl Read) -> io::Result<bool> {
    loop {
        let some = read_full(from, 1 << 16)?;
        if some.is_empty() {
            return Ok(true);
        }
        if !is_zero(&some) {
            return Ok(false);
        }
    }
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

fn path(base: &Path, number: u64) -> PathBuf {
    let mut name = base.as_os_str().to_owned();
    name.push(format!(".journal.{number}"));
    name.into()
}

/// Numbers of the journals that there are, ascending.
fn numbers(base: &Path) -> Result<Vec<u64>, SnapshotError> {
    let directory = snapshot::directory_of(base);
    let io = |error| snapshot::io_error(directory)(error);
    let mut prefix = base.file_name().unwrap_or_default().to_owned();
    prefix.push(".journal.");
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(io)? {
        let name = entry.map_err(io)?.file_name();
        let number = name.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
        found.extend(number.and_then(|number| std::str::from_utf8(number).ok()?.parse::<u64>().ok()));
    }
    found.sort_unstable();
    Ok(found)
}

fn damaged(path: &Path, at: u64, problem: &'static str) -> SnapshotError {
    SnapshotError::JournalDamaged { path: path.to_owned(), at, problem }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Standing;

    fn users(base: &Path) -> Vec<u8> {
        let mut found = Vec::new();
        let read = Journal::open(base, 0, Durability::Process, |record| match record {
            Record::User(key, user) => {
                assert!(user.is_suppressed());
                found.push(key.0[0]);
            }
            other => panic!("{other:?}"),
        });
        drop(read.unwrap());
        found
    }

    #[test]
    fn what_the_disk_refused_is_not_acknowledged_and_not_lost() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("tags");
        let journal = Journal::open(&base, 0, Durability::Process, drop).unwrap();
        let suppressed = Standing { suppressed: true, ..Standing::default() };
        let user = User { standing: Some(Box::new(suppressed)), ..User::default() };
        let note = |n| journal.user(&UserKey([n; 16]), &user);
        note(1);
        journal.commit().unwrap();

        // A handle that cannot be written to stands for a disk that cannot.
        let refusing = File::open(path(&base, 0)).unwrap();
        let writing = lock(&journal.open).file.replace(refusing);
        note(2);
        journal.commit().unwrap_err();
        note(3);
        journal.commit().unwrap_err();
        assert!(!journal.is_full());

        // A part of a write got through before the disk was full.
        let mut writing = writing.unwrap();
        writing.write_all(b"a part").unwrap();
        lock(&journal.open).file = Some(writing);
        journal.commit().unwrap();
        drop(journal);
        assert_eq!(users(&base), [1, 2, 3]);
    }
}
