//! Writes segments: the part that has no threads. Each commit is a group of records; it is in the file whole or not at
//! all, whatever the disk does.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tagbid_ports::{Event, EventKind, EventSource};
use tagbid_types::{Clock, Timestamp};
use tagbid_wire::events::{encode_record, encode_sources};

use crate::dir::{Directory, place, segment_path};
use crate::error::OpenError;
use crate::format::{FrameKind, HEADERS, Header, Summary, push};
use crate::metrics::Totals;
use crate::options::Options;
use crate::recover::{Scan, Stand, recover};

/// How long a segment goes on that could not be ended.
const REST: Duration = Duration::from_secs(10);

/// Most sources of one log. One more is refused.
pub(crate) const MAX_SOURCES: usize = 64;

/// Writes the log of one directory.
pub(crate) struct Writer {
    directory: Directory,
    segment_bytes: u64,
    segment_age: Duration,
    clock: Arc<dyn Clock>,
    totals: Arc<Totals>,
    stand: Stand,
    /// The segment that is written; none: the next record begins one.
    active: Option<Active>,
    /// Not to be ended before: the disk has just refused it.
    rests_until: Timestamp,
}

/// The segment that is written.
struct Active {
    file: File,
    path: PathBuf,
    header: Header,
    /// When it got its first record; none while it has none.
    since: Option<Timestamp>,
    written: Mark,
    /// What is on disk for certain.
    synced: Mark,
}

/// How far a segment is.
#[derive(Clone)]
struct Mark {
    length: u64,
    summary: Summary,
    stand: Stand,
}

/// Records on their way into the file.
pub(crate) struct Group {
    bytes: Vec<u8>,
    salt: u64,
    /// How far the segment will be.
    mark: Mark,
    kinds: Vec<EventKind>,
    scratch: Vec<u8>,
}

impl Group {
    /// Adds a record. False: it is longer than any record may be.
    #[must_use]
    pub(crate) fn push(&mut self, event: &Event, numbered: Option<(&EventSource, u64)>) -> bool {
        self.scratch.clear();
        encode_record(event, numbered, &mut self.scratch);
        let position = self.mark.stand.next;
        if !push(&mut self.bytes, self.salt, FrameKind::Record, position, &self.scratch) {
            return false;
        }
        self.mark.stand.next += 1;
        self.mark.summary.add(event.at, event.user.is_some());
        if let Some((source, number)) = numbered {
            match self.mark.stand.sources.get_mut(source) {
                Some(last) => *last = number,
                None => drop(self.mark.stand.sources.insert(source.clone(), number)),
            }
        }
        self.kinds.push(event.kind());
        true
    }

    /// How far everything will be with this group.
    pub(crate) fn stand(&self) -> &Stand {
        &self.mark.stand
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.kinds.is_empty()
    }
}

impl Writer {
    /// Opens the log to write: recovers what the last writer left.
    pub(crate) fn open(
        directory: Directory,
        options: &Options,
        clock: Arc<dyn Clock>,
        totals: Arc<Totals>,
    ) -> Result<Self, OpenError> {
        let (stand, last) = recover(directory.path())?;
        let mut writer = Self {
            directory,
            segment_bytes: options.segment_bytes,
            segment_age: Duration::from_secs(options.segment_s),
            clock,
            totals,
            stand,
            active: None,
            rests_until: Timestamp(i64::MIN),
        };
        if let Some((file, scan)) = last {
            writer.go_on(file.path, scan)?;
        }
        Ok(writer)
    }

    /// Goes on with the last segment: says what is damaged, cuts a torn end.
    fn go_on(&mut self, path: PathBuf, scan: Scan) -> Result<(), OpenError> {
        for (offset, bytes) in &scan.damage {
            self.totals.damage.inc();
            tracing::error!(file = %path.display(), offset, bytes, "damaged: what stood here is lost to the event log");
        }
        if scan.ended {
            return Ok(());
        }
        let io = |error| OpenError::Io { path: path.clone(), error };
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(io)?;
        if scan.left > 0 {
            self.totals.torn_bytes.add(scan.left);
            tracing::warn!(
                file = %path.display(), offset = scan.end, bytes = scan.left,
                "the end is torn and is cut off: nothing of it was acknowledged"
            );
            file.set_len(scan.end).map_err(io)?;
        }
        file.sync_all().map_err(io)?;
        let mut summary = scan.summary;
        // What is damaged may have had one.
        summary.has_keys |= !scan.damage.is_empty();
        let mark = Mark { length: scan.end, summary, stand: self.stand.clone() };
        let since = (scan.summary.records > 0).then_some(scan.header.created);
        let (written, synced) = (mark.clone(), mark);
        self.active = Some(Active { file, path, header: scan.header, since, written, synced });
        Ok(())
    }

    /// How far everything is that was committed.
    pub(crate) fn stand(&self) -> &Stand {
        self.active.as_ref().map_or(&self.stand, |active| &active.written.stand)
    }

    /// Begins a group; and a segment, where there is none.
    pub(crate) fn begin(&mut self) -> io::Result<Group> {
        let active = match self.active.take() {
            Some(active) => active,
            None => self.new_segment()?,
        };
        let (salt, mark) = (active.header.salt, active.written.clone());
        self.active = Some(active);
        Ok(Group { bytes: Vec::new(), salt, mark, kinds: Vec::new(), scratch: Vec::new() })
    }

    fn new_segment(&self) -> io::Result<Active> {
        let mut salt = [0; 8];
        getrandom::fill(&mut salt).map_err(|error| io::Error::other(error.to_string()))?;
        let stand = self.stand.clone();
        let header = Header { salt: u64::from_le_bytes(salt), first: stand.next, created: self.clock.now() };
        let bytes = beginning(header, &stand);
        let path = segment_path(self.directory.path(), header.first);
        let file = place(&path, &bytes)?;
        self.totals.bytes.add(bytes.len() as u64);
        let mark = Mark { length: bytes.len() as u64, summary: Summary::default(), stand };
        Ok(Active { file, path, header, since: None, written: mark.clone(), synced: mark })
    }

    /// Writes a group. Durable when it returns, if wanted. After an error nothing of the group is in the log.
    pub(crate) fn commit(&mut self, group: Group, durable: bool) -> io::Result<()> {
        let now = self.clock.now();
        let Some(active) = &mut self.active else { return Err(io::Error::other("no segment was begun")) };
        if let Err(error) = active.put(&group.bytes, durable, &self.totals) {
            self.totals.failed.inc();
            return Err(error);
        }
        active.since = active.since.or(Some(now));
        active.written = Mark { length: active.written.length + group.bytes.len() as u64, ..group.mark };
        if durable {
            active.synced = active.written.clone();
        }
        self.totals.bytes.add(group.bytes.len() as u64);
        group.kinds.iter().for_each(|kind| self.totals.written(*kind).inc());
        Ok(())
    }

    /// Ends the segment when it is large or old enough.
    pub(crate) fn rotate_if_due(&mut self) {
        let now = self.clock.now();
        let due = self.active.as_ref().is_some_and(|active| {
            active.written.length >= self.segment_bytes
                || active.since.is_some_and(|since| now.since(since) >= self.segment_age)
        });
        if due
            && now >= self.rests_until
            && let Err(error) = self.end_segment()
        {
            self.rests_until = now.after(REST);
            self.totals.failed.inc();
            tracing::warn!(%error, "the segment cannot be ended now; it goes on");
        }
    }

    fn end_segment(&mut self) -> io::Result<()> {
        let Some(active) = &mut self.active else { return Ok(()) };
        let mut bytes = Vec::new();
        let Mark { stand, summary, .. } = &active.written;
        if !push(&mut bytes, active.header.salt, FrameKind::End, stand.next, &summary.to_bytes()) {
            return Err(io::Error::other("a summary that is too long"));
        }
        active.put(&bytes, true, &self.totals)?;
        self.totals.bytes.add(bytes.len() as u64);
        self.stand = active.written.stand.clone();
        self.active = None;
        Ok(())
    }

    /// Makes durable what is written.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        let Some(active) = &mut self.active else { return Ok(()) };
        active.file.sync_data()?;
        active.synced = active.written.clone();
        Ok(())
    }
}

impl Active {
    /// Writes behind what is written. After an error nothing of it stays.
    fn put(&mut self, bytes: &[u8], durable: bool, totals: &Totals) -> io::Result<()> {
        if let Err(error) = self.write(bytes) {
            self.cut();
            return Err(error);
        }
        if durable && let Err(error) = self.file.sync_data() {
            // Nobody knows what of it the disk has, and asking again does not tell: back to what it has for certain. That
            // may cost sampled events, which nobody was promised.
            totals.dropped.add(self.written.stand.next - self.synced.stand.next);
            self.written = self.synced.clone();
            self.cut();
            return Err(error);
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        // What an attempt left that failed, and could not be cut then.
        if self.file.metadata()?.len() != self.written.length {
            self.file.set_len(self.written.length)?;
        }
        self.file.write_all_at(bytes, self.written.length)
    }

    /// Cuts off what is beyond; the next write tries again.
    fn cut(&self) {
        if let Err(error) = self.file.set_len(self.written.length) {
            tracing::warn!(file = %self.path.display(), %error, "what was written in part cannot be cut off yet");
        }
    }
}

/// The first bytes of a segment.
pub(crate) fn beginning(header: Header, stand: &Stand) -> Vec<u8> {
    let mut bytes = header.to_bytes().to_vec();
    let sources = encode_sources(stand.sources.iter().map(|(source, position)| (source, *position)));
    for _twice in 0..2 {
        // At most MAX_SOURCES names of 64 bytes: it fits.
        let fits = push(&mut bytes, header.salt, FrameKind::Sources, header.first, &sources);
        debug_assert!(fits && bytes.len() > HEADERS);
    }
    bytes
}
