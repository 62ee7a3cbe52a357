//! Whose keys are hidden: the file `erased` beside the segments, which every reader looks at before it shows a key.
//!
//! ```text
//! "tagbid erased 1\n"
//! entries: user key 16 bytes, hidden up to i64 (microseconds since 1970), position in the list of people u64,
//!          CRC-32C u32 of these 32 bytes
//! ```
//! Of a user the last entry holds. A file that is damaged or missing hides every key: nobody can say whose it named. The
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
                self.users.insert(user, Timestamp(until));
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
        Ok(Self { path, file, end, hidden, changes, failed: false })
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

    /// Hides keys, durably before it returns, and is this far in the list then.
    pub(crate) fn hide(&mut self, erasures: &[Erasure], revision: Revision) -> io::Result<()> {
        let known = |one: &Erasure| self.hidden.users.get(&one.user) == Some(&one.until);
        let new: Vec<_> = erasures.iter().filter(|one| !known(one)).copied().collect();
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
        Ok(())
    }

    /// The list of people was told from the beginning or from where the file was, to its end: a file that could not be
    /// trusted is made anew.
    pub(crate) fn complete(&mut self) -> io::Result<()> {
        if self.hidden.whole {
            return Ok(());
        }
        self.rewrite(self.hidden.revision)?;
        self.hidden.whole = true;
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
        for (user, until) in &self.hidden.users {
            bytes.extend(entry(&Erasure { user: *user, until: *until }, revision));
        }
        self.file = place(&self.path, &bytes)?;
        self.end = bytes.len() as u64;
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
mod tests {
    use std::io::Write;

    use super::*;

    fn erasure(user: u8, until: i64) -> Erasure {
        Erasure { user: UserKey([user; 16]), until: Timestamp(until) }
    }

    fn hides(hidden: &Hidden, user: u8, at: i64) -> bool {
        hidden.hides(&UserKey([user; 16]), Timestamp(at))
    }

    #[test]
    fn what_is_hidden_is_hidden_for_every_reader_and_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = ErasedFile::open(dir.path(), true).unwrap();
        let mut view = ErasedView::new(dir.path());
        assert!(view.now().unwrap().is_empty());

        file.hide(&[erasure(1, 100), erasure(2, i64::MAX)], Revision(7)).unwrap();
        let hidden = view.now().unwrap();
        assert!(hides(hidden, 1, 100) && !hides(hidden, 1, 101) && hides(hidden, 2, i64::MAX));
        assert!(!hides(hidden, 3, 0));

        file.hide(&[erasure(2, 50)], Revision(9)).unwrap();
        assert!(!hides(view.now().unwrap(), 2, 51), "the latest entry holds");
        drop(file);
        let file = ErasedFile::open(dir.path(), false).unwrap();
        assert_eq!((file.revision(), file.len()), (Revision(9), 2));
        assert!(hides(file.hidden(), 1, 100));
    }

    #[test]
    fn a_damaged_file_hides_everybody_until_the_list_was_told_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = ErasedFile::open(dir.path(), true).unwrap();
        file.hide(&[erasure(1, 100), erasure(2, 100)], Revision(7)).unwrap();
        drop(file);
        let place = path(dir.path());
        let mut bytes = fs::read(&place).unwrap();
        bytes[MAGIC.len() + 3] ^= 1;
        fs::write(&place, &bytes).unwrap();

        let mut view = ErasedView::new(dir.path());
        assert!(hides(view.now().unwrap(), 9, 1_000));
        let mut file = ErasedFile::open(dir.path(), false).unwrap();
        assert_eq!(file.revision(), Revision(0), "the list is wanted from the beginning");
        file.hide(&[erasure(1, 100), erasure(2, 100)], Revision(8)).unwrap();
        assert!(hides(view.now().unwrap(), 9, 1_000), "and until its end everybody is hidden");
        file.complete().unwrap();
        let hidden = view.now().unwrap();
        assert!(!hides(hidden, 9, 0) && hides(hidden, 1, 100) && hides(hidden, 2, 100));

        fs::remove_file(&place).unwrap();
        assert!(hides(view.now().unwrap(), 9, 0), "no file, no key");
        assert!(!ErasedFile::open(dir.path(), false).unwrap().hidden().is_whole());
    }

    #[test]
    fn an_entry_that_was_not_written_whole_was_not_acknowledged() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = ErasedFile::open(dir.path(), true).unwrap();
        file.hide(&[erasure(1, 100)], Revision(7)).unwrap();
        drop(file);
        let mut torn = OpenOptions::new().append(true).open(path(dir.path())).unwrap();
        torn.write_all(&[1; ENTRY - 1]).unwrap();
        let mut view = ErasedView::new(dir.path());
        assert!(!hides(view.now().unwrap(), 9, 0));
        let mut file = ErasedFile::open(dir.path(), false).unwrap();
        file.hide(&[erasure(2, 100)], Revision(8)).unwrap();
        let hidden = view.now().unwrap();
        assert!(hides(hidden, 1, 100) && hides(hidden, 2, 100) && !hides(hidden, 9, 0));
    }

    #[test]
    fn what_the_disk_refused_is_hidden_here_at_once_and_elsewhere_when_it_is_acknowledged() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = ErasedFile::open(dir.path(), true).unwrap();
        let mut view = ErasedView::new(dir.path());
        file.hide(&[erasure(1, 100)], Revision(7)).unwrap();
        // A handle that cannot be written to stands for a disk that cannot.
        file.file = File::open(path(dir.path())).unwrap();
        file.hide(&[erasure(2, 100)], Revision(8)).unwrap_err();
        assert!(hides(file.hidden(), 2, 100) && !hides(view.now().unwrap(), 2, 100));
        assert_eq!(file.revision(), Revision(7), "the list is asked for it again");
        // Somebody saw a write that failed: what is written in its place must not be taken for it.
        let mut seen = OpenOptions::new().append(true).open(path(dir.path())).unwrap();
        seen.write_all(&entry(&erasure(3, 100), Revision(8))).unwrap();
        assert!(hides(view.now().unwrap(), 3, 100));

        file.hide(&[erasure(2, 100), erasure(4, 100)], Revision(8)).unwrap();
        let hidden = view.now().unwrap();
        assert!([1, 2, 4].iter().all(|user| hides(hidden, *user, 100)) && !hides(hidden, 3, 100));
        assert_eq!(file.revision(), Revision(8));
    }

    #[test]
    fn who_is_forgotten_needs_no_room() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = ErasedFile::open(dir.path(), true).unwrap();
        let many: Vec<_> = (0..5_000_u32)
            .map(|n| {
                let mut key = [0; 16];
                key[..4].copy_from_slice(&n.to_le_bytes());
                Erasure { user: UserKey(key), until: Timestamp(i64::from(n)) }
            })
            .collect();
        file.hide(&many, Revision(7)).unwrap();
        file.forget_until(Timestamp(4_998)).unwrap();
        assert_eq!(fs::metadata(path(dir.path())).unwrap().len(), (MAGIC.len() + ENTRY) as u64);
        let mut view = ErasedView::new(dir.path());
        let hidden = view.now().unwrap();
        assert!(
            hidden.hides(&many[4_999].user, Timestamp(4_999)) && !hidden.hides(&many[0].user, Timestamp(0))
        );
        drop(file);
        assert_eq!(ErasedFile::open(dir.path(), false).unwrap().revision(), Revision(7));
    }
}
