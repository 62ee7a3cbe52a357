//! What is large, deep, many times the same, or far out.

use bumpalo::Bump;
use tagbid_targeting::workload::Random;
use tagbid_targeting::{
    Attributes, Dimension, Engine, Expr, GeoCircle, Knowledge, Leaf, Lists, LiveSet, Point, TagKind, TagTest,
    UnknownTags, UserTag,
};
use tagbid_types::{Cpm, ListId, TagId};

use crate::engines::{Subject, every_engine};
use crate::model::{LineItem, Question, SLOTS, Share};

fn is_in(dimension: Dimension, values: &[&str]) -> Expr {
    Expr::Leaf(Leaf::In { dimension, values: values.iter().map(ToString::to_string).collect() })
}

fn not(expr: Expr) -> Expr {
    Expr::Not(Box::new(expr))
}

/// The same with every engine and every request; some of it has to match and some not.
fn agree(items: &[LineItem], lists: &Lists<'_>, requests: &[Attributes<'_>]) {
    let live = LiveSet::all(SLOTS);
    let question = Question { items, lists, live: &live };
    let share = Share::default();
    requests.iter().for_each(|request| question.explains(request, &share));
    share.assert_telling();
    every_engine!(agrees_in(&question, requests));
}

fn agrees_in<S: Subject>(question: &Question<'_>, requests: &[Attributes<'_>]) {
    for observed in [&[], requests] {
        let (subject, refused) = S::build(question.items, question.lists, observed);
        assert!(refused.is_empty(), "{refused:?}");
        for request in requests {
            let arena = Bump::new();
            let probe = subject.engine().probe(request, &arena);
            question.compare(subject.engine(), &probe, request);
        }
    }
}

fn items(targeting: Vec<Expr>) -> Vec<LineItem> {
    targeting.into_iter().zip(0..).map(|(targeting, slot)| LineItem::plain(slot, targeting)).collect()
}

#[test]
fn lists_of_fifty_thousand_values_are_exact_from_end_to_end() {
    let domains: Vec<_> = (0..50_000).map(|n| format!("site-{n}.example")).collect();
    let odd: Vec<_> = domains.iter().skip(1).step_by(2).cloned().collect();
    let mut lists = Lists::default();
    lists.insert(ListId(1), Dimension::Domain, &domains);
    lists.insert(ListId(2), Dimension::Domain, &odd);
    let on = |list| Expr::Leaf(Leaf::OnList { dimension: Dimension::Domain, list: ListId(list) });
    let missing = on(9);
    let items = items(vec![
        on(1),
        not(on(1)),
        Expr::All(vec![on(1), not(on(2))]),
        Expr::Any(vec![missing.clone(), on(2)]),
        not(missing),
        Expr::Any(vec![not(on(2)), on(1)]),
    ]);
    let arena = Bump::new();
    let texts = ["site-0.example", "site-49999.example", "site-25000.example", "site-50000.example"];
    let mut requests = vec![Attributes::default()];
    requests.extend(texts.map(|text| {
        let mut request = Attributes::default();
        request.set(Dimension::Domain, arena.alloc_slice_copy(&["example", text]));
        request
    }));
    agree(&items, &lists, &requests);
}

/// Eight times one of eight, in disjunctive form sixteen million conjunctions; and its negation.
#[test]
fn nests_that_explode_in_disjunctive_form_are_served() {
    let dimensions = [Dimension::City, Dimension::Keyword, Dimension::Site, Dimension::Category];
    let names: Vec<_> = (0..64).map(|n| format!("value {n}")).collect();
    let one_of = |group: usize| {
        let leaf = |n: usize| is_in(dimensions[n % 4], &[&names[(group * 8 + n) % 64]]);
        Expr::Any((0..8).map(leaf).collect())
    };
    let wide = Expr::All((0..8).map(one_of).collect());
    let deep = (0..14).fold(is_in(Dimension::Site, &["value 2"]), |inner, depth| match depth % 3 {
        0 => Expr::Any(vec![inner, is_in(Dimension::City, &["value 0"])]),
        1 => Expr::All(vec![inner, not(is_in(Dimension::Site, &["value 9"]))]),
        _ => not(inner),
    });
    let many = Expr::Any((0..1_900).map(|n| is_in(dimensions[n % 4], &[&names[n % 64]])).collect());
    let items = items(vec![
        wide.clone(),
        not(wide.clone()),
        deep.clone(),
        not(deep),
        many.clone(),
        not(many),
        Expr::All(vec![wide, is_in(Dimension::Language, &["de"])]),
    ]);
    let arena = Bump::new();
    let mut random = Random::new(5);
    let requests: Vec<_> = (0..40)
        .map(|_| {
            let mut request = Attributes::default();
            for dimension in dimensions {
                let values: Vec<_> =
                    names.iter().filter(|_| random.chance(0.4)).map(String::as_str).collect();
                request.set(dimension, arena.alloc_slice_copy(&values));
            }
            request.set(Dimension::Language, if random.chance(0.5) { &["de"] } else { &[] });
            request
        })
        .collect();
    agree(&items, &Lists::default(), &requests);
}

/// One conjunction fifty times, alone and as alternatives of one item; values and bounds twice.
#[test]
fn what_is_there_twice_is_found_once() {
    let mut same = is_in(Dimension::Keyword, &["schuhe", "Schuhe", "SCHUHE ", "straße"]);
    same = Expr::All(vec![same.clone(), same]);
    let mut targeting = vec![same.clone(); 50];
    targeting.extend(vec![Expr::Any(vec![same.clone(); 20]); 10]);
    targeting.extend(vec![Expr::All(vec![same.clone(), not(same)]); 40]);
    let mut request = Attributes::default();
    request.set(Dimension::Keyword, &["schuhe", "schuhe", "straße"]);
    let mut lower = Attributes::default();
    lower.set(Dimension::Keyword, &["schuh", "strasse", "ＳＣＨＵＨＥ"]);
    agree(&items(targeting), &Lists::default(), &[request.clone(), request, lower]);
}

#[test]
fn tags_by_the_thousand_are_exact() {
    let test = |first: u32, count: u32, min_weight| {
        Expr::Leaf(Leaf::Tag(TagTest {
            any_of: (first..first + count).map(TagId).collect(),
            kind: TagKind::Any,
            min_weight,
            max_age_s: None,
        }))
    };
    let targeting = (0..90)
        .map(|n| match n % 3 {
            0 => test(n * 300, 9_000, 0),
            1 => not(test(n * 500, 3_000, 0)),
            _ => Expr::All(vec![test(n * 100, 5_000, 100), not(test(n * 7, 3, 0))]),
        })
        .collect();
    let arena = Bump::new();
    let mut random = Random::new(6);
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let mut tags: Vec<_> = (0..random.between(0, 512))
                .map(|_| UserTag {
                    id: TagId(random.below(50_000) as u32),
                    realtime: random.chance(0.3),
                    weight: random.below(256) as u8,
                    age_s: 0,
                })
                .collect();
            tags.sort_by_key(|tag| tag.id);
            let knowledge = Knowledge { offline: random.chance(0.9), realtime: random.chance(0.9) };
            let mut request = Attributes::default();
            (request.tags, request.knowledge) = (arena.alloc_slice_copy(&tags), knowledge);
            if random.chance(0.5) {
                let step = random.between(1, 2_000);
                let lost: Vec<_> = (0..50_000).step_by(step).map(TagId).collect();
                let lists = [&*arena.alloc_slice_copy(&lost), &[][..]];
                request.unknown_tags = UnknownTags::new(arena.alloc_slice_copy(&lists));
            }
            request
        })
        .collect();
    agree(&items(targeting), &Lists::default(), &requests);
}

/// Circles about the poles, across the antimeridian and on the equator, asked about places in a ring at their edge.
#[test]
fn circles_are_exact_wherever_they_lie() {
    let centres = [(90.0, 0.0), (-90.0, 77.0), (89.5, 179.9), (0.0, 180.0), (0.0, -180.0), (60.0, -179.99)];
    let radii = [1, 900, 25_000, 400_000, 2_500_000, 5_000_000];
    let circle = |(lat, lon), radius_m| GeoCircle { lat, lon, radius_m };
    let mut targeting = Vec::new();
    for centre in centres {
        for radius_m in radii {
            targeting.push(Expr::Leaf(Leaf::Near(vec![circle(centre, radius_m)])));
        }
        targeting.push(not(Expr::Leaf(Leaf::Near(radii.map(|radius| circle(centre, radius)).to_vec()))));
        let most = Leaf::Near(vec![circle(centre, 5_000_000), circle((-10.0, 20.0), 5_000_000)]);
        targeting.push(Expr::All(vec![Expr::Leaf(most), not(is_in(Dimension::City, &["x"]))]));
    }
    let mut requests = vec![Attributes::default()];
    let mut at = |lat: f64, lon: f64| {
        let lon = if lon > 180.0 {
            lon - 360.0
        } else if lon < -180.0 {
            lon + 360.0
        } else {
            lon
        };
        let mut request = Attributes::default();
        request.location = Some(Point { lat: lat.clamp(-90.0, 90.0), lon });
        requests.push(request);
    };
    for (lat, lon) in centres {
        for radius_m in radii {
            let off = (f64::from(radius_m) / tagbid_targeting::EARTH_RADIUS_M).to_degrees();
            for share in [0.999_999, 1.0, 1.000_001] {
                at(lat - off * share, lon);
                at(lat + off * share, lon);
                at(lat, lon + off * share / lat.to_radians().cos().max(0.01));
                at(lat, lon - off * share / lat.to_radians().cos().max(0.01));
            }
        }
    }
    at(f64::NAN, 0.0);
    agree(&items(targeting), &Lists::default(), &requests);
}

/// Bounds at the ends of their range, and slots far apart.
#[test]
fn the_order_holds_at_the_ends_of_its_range() {
    fn ordered<S: Subject>(items: &[LineItem]) {
        let (subject, refused) = S::build(items, &Lists::default(), &[]);
        assert!(refused.is_empty());
        let arena = Bump::new();
        let probe = subject.engine().probe(&Attributes::default(), &arena);
        let live = LiveSet::all(100_001);
        let found: Vec<_> = subject.engine().candidates(&probe, &live, &arena).map(|c| c.slot.0).collect();
        assert_eq!(found, [5, 100_000, 7, 64, 3, 9, 0]);
    }
    let bounds = [
        (3, 1),
        (100_000, i64::MAX),
        (7, Cpm::MAX.0),
        (9, 0),
        (0, i64::MIN),
        (64, Cpm::MAX.0),
        (5, i64::MAX),
    ];
    let item = |(slot, bound)| LineItem { bound: Cpm(bound), ..LineItem::plain(slot, Expr::default()) };
    every_engine!(ordered(&bounds.map(item)));
}

#[test]
fn an_empty_catalog_has_no_answers() {
    fn empty<S: Subject>() {
        let (subject, _) = S::build(&[], &Lists::default(), &[]);
        let arena = Bump::new();
        let probe = subject.engine().probe(&Attributes::default(), &arena);
        let live = LiveSet::all(64);
        assert_eq!(subject.engine().candidates(&probe, &live, &arena).count(), 0);
        subject.engine().all(&probe, &live, &arena, |slot| panic!("{slot:?}"));
    }
    every_engine!(empty());
}
