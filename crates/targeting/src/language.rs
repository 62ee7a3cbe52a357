//! The targeting language: a tree of `all`, `any`, `not` over leaves.
//!
//! **Absent is not unknown.** A leaf on an attribute that the request does not have is false, and its negation
//! true ([`Leaf::Present`] can require it). A leaf on something that could not be learnt (tags that came late,
//! failed, or may not be looked up) is *unknown*: neither it nor its negation holds, so degraded bidding never
//! reaches someone who was excluded. Evaluation is Kleene's three-valued logic; an expression matches when it is
//! true.

use serde::{Deserialize, Serialize};
use tagbid_types::{ListId, TagId};

use crate::{Dimension, UserTag};

/// A targeting expression. `All([])` matches everything; `Any([])` nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expr {
    /// Every part holds.
    All(Vec<Expr>),
    /// At least one part holds.
    Any(Vec<Expr>),
    /// The part does not hold.
    Not(Box<Expr>),
    /// A test of one attribute.
    Leaf(Leaf),
}

impl Default for Expr {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

/// A test of one attribute.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leaf {
    /// One of the request's values in this dimension is among these.
    In {
        /// The dimension.
        dimension: Dimension,
        /// Wanted values, in the form that [`Dimension`] gives.
        values: Vec<String>,
    },
    /// The request has a value in this dimension.
    Present(Dimension),
    /// One of the request's values in this dimension is on the shared list.
    OnList {
        /// [`Dimension::Site`], [`Dimension::App`], [`Dimension::Domain`] or [`Dimension::Publisher`].
        dimension: Dimension,
        /// The list.
        list: ListId,
    },
    /// The operating system is this one, in this version range.
    OsVersion(OsRange),
    /// The location is within one of these circles.
    Near(Vec<GeoCircle>),
    /// The hour of the week where the user is; absent where the request tells neither an offset from UTC nor a place with
    /// one time zone.
    Hour(HoursOfWeek),
    /// The user carries one of these tags.
    Tag(TagTest),
}

impl Leaf {
    /// The kind of the test in paths of problems and explanations.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::In { .. } => "in",
            Self::Present(_) => "present",
            Self::OnList { .. } => "on_list",
            Self::OsVersion(_) => "os_version",
            Self::Near(_) => "near",
            Self::Hour(_) => "hour",
            Self::Tag(_) => "tag",
        }
    }
}

/// An operating system and its versions, ends included. Versions compare by their numbers: 9 < 10, 14 = 14.0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OsRange {
    /// In the form of [`Dimension::Os`].
    pub os: String,
    /// Lowest version, such as "14.2"; none: any.
    pub min: Option<String>,
    /// Highest version; none: any.
    pub max: Option<String>,
}

/// A circle on the earth's surface.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GeoCircle {
    /// Latitude of the centre in degrees, -90 to 90.
    pub lat: f64,
    /// Longitude of the centre in degrees, -180 to 180.
    pub lon: f64,
    /// Radius in metres, 1 to 5,000,000. Distance is great-circle on a sphere of 6,371,008.8 m (IUGG mean radius).
    pub radius_m: u32,
}

/// Hours of the week, Monday 00:00 first: 168 bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HoursOfWeek([u64; 3]);

impl HoursOfWeek {
    /// Hours in a week.
    pub const HOURS: u8 = 168;

    /// From hours 0 (Monday 00:00-00:59) to 167 (Sunday 23:00-23:59); others are refused by their value.
    pub fn from_hours(hours: impl IntoIterator<Item = u8>) -> Result<Self, u8> {
        let mut set = Self::default();
        for hour in hours {
            let word = set.0.get_mut(usize::from(hour / 64)).filter(|_| hour < Self::HOURS).ok_or(hour)?;
            *word |= 1 << (hour % 64);
        }
        Ok(set)
    }

    /// Whether the set has this hour.
    pub fn contains(&self, hour: u8) -> bool {
        self.0.get(usize::from(hour / 64)).is_some_and(|word| word >> (hour % 64) & 1 == 1)
    }

    /// The hours, in rising order.
    pub fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        (0..Self::HOURS).filter(|hour| self.contains(*hour))
    }

    /// Whether no hour is in the set.
    pub fn is_empty(&self) -> bool {
        self.0 == [0; 3]
    }
}

/// Where a tag came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TagKind {
    /// Offline or real-time.
    #[default]
    Any,
    /// From a batch model's dataset.
    Offline,
    /// From events of the last minutes or hours.
    Realtime,
}

/// A test of the user's tags: some tag of `any_of`, of the right kind, is heavy and fresh enough.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagTest {
    /// Wanted tags; one is enough.
    pub any_of: Vec<TagId>,
    /// Wanted source.
    #[serde(default)]
    pub kind: TagKind,
    /// Least weight now (after decay), 0 to 255.
    #[serde(default)]
    pub min_weight: u8,
    /// Greatest age in seconds: since the event (real-time) or since the dataset's as-of time (offline).
    #[serde(default)]
    pub max_age_s: Option<u32>,
}

/// What a wanted tag has to be like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TagGate {
    pub(crate) kind: TagKind,
    pub(crate) min_weight: u8,
    pub(crate) max_age_s: Option<u32>,
}

impl TagTest {
    pub(crate) fn gate(&self) -> TagGate {
        TagGate { kind: self.kind, min_weight: self.min_weight, max_age_s: self.max_age_s }
    }
}

impl TagGate {
    /// Whether a carried tag is of the right kind, heavy and fresh enough.
    pub(crate) fn admits(&self, tag: &UserTag) -> bool {
        let right_kind = match self.kind {
            TagKind::Any => true,
            TagKind::Offline => !tag.realtime,
            TagKind::Realtime => tag.realtime,
        };
        right_kind && tag.weight >= self.min_weight && self.max_age_s.is_none_or(|max| tag.age_s <= max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_outside_the_week_are_refused_by_name() {
        let set = HoursOfWeek::from_hours([0, 63, 64, 167]).unwrap();
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 63, 64, 167]);
        assert_eq!(HoursOfWeek::from_hours([5, 168]), Err(168));
        assert_eq!(HoursOfWeek::from_hours([255]), Err(255));
    }
}
