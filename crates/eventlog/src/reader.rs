//! Reads a log from front to back, in this process or another, while it is written, ended, rewritten and deleted.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use tagbid_ports::{Event, EventSource};
use tagbid_types::Timestamp;
use tagbid_wire::events::decode_record;

use crate::dir::{SegmentFile, segments};
use crate::erased::{self, ErasedView};
use crate::error::ReadError;
use crate::format::{FrameKind, HEADER};
use crate::frames::{Frames, Next};
use crate::query::Query;
use crate::upkeep::end_of;

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With the first record that there is.
    First,
    /// Behind the last one: what comes from now on.
    End,
}

/// One event of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its position in the log.
    pub position: u64,
    /// What happened. The user's key is there unless it is hidden.
    pub event: Event,
    /// Who numbered it and as what; none: a sampled event.
    pub numbered: Option<(EventSource, u64)>,
}

/// Something of a log that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Bytes of a file are no records.
    Bytes {
        /// The file.
        file: PathBuf,
        /// Where they begin.
        offset: u64,
        /// How many.
        bytes: u64,
    },
    /// Records are not there, because of damage before, or because their file is gone.
    Lost {
        /// The file that should have them, or that follows.
        file: PathBuf,
        /// Their positions.
        positions: Range<u64>,
    },
    /// The list of whose keys are hidden is damaged or gone: all are hidden.
    Hidden {
        /// The file.
        file: PathBuf,
    },
    /// The file got shorter: what was read beyond was not durable, and other records come in its place.
    CutBack {
        /// The file.
        file: PathBuf,
        /// Its new end.
        offset: u64,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes { file, offset, bytes } => {
                write!(f, "{}: {bytes} bytes at offset {offset} are damaged", file.display())
            }
            Self::Lost { file, positions } => {
                let last = positions.end.saturating_sub(1);
                write!(f, "{}: records {} to {last} are lost", file.display(), positions.start)
            }
            Self::Hidden { file } => {
                write!(f, "{}: damaged or missing; all user keys are hidden", file.display())
            }
            Self::CutBack { file, offset } => {
                write!(
                    f,
                    "{}: cut back to offset {offset}; what was read beyond was not durable",
                    file.display()
                )
            }
        }
    }
}

/// What a reader comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    /// A wanted event.
    Event(Box<Logged>),
    /// Something that cannot be read; it goes on behind it.
    Damage(Damage),
}

/// Reads a log. It needs no lock and may read what is being written.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    query: Query,
    /// Keys of earlier events are too old to be shown.
    keys_from: Timestamp,
    erased: ErasedView,
    told_hidden: bool,
    /// The segment that is read.
    open: Option<Open>,
    /// Position that comes next; none before the first record.
    next: Option<u64>,
    /// What was read and is to be told yet.
    held: VecDeque<Item>,
    /// Bytes at the end that are no whole record yet.
    left: u64,
}

#[derive(Debug)]
struct Open {
    path: PathBuf,
    first: u64,
    frames: Frames,
    /// What begins before is read for the second time.
    skip_to: u64,
    ended: bool,
}

impl Reader {
    /// Opens a log. `keys_from`: user keys of earlier events are not shown, because they are too old.
    pub fn open(dir: &Path, query: Query, start: Start, keys_from: Timestamp) -> Result<Self, ReadError> {
        let files = segments(dir).map_err(ReadError::io(dir))?;
        if files.is_empty() && !erased::path(dir).exists() {
            return Err(ReadError::NoLog { path: dir.to_owned() });
        }
        let mut reader = Self {
            dir: dir.to_owned(),
            query,
            keys_from,
            erased: ErasedView::new(dir),
            told_hidden: false,
            open: None,
            next: None,
            held: VecDeque::new(),
            left: 0,
        };
        if start == Start::End {
            reader.go_to_end(files)?;
        }
        Ok(reader)
    }

    /// The next event or damage; none when all that there is now was read: asked again, it goes on. Blocks on the disk.
    pub fn read(&mut self) -> Result<Option<Item>, ReadError> {
        loop {
            if let Some(item) = self.held.pop_front() {
                return Ok(Some(item));
            }
            if self.open.is_none() && !self.open_next()? {
                return Ok(None);
            }
            if !self.step()? && !self.after_end()? {
                return Ok(None);
            }
        }
    }

    /// Bytes at the end of the log that are no whole record: it is being written, or torn.
    pub fn left(&self) -> u64 {
        self.left
    }

    fn tell(&mut self, damage: Damage) {
        self.held.push_back(Item::Damage(damage));
    }

    /// One frame. False: there is none.
    fn step(&mut self) -> Result<bool, ReadError> {
        let Some(open) = &mut self.open else { return Ok(false) };
        let path = &open.path;
        match open.frames.next().map_err(|error| ReadError::io(path)(error))? {
            Next::Frame { at, kind: FrameKind::Record, position, payload } => {
                if at < open.skip_to {
                    self.next = Some(position + 1);
                    return Ok(true);
                }
                let newer = |problem| ReadError::Newer { path: path.clone(), offset: at, problem };
                let record = decode_record(payload).map_err(|error| newer(error.to_string()))?;
                self.missing(position, position + 1);
                self.take(Logged { position, event: record.event, numbered: record.numbered })?;
            }
            Next::Frame { kind: FrameKind::Sources, .. } => {}
            Next::Frame { kind: FrameKind::End, position, .. } => {
                open.ended = true;
                self.missing(position, position);
            }
            Next::Damage { at, bytes } => {
                let file = path.clone();
                self.tell(Damage::Bytes { file, offset: at, bytes });
            }
            Next::End { left } => {
                self.left = left;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Something of this position came, and `next` is to come: what was expected before it is lost.
    fn missing(&mut self, position: u64, next: u64) {
        let expected = self.next.replace(next).filter(|expected| *expected < position);
        if let (Some(expected), Some(open)) = (expected, &self.open) {
            let file = open.path.clone();
            self.tell(Damage::Lost { file, positions: expected..position });
        }
    }

    /// A record: wanted or not, with or without its key.
    fn take(&mut self, mut logged: Logged) -> Result<(), ReadError> {
        if !self.query.wants(&logged.event) {
            return Ok(());
        }
        if let Some(user) = logged.event.user {
            let hidden = self.erased.now().map_err(ReadError::io(&self.dir))?;
            if logged.event.at < self.keys_from || hidden.hides(&user.key, logged.event.at) {
                logged.event.user = None;
            }
            if !hidden.is_whole() && !std::mem::replace(&mut self.told_hidden, true) {
                self.tell(Damage::Hidden { file: erased::path(&self.dir) });
            }
        }
        self.held.push_back(Item::Event(Box::new(logged)));
        Ok(())
    }

    /// Opens the segment that comes next. False: there is none yet.
    fn open_next(&mut self) -> Result<bool, ReadError> {
        let files = segments(&self.dir).map_err(ReadError::io(&self.dir))?;
        let wanted = self.next.unwrap_or(0);
        let count = files.len();
        for (index, file) in files.into_iter().enumerate().filter(|(_, file)| file.first >= wanted) {
            let Some((frames, damaged)) = open(&file)? else { continue };
            if index + 1 < count
                && let Some((next, summary)) = end_of(&frames).map_err(ReadError::io(&file.path))?
                && !self.query.overlaps(summary.earliest, summary.latest)
            {
                self.next = Some(next);
                continue;
            }
            // Before the first segment that there is, nothing is missing: segments go for their age from the front.
            if index == 0 || self.next.is_none() {
                self.next = Some(file.first);
            }
            if let Some(offset) = damaged {
                self.tell(Damage::Bytes { file: file.path.clone(), offset, bytes: HEADER as u64 });
            }
            self.open = Some(Open { path: file.path, first: file.first, frames, skip_to: 0, ended: false });
            return Ok(true);
        }
        Ok(false)
    }

    /// At the end of a segment: on to the next if there is one and this one will not grow any more. False: wait.
    fn after_end(&mut self) -> Result<bool, ReadError> {
        let Some(open) = &mut self.open else { return Ok(false) };
        let path = open.path.clone();
        let (length, at) = (open.frames.len().map_err(ReadError::io(&path))?, open.frames.at());
        if length < at {
            (open.frames, open.skip_to) = (Frames::open(&path)?.0, length);
            self.next = Some(open.first);
            self.tell(Damage::CutBack { file: path, offset: length });
            return Ok(true);
        }
        if !open.ended {
            let files = segments(&self.dir).map_err(ReadError::io(&self.dir))?;
            if !files.iter().any(|file| file.first > open.first) {
                return Ok(false);
            }
            // A later one: this one is final, but may have grown before it was.
            if open.frames.len().map_err(ReadError::io(&path))? > at + self.left {
                return Ok(true);
            }
        }
        self.open = None;
        let left = std::mem::take(&mut self.left);
        if left > 0 {
            self.tell(Damage::Bytes { file: path, offset: at, bytes: left });
        }
        Ok(true)
    }

    /// Passes over all that there is.
    fn go_to_end(&mut self, mut files: Vec<SegmentFile>) -> Result<(), ReadError> {
        let Some(last) = files.pop() else { return Ok(()) };
        let Some((mut frames, _)) = open(&last)? else { return Ok(()) };
        let (mut next, mut ended) = (last.first, false);
        loop {
            match frames.next().map_err(ReadError::io(&last.path))? {
                Next::Frame { kind, position, .. } => {
                    ended = kind == FrameKind::End;
                    next = if kind == FrameKind::Record { position + 1 } else { position };
                }
                Next::Damage { .. } => {}
                Next::End { .. } => break,
            }
        }
        self.next = Some(next);
        self.open = Some(Open { path: last.path, first: last.first, frames, skip_to: 0, ended });
        Ok(())
    }
}

/// Opens a segment; none when it was deleted for its age meanwhile.
fn open(file: &SegmentFile) -> Result<Option<(Frames, Option<u64>)>, ReadError> {
    match Frames::open(&file.path) {
        Err(ReadError::Io { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some),
    }
}
