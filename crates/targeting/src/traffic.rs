//! What requests have been like: how often each value was seen.

use hashbrown::HashMap;

use crate::{Attributes, Dimension, Point};

/// Most different values counted in one dimension, and most different tags.
const MOST_VALUES: usize = 100_000;
/// Past this many requests every count is halved, so that counts never overflow and old traffic fades.
const MOST_REQUESTS: u32 = 1 << 30;

/// Counts of observed requests, by which an index chooses where to file a line item. An index answers the same
/// whatever it is told here; only its speed depends on it. Memory is bounded: when a dimension has too many
/// different values, its counts are halved and those that reach zero are forgotten.
#[derive(Clone, Debug, Default)]
pub struct Traffic {
    requests: u32,
    values: [HashMap<Box<str>, u32>; Dimension::COUNT],
    /// Requests with more than one value.
    several: [u32; Dimension::COUNT],
    tags: HashMap<u32, u32>,
    /// By whole degrees.
    places: HashMap<(i16, i16), u32>,
}

impl Traffic {
    /// Counts one impression. Values must be normalised, as those of [`Attributes`] are.
    pub fn observe(&mut self, attributes: &Attributes<'_>) {
        if self.requests == MOST_REQUESTS {
            self.fade();
        }
        self.requests += 1;
        for ((dimension, counts), several) in
            Dimension::ALL.into_iter().zip(&mut self.values).zip(&mut self.several)
        {
            let had = attributes.values(dimension);
            *several += u32::from(had.len() > 1);
            for value in had {
                match counts.get_mut(*value) {
                    Some(count) => *count += 1,
                    None => drop(counts.insert((*value).into(), 1)),
                }
            }
            keep_bounded(counts);
        }
        for tag in attributes.tags {
            *self.tags.entry(tag.id.0).or_default() += 1;
        }
        keep_bounded(&mut self.tags);
        if let Some(place) = attributes.location {
            *self.places.entry(degree(place)).or_default() += 1;
            keep_bounded(&mut self.places);
        }
    }

    /// How many impressions were counted.
    pub fn requests(&self) -> u64 {
        u64::from(self.requests)
    }

    /// The share of requests with this value; a value never seen counts as half a sight.
    pub(crate) fn share(&self, dimension: Dimension, value: &str) -> f32 {
        let seen = self.values.get(dimension as usize).and_then(|counts| counts.get(value));
        self.of_requests(seen)
    }

    pub(crate) fn tag_share(&self, tag: u32) -> f32 {
        self.of_requests(self.tags.get(&tag))
    }

    /// The share of requests with more than one value in the dimension.
    pub(crate) fn several_share(&self, dimension: Dimension) -> f32 {
        self.of_requests(self.several.get(dimension as usize))
    }

    /// The share of requests from this box of degrees, edges included, as far as whole degrees tell.
    pub(crate) fn place_share(&self, south_west: Point, north_east: Point) -> f32 {
        let ((south, west), (north, east)) = (degree(south_west), degree(north_east));
        let inside = |(lat, lon): &(i16, i16)| (south..=north).contains(lat) && (west..=east).contains(lon);
        let seen = self.places.iter().filter(|(cell, _)| inside(cell)).map(|(_, count)| *count).sum();
        self.of_requests(Some(&seen))
    }

    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn of_requests(&self, seen: Option<&u32>) -> f32 {
        let seen = seen.copied().filter(|seen| *seen > 0).map_or(0.5, |seen| seen as f32);
        seen / self.requests.max(1) as f32
    }

    fn fade(&mut self) {
        self.requests /= 2;
        self.several.iter_mut().for_each(|count| *count /= 2);
        self.values.iter_mut().for_each(halve);
        halve(&mut self.tags);
        halve(&mut self.places);
    }
}

#[expect(clippy::cast_possible_truncation, reason = "degrees fit, and what is no number becomes zero")]
fn degree(place: Point) -> (i16, i16) {
    (place.lat.floor() as i16, place.lon.floor() as i16)
}

fn keep_bounded<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, u32>) {
    while counts.len() > MOST_VALUES {
        halve(counts);
    }
}

fn halve<K: Eq + std::hash::Hash>(counts: &mut HashMap<K, u32>) {
    counts.retain(|_, count| {
        *count /= 2;
        *count > 0
    });
}
