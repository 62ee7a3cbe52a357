//! What requests have been like: how often each value was seen.

use hashbrown::HashMap;

use crate::limits::MAX_VALUE_BYTES;
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
            // Hardly any expression could name a longer one, and whoever sends requests could fill the memory with them.
            for value in had.iter().filter(|value| value.len() <= MAX_VALUE_BYTES) {
                match counts.get_mut(*value) {
                    Some(count) => *count = count.saturating_add(1),
                    None => drop(counts.insert((*value).into(), 1)),
                }
            }
            keep_bounded(counts);
        }
        for tag in attributes.tags {
            let count = self.tags.entry(tag.id.0).or_default();
            *count = count.saturating_add(1);
        }
        keep_bounded(&mut self.tags);
        if let Some(place) = attributes.location.filter(|place| place.is_on_earth()) {
            *self.places.entry(degree(place)).or_default() += 1;
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

    /// Where requests came from.
    pub(crate) fn places(&self) -> Places {
        Places::of(self.requests, &self.places)
    }

    fn of_requests(&self, seen: Option<&u32>) -> f32 {
        share(seen.copied().unwrap_or(0), self.requests)
    }

    fn fade(&mut self) {
        self.requests /= 2;
        self.several.iter_mut().for_each(|count| *count /= 2);
        self.values.iter_mut().for_each(halve);
        halve(&mut self.tags);
        halve(&mut self.places);
    }
}

/// Where requests came from, ready to be asked about many boxes: a catalog may have a circle in every line item, and the
/// traffic tens of thousands of different places.
#[derive(Debug)]
pub(crate) struct Places {
    requests: u32,
    /// For each whole degree, the requests from south and west of it: row by row from the south pole, from the
    /// antimeridian on.
    sums: Vec<u32>,
}

/// Degrees from pole to pole, both ends included, and around.
const ROWS: usize = 181;
const COLUMNS: usize = 360;

impl Places {
    fn of(requests: u32, seen: &HashMap<(i16, i16), u32>) -> Self {
        let mut sums = vec![0_u32; (ROWS + 1) * (COLUMNS + 1)];
        for ((lat, lon), count) in seen {
            if let Some(sum) = sums.get_mut((row(*lat) + 1) * (COLUMNS + 1) + column(*lon) + 1) {
                *sum = sum.saturating_add(*count);
            }
        }
        for at in COLUMNS + 1..sums.len() {
            let before = |back: usize| sums.get(at - back).copied().unwrap_or(0);
            // The first column is zero, and so what wraps around to the row below.
            let rest = if at % (COLUMNS + 1) == 0 {
                0
            } else {
                before(1) + before(COLUMNS + 1) - before(COLUMNS + 2)
            };
            if let Some(sum) = sums.get_mut(at) {
                *sum += rest;
            }
        }
        Self { requests, sums }
    }

    /// The share of requests from this box of degrees, edges included, as far as whole degrees tell. A box may go on
    /// beyond the antimeridian.
    pub(crate) fn share(&self, south_west: Point, north_east: Point) -> f32 {
        let ((south, west), (north, east)) = (degree(south_west), degree(north_east));
        let rows = (row(south), row(north));
        let seen = if usize::from(east.abs_diff(west)) >= COLUMNS - 1 {
            self.within(rows, (0, COLUMNS - 1))
        } else if column(west) <= column(east) {
            self.within(rows, (column(west), column(east)))
        } else {
            self.within(rows, (column(west), COLUMNS - 1)) + self.within(rows, (0, column(east)))
        };
        share(seen, self.requests)
    }

    /// Both ends included.
    fn within(&self, (south, north): (usize, usize), (west, east): (usize, usize)) -> u32 {
        let below = |row, column| self.sums.get(row * (COLUMNS + 1) + column).copied().unwrap_or(0);
        below(north + 1, east + 1) + below(south, west) - below(south, east + 1) - below(north + 1, west)
    }
}

fn row(lat: i16) -> usize {
    usize::try_from(lat + 90).unwrap_or(0).min(ROWS - 1)
}

fn column(lon: i16) -> usize {
    usize::try_from((lon + 180).rem_euclid(360)).unwrap_or(0)
}

/// What was never seen counts as half a sight.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn share(seen: u32, requests: u32) -> f32 {
    let seen = if seen == 0 { 0.5 } else { seen as f32 };
    seen / requests.max(1) as f32
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::Random;

    #[test]
    fn a_box_has_the_places_that_counting_finds_in_it() {
        let random = &mut Random::new(4);
        let (mut traffic, mut seen) = (Traffic::default(), Vec::new());
        for _ in 0..2_000 {
            // Some at the very ends of the earth.
            let mut end = |most: f64| (random.fraction() * 2.2 - 1.1).clamp(-1.0, 1.0) * most;
            let place = Point { lat: end(90.0), lon: end(180.0) };
            let mut attributes = Attributes::default();
            attributes.location = Some(place);
            traffic.observe(&attributes);
            seen.push(degree(place));
        }
        let places = traffic.places();
        for _ in 0..2_000 {
            let mut between = |from: f64, to: f64| from + random.fraction() * (to - from);
            let (south, west) = (between(-90.0, 90.0), between(-360.0, 180.0));
            let north_east = Point { lat: between(south, 90.0), lon: between(west, 540.0) };
            let ((south, west), (north, east)) =
                (degree(Point { lat: south, lon: west }), degree(north_east));
            let around = |lon: i16| (west..=east).any(|east| (east - lon).rem_euclid(360) == 0);
            let inside = |(lat, lon): &&(i16, i16)| (south..=north).contains(lat) && around(*lon);
            let expected = share(seen.iter().filter(inside).count() as u32, 2_000);
            let corner = Point { lat: f64::from(south), lon: f64::from(west) };
            assert_eq!(places.share(corner, north_east), expected, "{south} {west} {north} {east}");
        }
    }

    #[test]
    fn what_no_expression_could_name_takes_no_memory() {
        let (mut traffic, long) = (Traffic::default(), "x".repeat(MAX_VALUE_BYTES + 1));
        let mut attributes = Attributes::default();
        let values = [long.as_str(), "short"];
        attributes.set(Dimension::Keyword, &values);
        traffic.observe(&attributes);
        let counted = traffic.values.iter().flat_map(HashMap::keys).collect::<Vec<_>>();
        assert_eq!(counted, [&Box::from("short")]);
    }
}
