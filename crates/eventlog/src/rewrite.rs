//! Makes a segment anew without some of its user keys. Records keep their positions; the old file is there until the new one is
//! whole and durable, and takes its name in one step.

use std::io::{self, Write};
use std::path::Path;

use tagbid_ports::Event;
use tagbid_wire::events::{decode_record, encode_record};

use crate::dir::begin;
use crate::error::ReadError;
use crate::format::{FrameKind, Header, Summary, push};
use crate::frames::{Frames, Next};

/// Written at once.
const CHUNK: usize = 1 << 20;

/// What became of a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rewritten {
    /// Keys that are gone.
    pub(crate) keys: u64,
    /// Damaged places, which are gone too: nobody knows whose keys they had. The gap in the positions stays.
    pub(crate) damage: u64,
}

/// Whether a segment has a key that is to go.
pub(crate) fn has_any(path: &Path, strip: impl Fn(&Event) -> bool) -> Result<bool, ReadError> {
    let (mut frames, _) = Frames::open(path)?;
    loop {
        match frames.next().map_err(ReadError::io(path))? {
            Next::Frame { at, kind: FrameKind::Record, payload, .. } => {
                let event = decode(path, at, payload)?.0;
                if event.user.is_some() && strip(&event) {
                    return Ok(true);
                }
            }
            Next::Frame { .. } | Next::Damage { .. } => {}
            Next::End { .. } => return Ok(false),
        }
    }
}

type Numbered = Option<(tagbid_ports::EventSource, u64)>;

fn decode(path: &Path, offset: u64, payload: &[u8]) -> Result<(Event, Numbered), ReadError> {
    let newer = |problem: String| ReadError::Newer { path: path.to_owned(), offset, problem };
    decode_record(payload)
        .map(|record| (record.event, record.numbered))
        .map_err(|error| newer(error.to_string()))
}

/// Makes a segment anew without the keys of the events that `strip` names.
pub(crate) fn rewrite(path: &Path, strip: impl Fn(&Event) -> bool) -> Result<Rewritten, ReadError> {
    let (frames, damaged) = Frames::open(path)?;
    let io = ReadError::io(path);
    let (file, unfinished) = begin(path).map_err(&io)?;
    let mut salt = [0; 8];
    getrandom::fill(&mut salt).map_err(|error| io(io::Error::other(error.to_string())))?;
    let header = Header { salt: u64::from_le_bytes(salt), ..frames.header() };
    let mut copy = Copy {
        path,
        out: Vec::with_capacity(CHUNK + 64 * 1024),
        header,
        summary: Summary::default(),
        next: header.first,
        done: Rewritten { keys: 0, damage: u64::from(damaged.is_some()) },
    };
    let copied = copy.all(frames, &file, strip).and_then(|()| unfinished.finish(&file).map_err(&io));
    match copied {
        Ok(()) => Ok(copy.done),
        Err(error) => {
            unfinished.abandon();
            Err(error)
        }
    }
}

/// A segment on its way into a new file.
struct Copy<'a> {
    path: &'a Path,
    out: Vec<u8>,
    header: Header,
    summary: Summary,
    next: u64,
    done: Rewritten,
}

impl Copy<'_> {
    fn all(
        &mut self,
        mut frames: Frames,
        mut to: impl Write,
        strip: impl Fn(&Event) -> bool,
    ) -> Result<(), ReadError> {
        let path = self.path;
        let io = ReadError::io(path);
        self.out.extend(self.header.to_bytes());
        loop {
            match frames.next().map_err(&io)? {
                Next::Frame { at, kind: FrameKind::Record, position, payload } => {
                    self.record(at, position, payload, &strip)?;
                }
                Next::Frame { kind: FrameKind::Sources, position, payload, .. } => {
                    self.push(FrameKind::Sources, position, payload)?;
                }
                Next::Frame { kind: FrameKind::End, position, .. } => self.next = position,
                Next::Damage { .. } => self.done.damage += 1,
                Next::End { left } => {
                    self.done.damage += u64::from(left > 0);
                    break;
                }
            }
            if self.out.len() >= CHUNK {
                to.write_all(&self.out).map_err(&io)?;
                self.out.clear();
            }
        }
        self.push(FrameKind::End, self.next, &self.summary.to_bytes())?;
        to.write_all(&self.out).map_err(&io)
    }

    fn record(
        &mut self,
        at: u64,
        position: u64,
        payload: &[u8],
        strip: impl Fn(&Event) -> bool,
    ) -> Result<(), ReadError> {
        let (mut event, numbered) = decode(self.path, at, payload)?;
        self.next = position + 1;
        if event.user.is_some() && strip(&event) {
            event.user = None;
            self.done.keys += 1;
            let mut without = Vec::with_capacity(payload.len());
            let numbered = numbered.as_ref().map(|(source, number)| (source, *number));
            encode_record(&event, numbered, &mut without);
            self.push(FrameKind::Record, position, &without)?;
        } else {
            self.push(FrameKind::Record, position, payload)?;
        }
        self.summary.add(event.at, event.user.is_some());
        Ok(())
    }

    fn push(&mut self, kind: FrameKind, position: u64, payload: &[u8]) -> Result<(), ReadError> {
        let fits = push(&mut self.out, self.header.salt, kind, position, payload);
        let too_long = || ReadError::io(self.path)(io::Error::other("a record that is too long"));
        if fits { Ok(()) } else { Err(too_long()) }
    }
}
