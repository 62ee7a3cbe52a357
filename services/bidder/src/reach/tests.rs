//! The sample of impressions: uniform, bounded, recent, and without anybody's ids.

use tagbid_catalog::{Catalog, Entity, Header, List, ListKind};
use tagbid_ports::Stratum;
use tagbid_targeting::{Dimension, GeoCircle, Knowledge, Leaf, OsRange, Point, TagKind, TagTest, UserTag};
use tagbid_testkit::FakeClock;
use tagbid_types::{AdvertiserId, Clock, ListId, Revision, TagId};

use super::*;

const START: Timestamp = Timestamp::from_secs(1_750_000_000);

/// Spread as random numbers are; never two alike.
fn random(n: u64) -> u64 {
    n.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn from_country<'a>(country: &'a [&'a str]) -> Attributes<'a> {
    let mut attributes = Attributes::default();
    attributes.set(Dimension::Country, country);
    attributes
}

fn in_country(country: &str) -> Expr {
    Expr::Leaf(Leaf::In { dimension: Dimension::Country, values: vec![country.into()] })
}

fn count(impressions: &Impressions, expr: &Expr, now: Timestamp) -> Vec<Stratum> {
    let clock = FakeClock::at(now);
    count::count(expr, &impressions.recent(now), &Catalog::default(), &clock).unwrap()
}

#[test]
fn the_share_of_a_long_stream_is_told_from_a_bounded_sample() {
    let impressions = Impressions::new(START);
    let all = 100_000;
    for n in 0..all {
        let country: &[&str] = if n % 4 == 0 { &["deu"] } else { &["usa"] };
        impressions.observe(random(n), 0, || START, &from_country(country));
    }
    let strata = count(&impressions, &in_country("DE"), START);
    let [Stratum { sampled, matching, scale }] = strata[..] else { panic!("{strata:?}") };
    assert!((MOST_IMPRESSIONS as u64 / 2..=MOST_IMPRESSIONS as u64).contains(&sampled), "{sampled}");
    assert!(((sampled * scale) as f64 / all as f64 - 1.0).abs() < 0.1, "{sampled} x {scale}");
    assert!((matching as f64 / sampled as f64 - 0.25).abs() < 0.03, "{matching} of {sampled}");
}

#[test]
fn only_the_last_two_periods_count() {
    let impressions = Impressions::new(START);
    let send = |country: &'static [&'static str], at: Timestamp, numbers: std::ops::Range<u64>| {
        // Every number that passes the first level.
        numbers.for_each(|n| impressions.observe(n, 0, || at, &from_country(country)));
    };
    send(&["deu"], START, 0..100);
    let second = START.after(PERIOD);
    send(&["usa"], second, 100..150);
    let of = |sampled, matching| Stratum { sampled, matching, scale: 4 };
    assert_eq!(count(&impressions, &in_country("deu"), second), [of(100, 100), of(50, 0)]);

    let third = second.after(PERIOD);
    send(&["deu"], third, 150..160);
    assert_eq!(count(&impressions, &in_country("deu"), third), [of(50, 0), of(10, 10)]);
    assert_eq!(impressions.recent(third)[0].began, second);

    let much_later = third.after(PERIOD * 3);
    assert_eq!(count(&impressions, &in_country("deu"), much_later), [of(0, 0)]);
}

#[test]
fn large_impressions_are_fewer_and_a_lock_that_is_taken_costs_one() {
    let impressions = Impressions::new(START);
    let words: Vec<String> = (0..1_000).map(|n| format!("a rather long keyword, number {n}")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut attributes = Attributes::default();
    attributes.set(Dimension::Keyword, &words);
    (0..2_000).for_each(|n| impressions.observe(random(n) >> 2, 0, || START, &attributes));
    let kept = impressions.recent(START).remove(0).impressions;
    assert!(kept.bytes() <= MOST_BYTES, "{}", kept.bytes());
    assert!((50..1_000).contains(&kept.len()), "{}", kept.len());

    let _taken = impressions.lock();
    impressions.observe(0, 0, || START, &attributes);
}

#[test]
fn what_is_kept_is_what_targeting_reads_with_the_place_rounded() {
    let tags = [UserTag { id: TagId(7), realtime: true, weight: 90, age_s: 30 }];
    let mut seen = Attributes::default();
    seen.set(Dimension::Country, &["deu"]);
    seen.set(Dimension::Keyword, &["", "shoes", "äöü"]);
    seen.set(Dimension::Deal, &["d-1"]);
    seen.os_version = Some("14.2");
    seen.location = Some(Point { lat: 52.520_08, lon: -13.404_95 });
    seen.hour_of_week = Some(167);
    (seen.tags, seen.knowledge) = (&tags, Knowledge { offline: false, realtime: true });

    let (kept, arena) = (Kept::of(&seen), bumpalo::Bump::new());
    let read = kept.attributes(&arena);
    for dimension in Dimension::ALL {
        assert_eq!(read.values(dimension), seen.values(dimension), "{dimension:?}");
    }
    assert_eq!(read.location, Some(Point { lat: 52.52, lon: -13.4 }));
    assert_eq!((read.os_version, read.hour_of_week), (Some("14.2"), Some(167)));
    assert_eq!((read.tags, read.knowledge), (seen.tags, seen.knowledge));
}

#[test]
fn the_whole_expression_counts_with_tags_and_lists_as_the_bidder_knows_them() {
    let impressions = Impressions::new(START);
    let tags = [UserTag { id: TagId(7), realtime: false, weight: 90, age_s: 30 }];
    let mut seen = from_country(&["deu"]);
    seen.set(Dimension::Domain, &["news.example"]);
    seen.set(Dimension::Os, &["ios"]);
    seen.os_version = Some("17.1");
    seen.location = Some(Point { lat: 52.52, lon: 13.4 });
    impressions.observe(1, 0, || START, &seen);
    (seen.tags, seen.knowledge) = (&tags, Knowledge::COMPLETE);
    impressions.observe(2, 0, || START, &seen);

    let catalog = catalog_with_list(&["news.example"]);
    let clock = FakeClock::at(START);
    let ask = |leaf: Leaf| count::count(&Expr::Leaf(leaf), &impressions.recent(START), &catalog, &clock);
    let matching = |leaf| ask(leaf).unwrap()[0].matching;
    let tag =
        |any_of| TagTest { any_of: vec![TagId(any_of)], kind: TagKind::Any, min_weight: 0, max_age_s: None };
    assert_eq!(matching(Leaf::Tag(tag(7))), 1, "unknown tags match nothing");
    assert_eq!(matching(Leaf::Tag(tag(8))), 0);
    assert_eq!(matching(Leaf::OsVersion(OsRange { os: "ios".into(), min: Some("17".into()), max: None })), 2);
    assert_eq!(matching(Leaf::Near(vec![GeoCircle { lat: 52.5, lon: 13.4, radius_m: 5_000 }])), 2);
    let on_list = |list| Leaf::OnList { dimension: Dimension::Domain, list: ListId(list) };
    assert_eq!(matching(on_list(3)), 2);
    let refused = ask(on_list(4)).unwrap_err();
    assert!(refused.contains("does not know list 4"), "{refused}");
}

fn catalog_with_list(values: &[&str]) -> Catalog {
    let list = List {
        id: ListId(3),
        header: Header::default(),
        advertiser: AdvertiserId(1),
        name: "News".into(),
        kind: ListKind::Domain,
        values: values.iter().map(ToString::to_string).collect(),
    };
    let entity = Entity::List(list.into());
    let mut catalog = Catalog { revision: Revision(1), ..Catalog::default() };
    catalog.entities.insert_mut(entity.key(), entity);
    catalog
}

#[test]
fn an_evaluation_that_takes_too_long_says_so() {
    /// Every look takes a second.
    struct Slow(FakeClock);

    impl Clock for Slow {
        fn now(&self) -> Timestamp {
            self.0.now()
        }

        fn monotonic(&self) -> tagbid_types::Monotonic {
            self.0.advance(Duration::from_secs(1));
            self.0.monotonic()
        }
    }

    let impressions = Impressions::new(START);
    (0..300).for_each(|n| impressions.observe(n, 0, || START, &from_country(&["deu"])));
    let slow = Slow(FakeClock::at(START));
    let refused =
        count::count(&in_country("deu"), &impressions.recent(START), &Catalog::default(), &slow).unwrap_err();
    assert!(refused.contains("too large"), "{refused}");
}
