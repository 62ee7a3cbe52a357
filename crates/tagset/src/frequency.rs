//! What one user was shown how often, per line item, campaign and advertiser.
//!
//! Impressions are counted in buckets that grow coarser with age, so that every window of a cap is counted from a
//! few dozen numbers: 10 s wide for a minute, 5 min for an hour, 1 h for a day, 6 h for a week, and a total for
//! ever. A bucket counts as long as any part of it lies in the window: a cap errs on the side of showing less, by
//! at most one bucket's width.
//!
//! ```text
//! body:       newest bucket's start, u32 seconds since 1970, little-endian
//!             number of entities, varint
//! an entity:  kind u8 (two bits: 0 line item, 1 campaign, 2 advertiser; three bits: how far back caps look at it, 0 none do,
//!             1 minute, 2 hour, 3 day, 4 week, 5 for ever), id varint, total varint, number of buckets varint
//! a bucket:   (seconds it starts before the newest) * 4 + width (0: 10 s, 1: 5 min, 2: 1 h, 3: 6 h), varint
//!             count, varint
//! at the end: number of recent event ids u8, then 16 bytes each, oldest first
//! ```

mod horizon;
mod shown;

use std::time::Duration;

use tagbid_types::{AdvertiserId, CampaignId, LineItemId, Timestamp};

use crate::blob::{self, BlobError, Kind};
use crate::varint::{self, Reader};

pub use horizon::Horizon;
pub use shown::{Shown, Window};

/// Event ids remembered, to count each event once: more than one user causes while a delivery is retried.
pub const RECENT_EVENTS: usize = 32;

/// Most entities counted for one user; beyond it those go that no cap looks at, of them the one not shown for longest.
pub const MAX_ENTITIES: usize = 128;

/// Most entities counted for a user of whose counts more are needed than [`MAX_ENTITIES`], as far as the blob has room for them.
pub const MAX_NEEDED: usize = 512;

/// Bucket widths in seconds and the age at which a bucket moves into the next width. Each width divides the next.
const TIERS: [(u32, u32); 4] = [(10, 60), (300, 3_600), (3_600, 86_400), (21_600, 7 * 86_400)];

/// The bits of an entity's first byte that say its kind, and how many they are.
const KIND: u8 = 3;
const KIND_BITS: u32 = 2;

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Counted {
    /// A line item.
    LineItem(LineItemId),
    /// A campaign.
    Campaign(CampaignId),
    /// An advertiser.
    Advertiser(AdvertiserId),
}

impl Counted {
    fn parts(self) -> (u8, u64) {
        match self {
            Self::LineItem(id) => (0, id.0),
            Self::Campaign(id) => (1, id.0),
            Self::Advertiser(id) => (2, id.0),
        }
    }

    /// The other bits of `kind` are for others.
    fn from_parts(kind: u8, id: u64) -> Result<Self, BlobError> {
        match kind & KIND {
            0 => Ok(Self::LineItem(LineItemId(id))),
            1 => Ok(Self::Campaign(CampaignId(id))),
            2 => Ok(Self::Advertiser(AdvertiserId(id))),
            _ => Err(BlobError::Malformed("an unknown kind of entity")),
        }
    }
}

/// One bucket: `count` impressions in the width of `tier` from `start` seconds on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bucket {
    start: u32,
    tier: u8,
    count: u32,
}

impl Bucket {
    fn at(second: u32, tier: u8, count: u32) -> Self {
        let width = Self::width(tier);
        Self { start: second - second % width, tier, count }
    }

    fn width(tier: u8) -> u32 {
        TIERS.get(usize::from(tier)).map_or(1, |(width, _)| *width)
    }

    fn end(&self) -> u64 {
        u64::from(self.start) + u64::from(Self::width(self.tier))
    }

    /// Whether any of it can lie in the last `window` seconds before `now`. A coarse bucket holds only impressions
    /// that were too old for the finer width, so windows that the finer width covers never see it.
    fn within(&self, window: u64, now: u64) -> bool {
        let finer = usize::from(self.tier).checked_sub(1).and_then(|tier| TIERS.get(tier));
        let old_enough = finer.is_none_or(|(_, kept)| window > u64::from(*kept));
        old_enough && self.end() > now.saturating_sub(window)
    }

    /// The bucket at this moment's resolution; none when only the total still counts it.
    fn aged(self, now: u32) -> Option<Self> {
        let mut bucket = self;
        while u64::from(now) >= bucket.end() + u64::from(TIERS.get(usize::from(bucket.tier))?.1) {
            let tier = bucket.tier + 1;
            TIERS.get(usize::from(tier))?;
            bucket = Self::at(bucket.start, tier, bucket.count);
        }
        Some(bucket)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct EntityCounts {
    entity: Counted,
    horizon: Horizon,
    total: u32,
    /// Newest first; one per (start, tier).
    buckets: Vec<Bucket>,
}

impl EntityCounts {
    fn new(entity: Counted) -> Self {
        Self { entity, horizon: Horizon::None, total: 0, buckets: Vec::new() }
    }

    fn add(&mut self, bucket: Bucket) {
        let place =
            self.buckets.binary_search_by(|one| (bucket.start, bucket.tier).cmp(&(one.start, one.tier)));
        match place {
            Ok(found) => {
                if let Some(one) = self.buckets.get_mut(found) {
                    one.count = one.count.saturating_add(bucket.count);
                }
            }
            Err(free) => self.buckets.insert(free, bucket),
        }
    }

    fn coarsen(&mut self, now: u32) {
        for bucket in std::mem::take(&mut self.buckets) {
            if let Some(aged) = bucket.aged(now) {
                self.add(aged);
            }
        }
    }

    fn newest(&self) -> u32 {
        self.buckets.first().map_or(0, |bucket| bucket.start)
    }
}

/// A user's counts, taken out of their blob to be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frequency {
    entities: Vec<EntityCounts>,
    recent: Vec<u128>,
}

impl Frequency {
    /// Takes a blob apart, strictly.
    pub fn decode(bytes: &[u8]) -> Result<Self, BlobError> {
        let mut found = Self::default();
        let view = Counts::parse(bytes)?;
        let mut reader = view.entities;
        for _ in 0..view.count {
            let mut ahead = reader;
            let horizon = Horizon::from_bits(ahead.u8()? >> KIND_BITS);
            let mut one = EntityCounts::new(Counted::LineItem(LineItemId(0)));
            let (entity, total) = view.entity(&mut reader, |bucket| one.buckets.push(bucket))?;
            (one.entity, one.horizon, one.total) = (entity, horizon, total);
            let newest_first = one.buckets.is_sorted_by(|a, b| (a.start, a.tier) > (b.start, b.tier));
            if !newest_first || found.entities.last().is_some_and(|last| last.entity >= entity) {
                return Err(BlobError::Malformed("counts out of order"));
            }
            found.entities.push(one);
        }
        for _ in 0..reader.u8()? {
            found.recent.push(u128::from_le_bytes(reader.array()?));
        }
        if !reader.is_empty() || found.recent.len() > RECENT_EVENTS {
            return Err(BlobError::Malformed("bytes after the last event id"));
        }
        Ok(found)
    }

    /// Counts one impression at `at` for each of the entities. False, and nothing counted, when this event is among
    /// the recent ones. All events recorded since [`Frequency::decode`] are recent until [`Frequency::encode`]: a batch
    /// of more than [`RECENT_EVENTS`] does not push out the ids that it is itself compared with.
    pub fn record(&mut self, event: u128, at: Timestamp, entities: &[Counted]) -> Result<bool, BlobError> {
        let second = blob::seconds(at)?;
        if self.recent.contains(&event) {
            return Ok(false);
        }
        self.recent.push(event);
        for &entity in entities {
            let counts = self.counts_of(entity);
            counts.total = counts.total.saturating_add(1);
            counts.add(Bucket::at(second, 0, 1));
        }
        Ok(true)
    }

    /// Says how far back the caps look that count these entities, as far as they were shown.
    pub fn look_back(&mut self, entities: impl IntoIterator<Item = (Counted, Horizon)>) {
        for (entity, horizon) in entities {
            if let Ok(place) = self.entities.binary_search_by_key(&entity, |one| one.entity)
                && let Some(one) = self.entities.get_mut(place)
            {
                one.horizon = horizon;
            }
        }
    }

    /// Adds what was counted for the same user under another key. Only for blobs that never counted the same event.
    pub fn absorb(&mut self, other: &Self) {
        for theirs in &other.entities {
            let ours = self.counts_of(theirs.entity);
            ours.total = ours.total.saturating_add(theirs.total);
            ours.horizon = ours.horizon.max(theirs.horizon);
            for bucket in &theirs.buckets {
                ours.add(*bucket);
            }
        }
        let ours = std::mem::take(&mut self.recent);
        self.recent.extend(other.recent.iter().filter(|id| !ours.contains(id)));
        self.recent.extend(ours);
    }

    /// [`Self::encode_within`] the bounds, whatever that forgets.
    pub fn encode(self, now: Timestamp) -> Result<Vec<u8>, BlobError> {
        self.encode_within(now).map(|(blob, _)| blob)
    }

    /// Writes the blob. Buckets are merged to the resolution of their age; beyond the bounds entities are forgotten, those first that no
    /// cap looks at, then those not shown for longest. How many were forgotten that caps still look at: their users may see
    /// more than the caps say.
    pub fn encode_within(mut self, now: Timestamp) -> Result<(Vec<u8>, usize), BlobError> {
        let second = blob::seconds(now)?;
        self.trim_recent();
        for counts in &mut self.entities {
            counts.coarsen(second);
        }
        let needed = self.entities.iter().filter(|one| one.is_needed(second)).count();
        self.keep(MAX_ENTITIES.max(needed.min(MAX_NEEDED)), second);
        loop {
            match self.write() {
                Err(BlobError::TooLarge { .. }) => {
                    self.keep(self.entities.len() - self.entities.len().div_ceil(8), second);
                }
                done => {
                    let kept = self.entities.iter().filter(|one| one.is_needed(second)).count();
                    return done.map(|blob| (blob, needed - kept));
                }
            }
        }
    }

    fn counts_of(&mut self, entity: Counted) -> &mut EntityCounts {
        let place = self.entities.partition_point(|one| one.entity < entity);
        if self.entities.get(place).is_none_or(|one| one.entity != entity) {
            self.entities.insert(place, EntityCounts::new(entity));
        }
        #[expect(clippy::indexing_slicing, reason = "inserted at `place` just above")]
        &mut self.entities[place]
    }

    fn trim_recent(&mut self) {
        let surplus = self.recent.len().saturating_sub(RECENT_EVENTS);
        self.recent.drain(..surplus);
    }

    fn keep(&mut self, most: usize, now: u32) {
        if self.entities.len() > most {
            let worth = |one: &EntityCounts| (one.is_needed(now), one.newest());
            self.entities.sort_by_key(|one| (std::cmp::Reverse(worth(one)), one.entity));
            self.entities.truncate(most);
            self.entities.sort_by_key(|one| one.entity);
        }
    }

    fn write(&self) -> Result<Vec<u8>, BlobError> {
        let newest = self.entities.iter().map(EntityCounts::newest).max().unwrap_or(0);
        let mut out = blob::begin(Kind::Frequency, 16 * self.recent.len() + 32 * self.entities.len());
        out.extend_from_slice(&newest.to_le_bytes());
        varint::put(&mut out, self.entities.len() as u64);
        for one in &self.entities {
            let (kind, id) = one.entity.parts();
            out.push(kind | one.horizon.bits() << KIND_BITS);
            varint::put(&mut out, id);
            varint::put(&mut out, one.total.into());
            varint::put(&mut out, one.buckets.len() as u64);
            for bucket in &one.buckets {
                varint::put(&mut out, u64::from(newest - bucket.start) << 2 | u64::from(bucket.tier));
                varint::put(&mut out, bucket.count.into());
            }
        }
        out.push(self.recent.len() as u8);
        for id in &self.recent {
            out.extend_from_slice(&id.to_le_bytes());
        }
        blob::seal(out)
    }
}

/// A blob being read: borrowed, checked for type, size and checksum.
#[derive(Clone, Copy, Debug)]
pub struct Counts<'a> {
    newest: u32,
    count: usize,
    entities: Reader<'a>,
}

impl<'a> Counts<'a> {
    /// Opens a blob.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BlobError> {
        let mut reader = Reader::new(blob::open(Kind::Frequency, bytes)?);
        let newest = u32::from_le_bytes(reader.array()?);
        let count = reader.varint()? as usize;
        if count > MAX_NEEDED {
            return Err(BlobError::Malformed("more entities than are kept"));
        }
        Ok(Self { newest, count, entities: reader })
    }

    /// Impressions of the entity in the window that ends `now`; without a window, all that were ever counted.
    /// Allocates nothing.
    pub fn count(&self, entity: Counted, window: Option<Duration>, now: Timestamp) -> Result<u32, BlobError> {
        let now = u64::try_from(now.secs()).unwrap_or(0);
        let mut reader = self.entities;
        for _ in 0..self.count {
            let mut within = 0_u32;
            let (found, total) = self.entity(&mut reader, |bucket| {
                if window.is_some_and(|window| bucket.within(window.as_secs(), now)) {
                    within = within.saturating_add(bucket.count);
                }
            })?;
            if found == entity {
                return Ok(if window.is_some() { within } else { total });
            }
        }
        Ok(0)
    }

    /// All entities that were counted, for people: the bid path asks for one at a time.
    pub fn entities(&self) -> Result<Vec<Counted>, BlobError> {
        let mut reader = self.entities;
        (0..self.count).map(|_| self.entity(&mut reader, drop).map(|(entity, _)| entity)).collect()
    }

    /// Reads one entity: its total, its buckets into the sink.
    fn entity(
        &self,
        reader: &mut Reader<'a>,
        mut sink: impl FnMut(Bucket),
    ) -> Result<(Counted, u32), BlobError> {
        let kind = reader.u8()?;
        let entity = Counted::from_parts(kind, reader.varint()?)?;
        let total = reader.varint32()?;
        for _ in 0..reader.varint()? {
            let packed = reader.varint()?;
            let older = u32::try_from(packed >> 2).ok();
            let start = older.and_then(|older| self.newest.checked_sub(older));
            sink(Bucket {
                start: start.ok_or(BlobError::Malformed("a bucket before 1970"))?,
                tier: (packed & 3) as u8,
                count: reader.varint32()?,
            });
        }
        Ok((entity, total))
    }
}
