//! Whose keys are hidden: the file `erased` beside the segments, which every reader looks at before it shows a key.
//!
//! ```text
//! "tagbid erased 1\n"
//! entries: user key 16 bytes, hidden up to i64 (microseconds since 1970), position in the list of people u64,
//!          CRC-32C u32 of these 32 bytes
//! ```
//! Of a user the last entry holds; the user of sixteen zeros, hidden up to the beginning of time, stands for nobody and only says
//! how far in the list the file is. A file that is damaged or missing hides every key: nobody can say whose it named. The
//! log then asks for the list of people from its beginning and makes the file anew.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use tagbid_tagset::UserKey;
use tagbid_types::{Revision, Timestamp};

use crate::dir::place;
use crate::frames::read_at;

const MAGIC: &[u8; 16] = b"tagbid erased 1\n";
const ENTRY: usize = 36;

/// Entries that need not be there before the file is worth making anew.
const SLACK: u64 = 4_096;

/// One user's key is hidden in events up to a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// The key.
    pub user: UserKey,
    /// In events up to here; the end of time for somebody of whom nothing may be kept. The latest that is told of a user
    /// holds.
    pub until: Timestamp,
}

/// Stands for a place in the list of people alone.
const NOBODY: Erasure = Erasure { user: UserKey([0; 16]), until: Timestamp(i64::MIN) };

/// Where the file is.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join("erased")
}

/// What the file says.
#[derive(Debug, Default)]
pub(crate) struct Hidden {
    users: HashMap<UserKey, Timestamp>,
    revision: Revision,
    /// False: it cannot be trusted, and every key is hidden.
    whole: bool,
}

impl Hidden {
    /// Whether this user's key may not be shown in an event of this moment.
    pub(crate) fn hides(&self, user: &UserKey, at: Timestamp) -> bool {
        !self.whole || self.users.get(user).is_some_and(|until| at <= *until)
    }

    /// Whether any key is hidden.
    pub(crate) fn is_empty(&self) -> bool {
        self.whole && self.users.is_empty()
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    /// Whether an entry of this user would change anything: one that is over for all keys that there are, up to `moment`, only
    /// matters to who is hidden longer now.
    fn needs(&self, erasure: &Erasure, moment: Timestamp) -> bool {
        match self.users.get(&erasure.user) {
            Some(until) => *until != erasure.until,
            None => erasure.until > moment,
        }
    }

    fn take(&mut self, entry: &[u8; ENTRY]) {
        let mut from = entry.as_slice();
        let parsed = (|| {
            let (front, sum) = from.split_last_chunk::<4>()?;
            if crc32c::crc32c(front).to_le_bytes() != *sum {
                return None;
            }
            let (user, rest) = front.split_first_chunk::<16>()?;
            let (until, revision) = rest.split_first_chunk::<8>()?;
            from = revision;
            Some((UserKey(*user), i64::from_le_bytes(*until), u64::from_le_bytes(*from.first_chunk()?)))
        })();
        match parsed {
            Some((user, until, revision)) => {
                if (Erasure { user, until: Timestamp(until) }) != NOBODY {
                    self.users.insert(user, Timestamp(until));
                }
                self.revision = self.revision.max(Revision(revision));
            }
            None => self.whole = false,
        }
    }

    /// Reads entries of the file from an offset on; where whole entries end.
    fn read(&mut self, file: &File, mut at: u64) -> io::Result<u64> {
        let mut window = vec![0; ENTRY * 1_024];
        loop {
            let length = read_at(file, &mut window, at)?;
            let (entries, _being_written) = window.get(..length).unwrap_or_default().as_chunks::<ENTRY>();
            entries.iter().for_each(|entry| self.take(entry));
            at += (entries.len() * ENTRY) as u64;
            if length < window.len() {
                return Ok(at);
            }
        }
    }

    /// Reads a whole file.
    fn of(file: &File) -> io::Result<(Self, u64)> {
        let mut magic = [0; MAGIC.len()];
        let begins = read_at(file, &mut magic, 0)?;
        let mut hidden = Self { whole: begins == MAGIC.len() && magic == *MAGIC, ..Self::default() };
        let end = hidden.read(file, MAGIC.len() as u64)?;
        Ok((hidden, end))
    }
}

fn entry(erasure: &Erasure, revision: Revision) -> [u8; ENTRY] {
    let mut bytes = [0; ENTRY];
    let parts = [erasure.user.0.as_slice(), &erasure.until.0.to_le_bytes(), &revision.0.to_le_bytes()];
    let sum = crc32c::crc32c(&parts.concat()).to_le_bytes();
    let all = parts.into_iter().flatten().chain(&sum);
    bytes.iter_mut().zip(all).for_each(|(to, from)| *to = *from);
    bytes
}

/// The file in the hands of who writes the log.
#[derive(Debug)]
pub(crate) struct ErasedFile {
    path: PathBuf,
    file: File,
    /// Where its whole entries end.
    end: u64,
    hidden: Hidden,
    /// Counts what was hidden since it was opened, from one on where there was anything before.
    changes: u64,
    /// A write failed, and readers may have seen some of it: the next one makes the file anew.
    failed: bool,
    /// How far in the list of people the file is; what is known may be further.
    written: Revision,
}

impl ErasedFile {
    /// Opens it, and makes it for a directory that has no log yet.
    pub(crate) fn open(dir: &Path, is_new: bool) -> io::Result<Self> {
        let path = path(dir);
        if is_new && !path.exists() {
            place(&path, MAGIC)?;
        }
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path)?;
        let (mut hidden, end) = Hidden::of(&file)?;
        if !hidden.whole {
            tracing::error!(path = %path.display(), "damaged or missing: all user keys are hidden until the list of people is told again");
            hidden.revision = Revision(0);
        }
        let changes = u64::from(!hidden.is_empty());
        let written = hidden.revision;
        Ok(Self { path, file, end, hidden, changes, failed: false, written })
    }

    /// What it says.
    pub(crate) fn hidden(&self) -> &Hidden {
        &self.hidden
    }

    /// How far in the list of people it is.
    pub(crate) fn revision(&self) -> Revision {
        self.hidden.revision
    }

    /// Moves on whenever more is hidden.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// How many users it names.
    pub(crate) fn len(&self) -> usize {
        self.hidden.users.len()
    }

    /// Hides keys, durably before it returns, and is this far in the list then. There are no keys in events up to `moment`:
    /// whoever was erased before is left out.
    pub(crate) fn hide(
        &mut self,
        erasures: &[Erasure],
        revision: Revision,
        moment: Timestamp,
    ) -> io::Result<()> {
        let new: Vec<_> = erasures.iter().filter(|one| self.hidden.needs(one, moment)).copied().collect();
        if !new.is_empty() {
            // Hidden in this process from here on, whatever the disk says.
            self.hidden.users.extend(new.iter().map(|one| (one.user, one.until)));
            self.changes += 1;
            let was_failed = std::mem::replace(&mut self.failed, true);
            if was_failed && self.hidden.whole {
                self.rewrite(revision)?
            } else {
                self.add(&new, revision)?
            }
            self.failed = false;
        }
        self.hidden.revision = self.hidden.revision.max(revision);
        Ok(())
    }

    fn add(&mut self, new: &[Erasure], revision: Revision) -> io::Result<()> {
        let bytes: Vec<u8> = new.iter().flat_map(|one| entry(one, revision)).collect();
        // A part of an entry that nobody finished.
        self.file.set_len(self.end)?;
        self.file.write_all_at(&bytes, self.end)?;
        self.file.sync_data()?;
        self.end += bytes.len() as u64;
        self.written = self.written.max(revision);
        Ok(())
    }

    /// The list of people was told from the beginning or from where the file was, to its end: a file that could not be
    /// trusted is made anew. The next start goes on from here.
    pub(crate) fn complete(&mut self) -> io::Result<()> {
        let revision = self.hidden.revision;
        if !self.hidden.whole || self.failed {
            self.rewrite(revision)?;
            (self.hidden.whole, self.failed) = (true, false);
        } else if revision > self.written {
            self.failed = true;
            self.add(&[NOBODY], revision)?;
            self.failed = false;
        }
        Ok(())
    }

    /// Forgets who was erased up to here: no key from before is left in any segment. Makes the file anew when much of
    /// it is of no use.
    pub(crate) fn forget_until(&mut self, moment: Timestamp) -> io::Result<()> {
        self.hidden.users.retain(|_, until| *until > moment);
        let entries = (self.end - MAGIC.len() as u64) / ENTRY as u64;
        if self.hidden.whole && entries > 2 * self.hidden.users.len() as u64 + SLACK {
            self.rewrite(self.hidden.revision)
        } else {
            Ok(())
        }
    }

    fn rewrite(&mut self, revision: Revision) -> io::Result<()> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(entry(&NOBODY, revision));
        for (user, until) in &self.hidden.users {
            bytes.extend(entry(&Erasure { user: *user, until: *until }, revision));
        }
        self.file = place(&self.path, &bytes)?;
        (self.end, self.written) = (bytes.len() as u64, revision);
        Ok(())
    }
}

/// The file in the hands of a reader, in whatever process.
#[derive(Debug)]
pub(crate) struct ErasedView {
    path: PathBuf,
    hidden: Hidden,
    /// Inode and length of what was read.
    seen: Option<(u64, u64)>,
}

impl ErasedView {
    pub(crate) fn new(dir: &Path) -> Self {
        Self { path: path(dir), hidden: Hidden::default(), seen: None }
    }

    /// What the file says now. One that is away hides everything.
    pub(crate) fn now(&mut self) -> io::Result<&Hidden> {
        let meta = match fs::metadata(&self.path) {
            Ok(meta) => meta,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                (self.hidden, self.seen) = (Hidden::default(), None);
                return Ok(&self.hidden);
            }
            Err(error) => return Err(error),
        };
        match self.seen {
            Some((inode, read))
                if inode == meta.ino() && meta.len() < read + ENTRY as u64 && meta.len() >= read => {}
            Some((inode, read)) if inode == meta.ino() && meta.len() > read => {
                let file = File::open(&self.path)?;
                // Between the two looks another file may have got the name: the next look sees that.
                let end = self.hidden.read(&file, read)?;
                self.seen = Some((inode, end));
            }
            _ => {
                let file = File::open(&self.path)?;
                let inode = file.metadata()?.ino();
                let (hidden, end) = Hidden::of(&file)?;
                (self.hidden, self.seen) = (hidden, Some((inode, end)));
            }
        }
        Ok(&self.hidden)
    }
}

#[cfg(test)]
mod tests;
