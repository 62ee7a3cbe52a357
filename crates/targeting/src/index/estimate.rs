//! How often requests have each value: from observed traffic, or from the items alone.

use hashbrown::HashMap;

use super::cells;
use super::lower::Literal;
use super::values::Values;
use crate::dictionary::Dictionary;
use crate::program::{Pools, Test};
use crate::traffic::Places;
use crate::{Dimension, GeoCircle, Traffic};

/// Fewer observations than this say less than what the items name.
const FEW_REQUESTS: u64 = 200;
/// Share of requests with a location, and of those in a typical circle, when nothing was observed.
const PLACE_SHARE: f32 = 0.05;

/// Expected shares of requests.
#[derive(Debug)]
pub(super) struct Estimates {
    values: Vec<f32>,
    tags: HashMap<u32, f32>,
    /// Requests with one of the values, for every test of a set.
    sets: HashMap<Test, f32>,
    /// Requests with more than one value.
    several: [f32; Dimension::COUNT],
    places: Option<Places>,
}

/// Values of a dimension that a request typically has.
fn breadth(dimension: Dimension) -> f32 {
    match dimension {
        Dimension::Keyword => 6.0,
        Dimension::Category => 3.0,
        Dimension::Domain | Dimension::Size | Dimension::Deal => 2.0,
        _ => 1.0,
    }
}

/// Tags that a user typically carries.
const TAGS: f32 = 60.0;

impl Estimates {
    pub(super) fn new(
        traffic: &Traffic,
        dictionary: &Dictionary,
        values: &Values,
        literals: &[(Literal, u32)],
        pools: &Pools,
    ) -> Self {
        let mut estimates = Self::of_values(traffic, dictionary, values, literals, pools);
        for (literal, _) in literals {
            if let Test::In(..) = literal.test {
                let mut share = 0.0;
                pools.each_value(literal.test, |dimension, id| {
                    share += estimates.value(values.place(dimension, id));
                });
                estimates.sets.insert(literal.test, share);
            }
        }
        estimates
    }

    fn of_values(
        traffic: &Traffic,
        dictionary: &Dictionary,
        values: &Values,
        literals: &[(Literal, u32)],
        pools: &Pools,
    ) -> Self {
        let named = Named::of(values, literals, pools);
        if traffic.requests() < FEW_REQUESTS {
            return Self {
                values: named.value_shares(values, dictionary),
                tags: named.tag_shares(),
                sets: HashMap::new(),
                several: Dimension::ALL.map(|dimension| if breadth(dimension) > 2.0 { 1.0 } else { 0.0 }),
                places: None,
            };
        }
        let mut shares = vec![0.0; values.len()];
        for (dimension, id, text) in dictionary.iter() {
            if let Some(share) = shares.get_mut(values.place(dimension, id) as usize) {
                *share = traffic.share(dimension, &text);
            }
        }
        Self {
            values: shares,
            tags: named.tags.keys().map(|tag| (*tag, traffic.tag_share(*tag))).collect(),
            sets: HashMap::new(),
            several: Dimension::ALL.map(|dimension| traffic.several_share(dimension)),
            places: Some(traffic.places()),
        }
    }

    pub(super) fn value(&self, place: u32) -> f32 {
        self.values.get(place as usize).copied().unwrap_or(0.0)
    }

    pub(super) fn tag(&self, tag: u32) -> f32 {
        self.tags.get(&tag).copied().unwrap_or(0.0)
    }

    /// The sum over the values of a test of a set: once for all records that have it.
    pub(super) fn set(&self, test: Test) -> f32 {
        self.sets.get(&test).copied().unwrap_or(0.0)
    }

    pub(super) fn several(&self, dimension: Dimension) -> f32 {
        self.several.get(dimension as usize).copied().unwrap_or(0.0)
    }

    pub(super) fn circle(&self, circle: &GeoCircle) -> f32 {
        let (south_west, north_east) = cells::corners(circle);
        self.places.as_ref().map_or(PLACE_SHARE, |places| places.share(south_west, north_east))
    }
}

/// How often the items name each value.
struct Named {
    values: Vec<u64>,
    tags: HashMap<u32, u64>,
}

impl Named {
    fn of(values: &Values, literals: &[(Literal, u32)], pools: &Pools) -> Self {
        let mut named = Self { values: vec![0; values.len()], tags: HashMap::new() };
        for (literal, times) in literals.iter().filter(|(literal, _)| !literal.negated) {
            if let Test::Tag(at) = literal.test {
                for tag in pools.tags_of(at) {
                    *named.tags.entry(*tag).or_default() += u64::from(*times);
                }
            }
            pools.each_value(literal.test, |dimension, id| {
                if let Some(count) = named.values.get_mut(values.place(dimension, id) as usize) {
                    *count += u64::from(*times);
                }
            });
        }
        named
    }

    /// As if requests had values as often as items name them.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn value_shares(&self, values: &Values, dictionary: &Dictionary) -> Vec<f32> {
        let mut shares = Vec::with_capacity(self.values.len());
        for dimension in Dimension::ALL {
            let start = values.place(dimension, 0) as usize;
            let counts = self.values.get(start..start + dictionary.count(dimension) as usize);
            let counts = counts.unwrap_or_default();
            let total = counts.iter().sum::<u64>().max(1) as f32;
            let share = |count: &u64| (*count as f32 / total * breadth(dimension)).min(1.0);
            shares.extend(counts.iter().map(share));
        }
        shares
    }

    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn tag_shares(&self) -> HashMap<u32, f32> {
        let total = self.tags.values().sum::<u64>().max(1) as f32;
        self.tags.iter().map(|(tag, count)| (*tag, (*count as f32 / total * TAGS).min(1.0))).collect()
    }
}
