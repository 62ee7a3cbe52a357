//! Real-time tags of one user: each remembers its event, from which its weight decays.
//!
//! ```text
//! body:   newest event, milliseconds since 1970, varint
//!         number of tags, varint
//! a tag:  id minus the id before minus one (the first: the id), varint; ids ascend
//!         weight at the event, u8
//!         milliseconds that the event is older than the newest, varint
//!         half-life in seconds (0: no decay), varint
//!         lifetime in seconds after the event, varint
//! ```
//! Half-life and lifetime travel with the tag: a reader needs no registry, and changing the registry never changes
//! what an earlier event meant.

use std::cmp::Reverse;

use tagbid_types::{TagId, Timestamp};

use crate::blob::{self, BlobError, Kind, LiveTag, MAX_TAGS};
use crate::varint::{self, Reader};

/// One real-time tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealtimeTag {
    /// The tag.
    pub id: TagId,
    /// Weight at the moment of the event, 0 to 255.
    pub weight: u8,
    /// When it happened. Blobs keep whole milliseconds.
    pub event: Timestamp,
    /// The weight halves each time this many seconds pass; 0: it stays.
    pub half_life_s: u32,
    /// The tag is gone this many seconds after the event.
    pub ttl_s: u32,
}

impl RealtimeTag {
    /// The weight at a moment: halved per half-life, rounded to the nearest, 0 from the expiry on. An event of the
    /// future has not decayed yet.
    pub fn weight_at(&self, now: Timestamp) -> u8 {
        if now >= self.expiry() {
            return 0;
        }
        if self.half_life_s == 0 {
            return self.weight;
        }
        let age_us = now.0.saturating_sub(self.event.0).max(0);
        let half_lives = age_us as f64 / (f64::from(self.half_life_s) * 1e6);
        // Within 0.5 to 255.5 by construction, so the cast only cuts the fraction off.
        (f64::from(self.weight) * (-half_lives).exp2() + 0.5) as u8
    }

    /// The moment from which it is gone.
    pub fn expiry(&self) -> Timestamp {
        Timestamp(self.event.0.saturating_add(i64::from(self.ttl_s) * 1_000_000))
    }

    /// Which of two states of the same tag stays: the newer event; for one moment the heavier, then the longer
    /// living. A total order, so that merging gives the same whatever comes first.
    fn rank(&self) -> (i64, u8, u32, u32) {
        (self.event.0, self.weight, self.ttl_s, self.half_life_s)
    }
}

/// Writes a blob from tags in any order.
///
/// Refused: a tag twice, more than [`MAX_TAGS`], more than [`crate::MAX_BYTES`], an event before 1970.
pub fn encode(tags: &[RealtimeTag]) -> Result<Vec<u8>, BlobError> {
    if tags.len() > MAX_TAGS {
        return Err(BlobError::TooMany { tags: tags.len() });
    }
    let mut sorted = tags.to_vec();
    sorted.sort_unstable_by_key(|tag| tag.id);
    let newest = sorted.iter().map(millis).try_fold(0, |most, one| one.map(|one| most.max(one)))?;
    let mut out = blob::begin(Kind::Realtime, 16 + 12 * tags.len());
    varint::put(&mut out, newest);
    varint::put(&mut out, sorted.len() as u64);
    let mut next_id = 0_u64;
    for tag in &sorted {
        let id = u64::from(tag.id.0);
        let step = id.checked_sub(next_id).ok_or(BlobError::Duplicate(tag.id))?;
        varint::put(&mut out, step);
        out.push(tag.weight);
        varint::put(&mut out, newest - millis(tag)?);
        varint::put(&mut out, tag.half_life_s.into());
        varint::put(&mut out, tag.ttl_s.into());
        next_id = id + 1;
    }
    blob::seal(out)
}

fn millis(tag: &RealtimeTag) -> Result<u64, BlobError> {
    u64::try_from(tag.event.0.div_euclid(1_000)).map_err(|_| BlobError::Time(tag.event))
}

/// What a merge made of two blobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// The blob to store.
    pub blob: Vec<u8>,
    /// When its last tag expires: the store may forget it then. The start of time when it holds none.
    pub expires: Timestamp,
}

/// Merges two blobs: for each tag the newer event wins; tags expired `now` go. Beyond the caps the oldest events
/// go, never the write. For one `now` it is commutative, and merging the same blob again changes nothing.
pub fn merge(one: &[u8], other: &[u8], now: Timestamp) -> Result<Merged, BlobError> {
    let mut tags = Realtime::parse(one)?.tags().collect::<Result<Vec<_>, _>>()?;
    for tag in Realtime::parse(other)?.tags() {
        tags.push(tag?);
    }
    condense(tags, now)
}

/// The blob of events that may be about the same tags: what merging them one by one would give, in any order.
pub fn condense(mut tags: Vec<RealtimeTag>, now: Timestamp) -> Result<Merged, BlobError> {
    tags.retain(|tag| tag.expiry() > now);
    tags.sort_unstable_by_key(|tag| (tag.id, Reverse(tag.rank())));
    tags.dedup_by_key(|tag| tag.id);
    keep_newest(&mut tags, MAX_TAGS);
    let mut blob = encode(&tags);
    // Only tags with huge ids, ages and lifetimes get here; an eighth less each time ends soon.
    while let Err(BlobError::TooLarge { .. }) = blob {
        let fewer = tags.len() - tags.len().div_ceil(8);
        keep_newest(&mut tags, fewer);
        blob = encode(&tags);
    }
    let expires = tags.iter().map(RealtimeTag::expiry).max().unwrap_or_default();
    Ok(Merged { blob: blob?, expires })
}

/// The blob without the events up to a moment; none when nothing is left.
pub fn after(blob: &[u8], moment: Timestamp) -> Result<Option<Vec<u8>>, BlobError> {
    let mut tags = Realtime::parse(blob)?.tags().collect::<Result<Vec<_>, _>>()?;
    tags.retain(|tag| tag.event > moment);
    if tags.is_empty() { Ok(None) } else { encode(&tags).map(Some) }
}

fn keep_newest(tags: &mut Vec<RealtimeTag>, most: usize) {
    if tags.len() > most {
        tags.sort_unstable_by_key(|tag| Reverse((tag.rank(), tag.id)));
        tags.truncate(most);
    }
}

/// A blob being read: borrowed, checked for type, size and checksum.
#[derive(Clone, Copy, Debug)]
pub struct Realtime<'a> {
    newest_ms: u64,
    count: usize,
    tags: Reader<'a>,
}

impl<'a> Realtime<'a> {
    /// Opens a blob.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BlobError> {
        let mut reader = Reader::new(blob::open(Kind::Realtime, bytes)?);
        let newest_ms = reader.varint()?;
        if newest_ms > i64::MAX as u64 / 1_000 {
            return Err(BlobError::Malformed("an event beyond the end of time"));
        }
        let count = reader.varint()? as usize;
        if count > MAX_TAGS {
            return Err(BlobError::TooMany { tags: count });
        }
        Ok(Self { newest_ms, count, tags: reader })
    }

    /// How many tags it says it holds, expired ones included.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The tags as written, ascending by id. After an error, the first, nothing more comes.
    pub fn tags(&self) -> Tags<'a> {
        Tags { reader: self.tags, left: self.count, next_id: 0, newest_ms: self.newest_ms }
    }

    /// Gives every tag that still has weight `now` to `sink`, ascending by id, without allocating. After an error
    /// the caller discards what the sink got: the blob is to be treated as unreadable as a whole.
    pub fn live(&self, now: Timestamp, mut sink: impl FnMut(LiveTag)) -> Result<(), BlobError> {
        let mut tags = self.tags();
        for _ in 0..self.count {
            let tag = tags.read()?;
            let weight = tag.weight_at(now);
            if weight > 0 {
                sink(LiveTag { id: tag.id, weight, age_s: blob::age_s(now, tag.event) });
            }
        }
        tags.end()
    }
}

/// Iterator over the tags of a blob.
#[derive(Clone, Debug)]
pub struct Tags<'a> {
    reader: Reader<'a>,
    left: usize,
    next_id: u64,
    newest_ms: u64,
}

impl Tags<'_> {
    /// What follows the last tag is nothing of ours.
    fn end(&self) -> Result<(), BlobError> {
        if self.reader.is_empty() { Ok(()) } else { Err(BlobError::Malformed("bytes after the last tag")) }
    }

    fn read(&mut self) -> Result<RealtimeTag, BlobError> {
        let step = self.reader.varint32()?;
        let id = u32::try_from(self.next_id + u64::from(step))
            .map_err(|_| BlobError::Malformed("a tag id over 32 bits"))?;
        let weight = self.reader.u8()?;
        let older_ms = self.reader.varint()?;
        let event_ms = self.newest_ms.checked_sub(older_ms);
        let event_ms = event_ms.ok_or(BlobError::Malformed("an event before 1970"))?;
        self.next_id = u64::from(id) + 1;
        Ok(RealtimeTag {
            id: TagId(id),
            weight,
            // In range: `parse` has bounded the newest.
            event: Timestamp((event_ms * 1_000) as i64),
            half_life_s: self.reader.varint32()?,
            ttl_s: self.reader.varint32()?,
        })
    }
}

impl Iterator for Tags<'_> {
    type Item = Result<RealtimeTag, BlobError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            let end = self.end();
            self.reader = Reader::new(&[]);
            return end.err().map(Err);
        }
        let tag = self.read();
        self.left -= 1;
        if tag.is_err() {
            self.left = 0;
            self.reader = Reader::new(&[]);
        }
        Some(tag)
    }
}
