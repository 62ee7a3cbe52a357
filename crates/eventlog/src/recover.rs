//! What a log finds when it is opened: where it ends, and where each source stands.

use std::collections::BTreeMap;
use std::path::Path;

use tagbid_ports::EventSource;
use tagbid_wire::events::{decode_record, decode_sources};

use crate::dir::{SegmentFile, segments};
use crate::error::{OpenError, ReadError};
use crate::format::{FrameKind, Header, Summary};
use crate::frames::{Frames, Next};

/// What the next record needs to know of all before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stand {
    /// Position of the next record.
    pub(crate) next: u64,
    /// Last position of each source.
    pub(crate) sources: BTreeMap<EventSource, u64>,
}

/// All that is known of one segment after reading it.
#[derive(Debug)]
pub(crate) struct Scan {
    pub(crate) header: Header,
    pub(crate) summary: Summary,
    /// Where sources stand at its end, as far as it says.
    pub(crate) sources: BTreeMap<EventSource, u64>,
    /// It says where all sources stood at its beginning.
    pub(crate) knows_sources: bool,
    /// Position behind its last record.
    pub(crate) next: u64,
    /// It is written no more.
    pub(crate) ended: bool,
    /// Offset behind its last frame.
    pub(crate) end: u64,
    /// Bytes behind that.
    pub(crate) left: u64,
    /// Offset and bytes of each damaged place.
    pub(crate) damage: Vec<(u64, u64)>,
}

/// Reads a segment to its end.
pub(crate) fn scan(path: &Path) -> Result<Scan, ReadError> {
    let (mut frames, damaged_header) = Frames::open(path)?;
    let header = frames.header();
    let mut scan = Scan {
        header,
        summary: Summary::default(),
        sources: BTreeMap::new(),
        // Nothing came before the first record of all.
        knows_sources: header.first == 1,
        next: header.first,
        ended: false,
        end: frames.at(),
        left: 0,
        damage: damaged_header.map(|at| (at, crate::format::HEADER as u64)).into_iter().collect(),
    };
    loop {
        match frames.next().map_err(ReadError::io(path))? {
            Next::Frame { at, kind, position, payload } => {
                scan.take(path, at, kind, position, payload)?;
                scan.end = frames.at();
            }
            Next::Damage { at, bytes } => scan.damage.push((at, bytes)),
            Next::End { left } => {
                // What is damaged behind the last frame is a part of the end.
                scan.left = frames.at() + left - scan.end;
                scan.damage.retain(|(at, _)| *at < scan.end);
                return Ok(scan);
            }
        }
    }
}

impl Scan {
    fn take(
        &mut self,
        path: &Path,
        offset: u64,
        kind: FrameKind,
        position: u64,
        payload: &[u8],
    ) -> Result<(), ReadError> {
        let newer = |problem: String| ReadError::Newer { path: path.to_owned(), offset, problem };
        match kind {
            FrameKind::Record => {
                let record = decode_record(payload).map_err(|error| newer(error.to_string()))?;
                self.summary.add(record.event.at, record.event.user.is_some());
                if let Some((source, number)) = record.numbered {
                    self.stands(source, number);
                }
                self.next = position + 1;
            }
            FrameKind::Sources => {
                let sources = decode_sources(payload).map_err(|error| newer(error.to_string()))?;
                sources.into_iter().for_each(|(source, number)| self.stands(source, number));
                self.knows_sources = true;
            }
            FrameKind::End => (self.ended, self.next) = (true, position),
        }
        Ok(())
    }

    fn stands(&mut self, source: EventSource, number: u64) {
        let last = self.sources.entry(source).or_default();
        *last = number.max(*last);
    }
}

/// How the log ends: the stand, and the last segment with what was found in it.
pub(crate) fn recover(dir: &Path) -> Result<(Stand, Option<(SegmentFile, Scan)>), OpenError> {
    let files = segments(dir).map_err(|error| OpenError::Io { path: dir.to_owned(), error })?;
    let mut stand = Stand { next: 1, sources: BTreeMap::new() };
    let mut last = None;
    for file in files.into_iter().rev() {
        let scan = scan(&file.path)?;
        if last.is_none() {
            stand.next = scan.next;
        }
        for (source, number) in &scan.sources {
            // Later segments know better; they were read first.
            stand.sources.entry(source.clone()).or_insert(*number);
        }
        let enough = scan.knows_sources;
        last.get_or_insert((file, scan));
        if enough {
            return Ok((stand, last));
        }
    }
    match last {
        None => Ok((stand, None)),
        Some(_) => Err(OpenError::Sources { path: dir.to_owned() }),
    }
}
