//! Random catalogs and requests, decoded from bytes: one generator for property tests (which shrink the bytes)
//! and for fuzzing (which mutates them). Vocabularies are tiny, so that clauses meet requests often.

use bumpalo::Bump;
use tagbid_targeting::{
    Attributes, Dimension, EARTH_RADIUS_M, Expr, GeoCircle, HoursOfWeek, Knowledge, Leaf, OsRange, Point,
    TagKind, TagTest, UnknownTags, UserTag, normalise,
};
use tagbid_types::{ListId, TagId};

/// A source of choices. Beyond its end every choice is the first one.
pub(crate) struct Choices<'b>(std::slice::Iter<'b, u8>);

impl<'b> Choices<'b> {
    pub(crate) fn new(bytes: &'b [u8]) -> Self {
        Self(bytes.iter())
    }

    /// A number below `end`, which is at most 256.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.0.next().copied().unwrap_or(0)) % end
    }

    pub(crate) fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }

    pub(crate) fn some<T>(&mut self, most: usize, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let count = self.below(most + 1);
        (0..count).map(|_| one(self)).collect()
    }

    pub(crate) fn yes(&mut self) -> bool {
        self.below(2) == 1
    }
}

/// Three leaves of four are of these: request-level and impression-level ones, with and without a normal form of their
/// own. The others are of any.
const DIMENSIONS: [Dimension; 8] = [
    Dimension::Country,
    Dimension::Keyword,
    Dimension::Size,
    Dimension::Domain,
    Dimension::Os,
    Dimension::Site,
    Dimension::Deal,
    Dimension::Category,
];
/// The first six pairs are equal once normalised.
const VALUES: [&str; 19] = [
    "de",
    "DEU",
    "Köln",
    " KÖLN ",
    "x",
    "X",
    "ios",
    "iOS",
    "300 x 250",
    "www.A.example",
    "ß",
    "日本",
    "usa",
    "",
    "ｘ",
    "ko\u{308}ln",
    "yes",
    "310005",
    "crowd 3",
];
const VERSIONS: [&str; 8] = ["9", "10", "14", "14.0", "14_2", "10.0.19045", "99999999999", "none"];
/// Some share a bit of the tag filter.
const TAGS: [u32; 6] = [1, 2, 3, 1_025, 2_049, u32::MAX];
/// Neighbours, both sides of the antimeridian, and places about the poles.
const PLACES: [(f64, f64); 12] = [
    (52.5, 13.4),
    (52.51, 13.4),
    (0.0, 180.0),
    (0.0, -180.0),
    (-17.0, 179.95),
    (-17.0, -179.95),
    (90.0, 0.0),
    (89.99, 100.0),
    (89.99, -80.0),
    (-90.0, 45.0),
    (-89.9, -135.0),
    (f64::NAN, 0.0),
];
/// The ends of the week and of the words that hold it.
const HOURS: [u8; 8] = [0, 1, 2, 63, 64, 127, 128, 167];
const RADII: [u32; 5] = [1, 1_200, 30_000, 1_500_000, 5_000_000];

fn dimension(choices: &mut Choices<'_>) -> Dimension {
    if choices.below(4) == 3 { choices.of(&Dimension::ALL) } else { choices.of(&DIMENSIONS) }
}

fn value(choices: &mut Choices<'_>) -> String {
    choices.of(&VALUES).into()
}

/// Values of one test or list; now and then more of them than an index keeps in a line item's own record.
fn values(choices: &mut Choices<'_>, most: usize) -> Vec<String> {
    let mut values = choices.some(most, value);
    if choices.below(5) == 4 {
        values.extend((0..12).map(|n| format!("crowd {n}")));
    }
    values
}

/// Any test; every other one is made after one of the requests, so that much of what is made also matches.
pub(crate) fn leaf(choices: &mut Choices<'_>, requests: &[Attributes<'_>]) -> Leaf {
    if !requests.is_empty() && choices.yes() {
        let request = &requests[choices.below(requests.len())];
        leaf_after(choices, request).unwrap_or_else(|| any_leaf(choices))
    } else {
        any_leaf(choices)
    }
}

/// A test that the request passes, or nearly; none where the request has nothing of that kind.
fn leaf_after(choices: &mut Choices<'_>, request: &Attributes<'_>) -> Option<Leaf> {
    let own = |choices: &mut Choices<'_>, dimension| {
        let values = request.values(dimension);
        (!values.is_empty()).then(|| values[choices.below(values.len())].to_owned())
    };
    Some(match choices.below(8) {
        0..=3 => {
            let dimension = dimension(choices);
            let mut values = values(choices, 3);
            values.push(own(choices, dimension)?);
            Leaf::In { dimension, values }
        }
        4 => Leaf::OsVersion(OsRange {
            os: own(choices, Dimension::Os)?,
            min: request.os_version.map(Into::into),
            max: choices.yes().then(|| choices.of(&VERSIONS).into()),
        }),
        5 => Leaf::Near(vec![circle_near(choices, request.location?)]),
        6 => Leaf::Hour(HoursOfWeek::from_hours([request.hour_of_week?, choices.of(&HOURS)]).ok()?),
        _ => {
            let tag = request.tags.get(choices.below(request.tags.len().max(1)))?;
            let kind = if tag.realtime { TagKind::Realtime } else { TagKind::Offline };
            Leaf::Tag(TagTest {
                any_of: vec![tag.id, TagId(choices.of(&TAGS))],
                kind: choices.of(&[TagKind::Any, kind]),
                min_weight: choices.of(&[0, tag.weight]),
                max_age_s: choices.yes().then_some(tag.age_s),
            })
        }
    })
}

/// A circle whose edge passes the place within a few metres, if its centre is not the place itself.
fn circle_near(choices: &mut Choices<'_>, place: Point) -> GeoCircle {
    let radius_m = choices.of(&RADII);
    let share = choices.of(&[0.0, 0.5, 0.999_999, 1.0, 1.000_001]);
    let off = (f64::from(radius_m) * share / EARTH_RADIUS_M).to_degrees();
    let (mut lat, mut lon) = (place.lat, place.lon);
    if choices.yes() {
        lat = (lat + off).clamp(-90.0, 90.0);
    } else {
        lon += (off / lat.to_radians().cos().max(1e-6)).min(180.0);
        lon = if lon > 180.0 { lon - 360.0 } else { lon };
    }
    // The language has no circles around places that are none.
    if lat.is_nan() { GeoCircle { lat: 0.0, lon, radius_m } } else { GeoCircle { lat, lon, radius_m } }
}

fn any_leaf(choices: &mut Choices<'_>) -> Leaf {
    let dimension = dimension(choices);
    match choices.below(9) {
        0..=2 => Leaf::In { dimension, values: values(choices, 4) },
        3 => Leaf::Present(dimension),
        4 => Leaf::OnList {
            // The first four as the lists have them; a list of countries there is none.
            dimension: choices.of(&[LISTS[0], LISTS[1], LISTS[2], LISTS[3], Dimension::Country]),
            list: ListId(choices.below(LISTS.len() + 1) as u64),
        },
        5 => Leaf::OsVersion(OsRange {
            os: value(choices),
            min: choices.yes().then(|| choices.of(&VERSIONS).into()),
            max: choices.yes().then(|| choices.of(&VERSIONS).into()),
        }),
        6 => Leaf::Near(choices.some(3, |choices| {
            let (lat, lon) = choices.of(&PLACES[..PLACES.len() - 1]);
            let radius_m = choices.of(&RADII);
            GeoCircle { lat, lon, radius_m }
        })),
        7 => {
            let hours = choices.some(4, |choices| choices.of(&HOURS));
            Leaf::Hour(HoursOfWeek::from_hours(hours).unwrap_or_default())
        }
        _ => Leaf::Tag(TagTest {
            any_of: choices.some(3, |choices| TagId(choices.of(&TAGS))),
            kind: choices.of(&[TagKind::Any, TagKind::Offline, TagKind::Realtime]),
            min_weight: choices.of(&[0, 1, 100, 255]),
            max_age_s: choices.of(&[None, None, Some(0), Some(60), Some(u32::MAX)]),
        }),
    }
}

pub(crate) fn expr(choices: &mut Choices<'_>, requests: &[Attributes<'_>], depth: usize) -> Expr {
    match choices.below(if depth == 0 { 3 } else { 8 }) {
        0..=2 => Expr::Leaf(leaf(choices, requests)),
        3 | 4 => Expr::All(choices.some(4, |choices| expr(choices, requests, depth - 1))),
        5 | 6 => Expr::Any(choices.some(4, |choices| expr(choices, requests, depth - 1))),
        _ => Expr::Not(Box::new(expr(choices, requests, depth - 1))),
    }
}

/// Names more values of some dimensions than an engine may treat as the common few, at any vocabulary's cost.
pub(crate) fn crowd(choices: &mut Choices<'_>) -> Expr {
    let leaf = |dimension| Leaf::In { dimension, values: (0..70).map(|n| format!("crowd {n}")).collect() };
    let first = choices.below(Dimension::COUNT);
    let some = Dimension::ALL.into_iter().cycle().skip(first).take(DIMENSIONS.len());
    Expr::Any(some.map(leaf).map(Expr::Leaf).collect())
}

/// What the shared lists 0 to 4 hold, each of one dimension only; list 5 is missing.
const LISTS: [Dimension; 5] =
    [Dimension::Site, Dimension::Domain, Dimension::App, Dimension::Publisher, Dimension::Site];

/// The values of the shared lists.
pub(crate) fn lists(choices: &mut Choices<'_>) -> [(Dimension, Vec<String>); LISTS.len()] {
    LISTS.map(|dimension| (dimension, values(choices, 5)))
}

fn request_values<'a>(choices: &mut Choices<'_>, dimension: Dimension, arena: &'a Bump) -> &'a [&'a str] {
    // Unsorted, with duplicates, and with values that no expression names.
    let values = choices.some(4, |choices| match choices.below(8) {
        0 => "named by nobody",
        _ => normalise(dimension, choices.of(&VALUES), arena),
    });
    arena.alloc_slice_copy(&values)
}

pub(crate) fn request<'a>(choices: &mut Choices<'_>, arena: &'a Bump) -> Attributes<'a> {
    let mut attributes = Attributes::default();
    for dimension in Dimension::ALL {
        if DIMENSIONS.contains(&dimension) || choices.below(3) == 2 {
            attributes.set(dimension, request_values(choices, dimension, arena));
        }
    }
    attributes.os_version = choices.yes().then(|| choices.of(&VERSIONS));
    attributes.location = choices.yes().then(|| {
        let (lat, lon) = choices.of(&PLACES);
        Point { lat, lon }
    });
    attributes.hour_of_week = choices.yes().then(|| choices.of(&HOURS));
    let mut tags = choices.some(6, |choices| UserTag {
        id: TagId(choices.of(&TAGS)),
        realtime: choices.yes(),
        weight: choices.of(&[0, 99, 100, 255]),
        age_s: choices.of(&[0, 60, 61, u32::MAX]),
    });
    tags.sort_by_key(|tag| tag.id);
    attributes.tags = arena.alloc_slice_copy(&tags);
    attributes.knowledge = Knowledge { offline: choices.below(4) > 0, realtime: choices.below(4) > 0 };
    if choices.below(3) == 2 {
        let lists = choices.some(2, |choices| {
            let mut lost = choices.some(3, |choices| TagId(choices.of(&TAGS)));
            lost.sort_unstable();
            &*arena.alloc_slice_copy(&lost)
        });
        attributes.unknown_tags = UnknownTags::new(arena.alloc_slice_copy(&lists));
    }
    attributes
}

/// Another impression of the same request.
pub(crate) fn other_impression<'a>(
    choices: &mut Choices<'_>,
    request: &Attributes<'a>,
    arena: &'a Bump,
) -> Attributes<'a> {
    let mut attributes = request.clone();
    for dimension in Dimension::ALL.into_iter().filter(|d| d.is_impression()) {
        if DIMENSIONS.contains(&dimension) || choices.yes() {
            attributes.set(dimension, request_values(choices, dimension, arena));
        }
    }
    attributes
}
