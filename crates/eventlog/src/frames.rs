//! The frames of a segment's file, one after the other, over whatever damage is between them.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::ReadError;
use crate::format::{FRAME, FrameKind, HEADERS, Header, MAX_FRAME, Step, step};

/// Read at once. Larger than the longest frame.
const WINDOW: usize = 256 * 1024;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// A frame.
    Frame { at: u64, kind: FrameKind, position: u64, payload: &'a [u8] },
    /// So many bytes are none; a frame stands behind them.
    Damage { at: u64, bytes: u64 },
    /// The end, for now. So many bytes are left that are no frame, or not a whole one yet.
    End { left: u64 },
}

/// A segment's file, read from its front.
#[derive(Debug)]
pub(crate) struct Frames {
    file: File,
    header: Header,
    /// Offset in the file of the first byte that is not read yet.
    at: u64,
    /// Bytes from there on.
    window: Vec<u8>,
    /// How many of them are behind `at`.
    used: usize,
    /// The window reached the end of the file when it was last filled.
    ended: bool,
}

impl Frames {
    /// Opens a segment. Beside it: the offset of the header that is damaged, if one is.
    pub(crate) fn open(path: &Path) -> Result<(Self, Option<u64>), ReadError> {
        let file = File::open(path).map_err(ReadError::io(path))?;
        let mut head = vec![0; HEADERS];
        let length = read_at(&file, &mut head, 0).map_err(ReadError::io(path))?;
        head.truncate(length);
        let (header, damaged) = Header::from_bytes(&head).map_err(|error| ReadError::header(path, error))?;
        Ok((Self { file, header, at: HEADERS as u64, window: Vec::new(), used: 0, ended: false }, damaged))
    }

    pub(crate) fn header(&self) -> Header {
        self.header
    }

    /// Offset of what comes next.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// How long the file is now.
    pub(crate) fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The next frame or what is in its place. After an end it may be asked again: files grow.
    pub(crate) fn next(&mut self) -> io::Result<Next<'_>> {
        self.fill()?;
        if self.rest().is_empty() {
            return Ok(Next::End { left: 0 });
        }
        let (size, kind, position) = match step(self.header.salt, self.rest()) {
            Step::Whole { kind, position, payload } => (FRAME + payload.len(), kind, position),
            Step::None => return self.search(),
        };
        let (at, start) = (self.at, self.used);
        self.advance(size);
        let payload = self.window.get(start + FRAME..start + size).unwrap_or_default();
        Ok(Next::Frame { at, kind, position, payload })
    }

    /// Looks for the next whole frame at every byte: a length is not to be relied on beside damage. Without any the file
    /// ends here: nothing tells damage from a write that did not get to its end. Nor is more read of a file that ended in the
    /// frame: what is written meanwhile would make damage of the half that was seen.
    fn search(&mut self) -> io::Result<Next<'_>> {
        let from = self.at;
        loop {
            self.advance(1);
            let last = self.ended || self.fill()?;
            if matches!(step(self.header.salt, self.rest()), Step::Whole { .. }) {
                return Ok(Next::Damage { at: from, bytes: self.at - from });
            }
            if last && self.rest().len() < FRAME {
                let left = self.at + self.rest().len() as u64 - from;
                self.go_to(from);
                return Ok(Next::End { left });
            }
        }
    }

    /// Goes on from an offset.
    pub(crate) fn go_to(&mut self, at: u64) {
        (self.at, self.used, self.ended) = (at, 0, false);
        self.window.clear();
    }

    fn rest(&self) -> &[u8] {
        self.window.get(self.used..).unwrap_or_default()
    }

    fn advance(&mut self, bytes: usize) {
        self.at += bytes as u64;
        self.used += bytes;
    }

    /// Has a longest frame at hand, or all that there is: then true.
    fn fill(&mut self) -> io::Result<bool> {
        if self.rest().len() >= MAX_FRAME || self.ended && !self.rest().is_empty() {
            return Ok(self.ended);
        }
        self.window.drain(..self.used.min(self.window.len()));
        self.used = 0;
        let had = self.window.len();
        self.window.resize(WINDOW, 0);
        let room = self.window.get_mut(had..).unwrap_or_default();
        let read = read_at(&self.file, room, self.at + had as u64);
        self.window.truncate(had + read.as_ref().copied().unwrap_or(0));
        read?;
        self.ended = self.window.len() < WINDOW;
        Ok(self.ended)
    }
}

/// Reads until the buffer is full or the file ends.
pub(crate) fn read_at(file: &File, mut buffer: &mut [u8], mut at: u64) -> io::Result<usize> {
    let mut all = 0;
    while !buffer.is_empty() {
        match file.read_at(buffer, at) {
            Ok(0) => break,
            Ok(read) => {
                (all, at) = (all + read, at + read as u64);
                buffer = buffer.get_mut(read..).unwrap_or_default();
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}
