//! What a request offers to targeting: one impression's view of it.

use tagbid_types::TagId;

use crate::{Dimension, TagKind};

/// A place on the earth in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Latitude, -90 to 90.
    pub lat: f64,
    /// Longitude, -180 to 180.
    pub lon: f64,
}

impl Point {
    /// Whether it is a place on the earth at all; a location that is none counts as absent.
    pub fn is_on_earth(self) -> bool {
        (-90.0..=90.0).contains(&self.lat) && (-180.0..=180.0).contains(&self.lon)
    }
}

/// A tag that the user carries now: expired tags are left out and decay is applied by whoever fills this in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserTag {
    /// The tag.
    pub id: TagId,
    /// Real-time rather than offline.
    pub realtime: bool,
    /// Weight now.
    pub weight: u8,
    /// Seconds since the event or the dataset's as-of time.
    pub age_s: u32,
}

/// Whether the answer about a source of tags is complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Knowledge {
    /// The datasets of offline tags answered (an empty answer counts), those of [`UnknownTags`] excepted.
    pub offline: bool,
    /// The real-time store answered.
    pub realtime: bool,
}

impl Knowledge {
    /// Every source answered.
    pub const COMPLETE: Self = Self { offline: true, realtime: true };

    /// Whether a tag of this kind that is not there is certainly not carried.
    pub fn covers(self, kind: TagKind) -> bool {
        match kind {
            TagKind::Any => self.offline && self.realtime,
            TagKind::Offline => self.offline,
            TagKind::Realtime => self.realtime,
        }
    }
}

/// Offline tags of which nobody can say whether the user carries them, because their datasets did not answer while others
/// did. Some sorted lists, one for each such dataset: they are the caller's, and copied nowhere.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnknownTags<'a>(&'a [&'a [TagId]]);

impl<'a> UnknownTags<'a> {
    /// Of these lists, each sorted.
    pub fn new(lists: &'a [&'a [TagId]]) -> Self {
        Self(lists)
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0.iter().all(|list| list.is_empty())
    }

    /// Whether this tag is one of them.
    pub fn contains(self, tag: TagId) -> bool {
        self.0.iter().any(|list| list.binary_search(&tag).is_ok())
    }

    /// All of them, in no particular order.
    pub fn iter(self) -> impl Iterator<Item = TagId> + 'a {
        self.0.iter().flat_map(|list| list.iter().copied())
    }
}

/// One impression of a request, as targeting sees it. Values are normalised as [`Dimension`] says. Copying it for
/// the next impression and setting the impression's own dimensions is cheap: slices, no text.
#[derive(Clone, Debug, Default)]
pub struct Attributes<'a> {
    values: [&'a [&'a str]; Dimension::COUNT],
    /// Operating system version as sent, such as "14.2.1".
    pub os_version: Option<&'a str>,
    /// Where the device is.
    pub location: Option<Point>,
    /// Hour of the week where the user is, 0 (Monday 00:00) to 167.
    pub hour_of_week: Option<u8>,
    /// The user's tags, sorted by id; several of one id (offline and real-time) may stand together.
    pub tags: &'a [UserTag],
    /// Which sources of tags are known.
    pub knowledge: Knowledge,
    /// What of a known source is not.
    pub unknown_tags: UnknownTags<'a>,
}

impl<'a> Attributes<'a> {
    /// The values in a dimension; empty when absent.
    pub fn values(&self, dimension: Dimension) -> &'a [&'a str] {
        self.values.get(dimension as usize).copied().unwrap_or_default()
    }

    /// Sets the values of a dimension, already normalised.
    pub fn set(&mut self, dimension: Dimension, values: &'a [&'a str]) {
        if let Some(slot) = self.values.get_mut(dimension as usize) {
            *slot = values;
        }
    }
}
