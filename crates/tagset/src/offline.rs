//! Offline tags of one user in one snapshot of a dataset.
//!
//! ```text
//! body:   as-of time, u32 seconds since 1970, little-endian
//!         number of tags, varint
//! a tag:  id minus the id before minus one (the first: the id), varint; ids ascend
//!         weight, u8
//!         lifetime in seconds after the as-of time, minus the lifetime of the tag before (the first: minus 0),
//!         zigzag varint
//! ```
//! Lifetimes as differences, because the tags of one dataset mostly share one: then each costs a byte and still
//! ends at its exact second. 60 tags out of a million take about 260 bytes.

use std::cmp::Reverse;
use std::time::Duration;

use tagbid_types::{TagId, Timestamp};

use crate::blob::{self, BlobError, Kind, LiveTag, MAX_TAGS};
use crate::varint::{self, Reader};

/// One offline tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfflineTag {
    /// The tag.
    pub id: TagId,
    /// 0 to 255.
    pub weight: u8,
    /// It is gone this many seconds after the dataset's as-of time.
    pub ttl_s: u32,
}

/// Writes a blob from tags in any order. The as-of time keeps its whole seconds.
///
/// Refused: a tag twice, more than [`MAX_TAGS`], more than [`crate::MAX_BYTES`], a time before 1970 or after 2106.
pub fn encode(as_of: Timestamp, tags: &[OfflineTag]) -> Result<Vec<u8>, BlobError> {
    if tags.len() > MAX_TAGS {
        return Err(BlobError::TooMany { tags: tags.len() });
    }
    let mut sorted = tags.to_vec();
    sorted.sort_unstable_by_key(|tag| tag.id);
    let mut out = blob::begin(Kind::Offline, 16 + 5 * tags.len());
    out.extend_from_slice(&blob::seconds(as_of)?.to_le_bytes());
    varint::put(&mut out, sorted.len() as u64);
    let (mut next_id, mut ttl) = (0_u64, 0_i64);
    for tag in sorted {
        let id = u64::from(tag.id.0);
        let step = id.checked_sub(next_id).ok_or(BlobError::Duplicate(tag.id))?;
        varint::put(&mut out, step);
        out.push(tag.weight);
        varint::put(&mut out, varint::zigzag(i64::from(tag.ttl_s) - ttl));
        (next_id, ttl) = (id + 1, tag.ttl_s.into());
    }
    blob::seal(out)
}

/// The tags of two ids of one person, in one dataset: of a tag that both have, the one of the later as-of time stays, of
/// one time the heavier. Beyond the caps the lightest go. The same whichever comes first.
pub fn union(one: &[u8], other: &[u8]) -> Result<Vec<u8>, BlobError> {
    let (one, other) = (Offline::parse(one)?, Offline::parse(other)?);
    let as_of = one.as_of.max(other.as_of);
    let mut tags: Vec<(Timestamp, OfflineTag)> = Vec::with_capacity(one.count + other.count);
    for blob in [&one, &other] {
        let older_s = u32::try_from(as_of.since(blob.as_of).as_secs()).unwrap_or(u32::MAX);
        for tag in blob.tags() {
            let tag = tag?;
            // Counted from the later time; what has ended by then is gone.
            if let Some(ttl_s) = tag.ttl_s.checked_sub(older_s).filter(|ttl_s| older_s == 0 || *ttl_s > 0) {
                tags.push((blob.as_of, OfflineTag { ttl_s, ..tag }));
            }
        }
    }
    tags.sort_unstable_by_key(|(at, tag)| (tag.id, Reverse((*at, tag.weight, tag.ttl_s))));
    tags.dedup_by_key(|(_, tag)| tag.id);
    let mut tags: Vec<_> = tags.into_iter().map(|(_, tag)| tag).collect();
    tags.sort_unstable_by_key(|tag| (Reverse(tag.weight), tag.id));
    tags.truncate(MAX_TAGS);
    loop {
        match encode(as_of, &tags) {
            // Only huge ids and lifetimes get here; an eighth less each time ends soon.
            Err(BlobError::TooLarge { .. }) => tags.truncate(tags.len() - tags.len().div_ceil(8)),
            done => return done,
        }
    }
}

/// A blob being read: borrowed, checked for type, size and checksum.
#[derive(Clone, Copy, Debug)]
pub struct Offline<'a> {
    as_of: Timestamp,
    count: usize,
    tags: Reader<'a>,
}

impl<'a> Offline<'a> {
    /// Opens a blob.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BlobError> {
        let mut reader = Reader::new(blob::open(Kind::Offline, bytes)?);
        let as_of = Timestamp::from_secs(u32::from_le_bytes(reader.array()?).into());
        let count = reader.varint()? as usize;
        if count > MAX_TAGS {
            return Err(BlobError::TooMany { tags: count });
        }
        Ok(Self { as_of, count, tags: reader })
    }

    /// The moment that the tags describe.
    pub fn as_of(&self) -> Timestamp {
        self.as_of
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
        Tags { reader: self.tags, left: self.count, next_id: 0, ttl: 0 }
    }

    /// Gives every tag that is not expired `now` to `sink`, ascending by id, without allocating. After an error
    /// the caller discards what the sink got: the blob is to be treated as unreadable as a whole.
    pub fn live(&self, now: Timestamp, mut sink: impl FnMut(LiveTag)) -> Result<(), BlobError> {
        let age_s = blob::age_s(now, self.as_of);
        let mut tags = self.tags();
        for _ in 0..self.count {
            let tag = tags.read()?;
            if tag.ttl_s > age_s {
                sink(LiveTag { id: tag.id, weight: tag.weight, age_s });
            }
        }
        tags.end()
    }

    /// The lifetime of the tag that lives longest, in seconds from the as-of time; 0 when there is none.
    pub fn longest_ttl_s(&self) -> Result<u32, BlobError> {
        self.tags().try_fold(0, |longest, tag| Ok(longest.max(tag?.ttl_s)))
    }

    /// When the tag expires.
    pub fn expiry(&self, tag: &OfflineTag) -> Timestamp {
        self.as_of.after(Duration::from_secs(tag.ttl_s.into()))
    }
}

/// Iterator over the tags of a blob.
#[derive(Clone, Debug)]
pub struct Tags<'a> {
    reader: Reader<'a>,
    left: usize,
    next_id: u64,
    ttl: i64,
}

impl Tags<'_> {
    /// What follows the last tag is nothing of ours.
    fn end(&self) -> Result<(), BlobError> {
        if self.reader.is_empty() { Ok(()) } else { Err(BlobError::Malformed("bytes after the last tag")) }
    }

    #[inline]
    fn read(&mut self) -> Result<OfflineTag, BlobError> {
        let step = self.reader.varint32()?;
        let id = u32::try_from(self.next_id + u64::from(step))
            .map_err(|_| BlobError::Malformed("a tag id over 32 bits"))?;
        let weight = self.reader.u8()?;
        let change = varint::unzigzag(self.reader.varint()?);
        let ttl_s = self.ttl.checked_add(change).and_then(|ttl| u32::try_from(ttl).ok());
        let ttl_s = ttl_s.ok_or(BlobError::Malformed("a lifetime outside 32 bits"))?;
        (self.next_id, self.ttl) = (u64::from(id) + 1, ttl_s.into());
        Ok(OfflineTag { id: TagId(id), weight, ttl_s })
    }
}

impl Iterator for Tags<'_> {
    type Item = Result<OfflineTag, BlobError>;

    #[inline]
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
