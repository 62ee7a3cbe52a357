//! What the language means, case by case: these hold the oracle itself.

use tagbid_targeting::{
    Attributes, Dimension, Expr, GeoCircle, HoursOfWeek, Knowledge, Leaf, Lists, OsRange, Point, TagKind,
    TagTest, Truth, UnknownTags, UserTag, oracle,
};
use tagbid_types::{ListId, TagId};

use Truth::{False, True, Unknown};

fn truth(expr: &Expr, attributes: &Attributes<'_>) -> Truth {
    oracle::truth(expr, attributes, &Lists::default())
}

fn is_in(dimension: Dimension, values: &[&str]) -> Expr {
    Expr::Leaf(Leaf::In { dimension, values: values.iter().map(ToString::to_string).collect() })
}

fn not(expr: &Expr) -> Expr {
    Expr::Not(Box::new(expr.clone()))
}

fn tag(kind: TagKind, min_weight: u8, max_age_s: Option<u32>) -> Expr {
    Expr::Leaf(Leaf::Tag(TagTest { any_of: vec![TagId(7)], kind, min_weight, max_age_s }))
}

#[test]
fn nothing_asked_matches_everything_and_no_alternative_nothing() {
    assert_eq!(truth(&Expr::All(vec![]), &Attributes::default()), True);
    assert_eq!(truth(&Expr::Any(vec![]), &Attributes::default()), False);
}

#[test]
fn what_is_absent_is_not_among_any_values() {
    let berlin = is_in(Dimension::City, &["Berlin"]);
    let absent = Attributes::default();
    assert_eq!(truth(&berlin, &absent), False);
    assert_eq!(truth(&not(&berlin), &absent), True);
    let present = Expr::Leaf(Leaf::Present(Dimension::City));
    assert_eq!(truth(&Expr::All(vec![not(&berlin), present.clone()]), &absent), False);
    let mut bonn = Attributes::default();
    bonn.set(Dimension::City, &["bonn"]);
    assert_eq!(truth(&Expr::All(vec![not(&berlin), present]), &bonn), True);
}

#[test]
fn one_common_value_is_enough() {
    let mut attributes = Attributes::default();
    attributes.set(Dimension::Category, &["iab1-2", "iab1"]);
    assert_eq!(truth(&is_in(Dimension::Category, &["IAB9", "IAB1"]), &attributes), True);
    assert_eq!(truth(&is_in(Dimension::Category, &["IAB1-3"]), &attributes), False);
    assert_eq!(truth(&is_in(Dimension::Category, &[]), &attributes), False);
}

#[test]
fn tags_that_could_not_be_learnt_include_and_exclude_nobody() {
    let runners = tag(TagKind::Any, 0, None);
    let mut late = Attributes::default();
    assert_eq!(truth(&runners, &late), Unknown);
    assert_eq!(truth(&not(&runners), &late), Unknown);
    // Of one source only: the other may still hold the tag.
    late.knowledge.offline = true;
    assert_eq!(truth(&runners, &late), Unknown);
    assert_eq!(truth(&tag(TagKind::Offline, 0, None), &late), False);
    assert_eq!(truth(&tag(TagKind::Realtime, 0, None), &late), Unknown);
    late.knowledge = Knowledge::COMPLETE;
    assert_eq!(truth(&runners, &late), False);
    assert_eq!(truth(&not(&runners), &late), True);
}

#[test]
fn tags_of_a_dataset_that_did_not_answer_are_unknown_and_no_others() {
    let runners = |kind| tag(kind, 0, None);
    let (lost, others) = ([TagId(3), TagId(7)], [TagId(8)]);
    let mut request = Attributes::default();
    request.knowledge = Knowledge::COMPLETE;
    let lists = [&lost[..], &others[..]];
    request.unknown_tags = UnknownTags::new(&lists);
    assert_eq!(truth(&runners(TagKind::Any), &request), Unknown);
    assert_eq!(truth(&not(&runners(TagKind::Offline)), &request), Unknown);
    assert_eq!(truth(&runners(TagKind::Realtime), &request), False, "the real-time store answered");
    let tags = [UserTag { id: TagId(7), realtime: true, weight: 1, age_s: 0 }];
    request.tags = &tags;
    assert_eq!(truth(&runners(TagKind::Any), &request), True, "what was found is certain");
    assert_eq!(truth(&runners(TagKind::Offline), &request), Unknown);
    request.tags = &[];
    let lists = [&others[..]];
    request.unknown_tags = UnknownTags::new(&lists);
    assert_eq!(truth(&runners(TagKind::Any), &request), False, "its own dataset answered");
}

#[test]
fn context_still_decides_when_tags_are_unknown() {
    let runners = tag(TagKind::Any, 0, None);
    let mut late = Attributes::default();
    late.set(Dimension::Country, &["deu"]);
    let germany = is_in(Dimension::Country, &["DE"]);
    let france = is_in(Dimension::Country, &["FR"]);
    assert_eq!(truth(&Expr::Any(vec![runners.clone(), germany]), &late), True);
    assert_eq!(truth(&Expr::All(vec![runners, france]), &late), False);
}

#[test]
fn a_tag_counts_when_it_is_of_the_kind_heavy_and_fresh_enough() {
    let tags = [UserTag { id: TagId(7), realtime: true, weight: 100, age_s: 60 }];
    let mut attributes = Attributes::default();
    attributes.tags = &tags;
    attributes.knowledge = Knowledge::COMPLETE;
    let cases = [
        (tag(TagKind::Any, 100, Some(60)), True),
        (tag(TagKind::Realtime, 0, None), True),
        (tag(TagKind::Offline, 0, None), False),
        (tag(TagKind::Any, 101, None), False),
        (tag(TagKind::Any, 0, Some(59)), False),
    ];
    for (expr, want) in cases {
        assert_eq!(truth(&expr, &attributes), want, "{expr:?}");
    }
    // What was found is certain, even when another source is late.
    attributes.knowledge = Knowledge::default();
    assert_eq!(truth(&tag(TagKind::Any, 0, None), &attributes), True);
}

#[test]
fn versions_have_numbers_and_bounds_include_their_ends() {
    let range = |min: Option<&str>, max: Option<&str>| {
        Expr::Leaf(Leaf::OsVersion(OsRange {
            os: "iOS".into(),
            min: min.map(Into::into),
            max: max.map(Into::into),
        }))
    };
    let mut phone = Attributes::default();
    phone.set(Dimension::Os, &["ios"]);
    assert_eq!(truth(&range(None, None), &phone), True);
    assert_eq!(truth(&range(Some("9"), None), &phone), False, "no version is no version from 9");
    phone.os_version = Some("14.0");
    assert_eq!(truth(&range(Some("9"), Some("14")), &phone), True);
    assert_eq!(truth(&range(Some("14.0.1"), None), &phone), False);
    assert_eq!(truth(&range(Some("soon"), None), &phone), False);
    phone.set(Dimension::Os, &["android"]);
    assert_eq!(truth(&range(None, None), &phone), False);
}

#[test]
fn hours_and_places_are_false_when_absent() {
    let hours = Expr::Leaf(Leaf::Hour(HoursOfWeek::from_hours([33]).unwrap_or_default()));
    let near = Expr::Leaf(Leaf::Near(vec![GeoCircle { lat: 52.5, lon: 13.4, radius_m: 1_000 }]));
    let mut attributes = Attributes::default();
    assert_eq!((truth(&hours, &attributes), truth(&near, &attributes)), (False, False));
    attributes.hour_of_week = Some(33);
    attributes.location = Some(Point { lat: 52.508, lon: 13.4 });
    assert_eq!((truth(&hours, &attributes), truth(&near, &attributes)), (True, True));
    attributes.location = Some(Point { lat: 52.51, lon: 13.4 });
    assert_eq!(truth(&near, &attributes), False);
}

#[test]
fn a_list_that_is_missing_or_of_another_kind_blocks_both_ways() {
    let values = ["bad.example".to_owned()];
    let mut lists = Lists::default();
    lists.insert(ListId(1), Dimension::Domain, &values);
    let on_list = |dimension, list| Expr::Leaf(Leaf::OnList { dimension, list: ListId(list) });
    let mut attributes = Attributes::default();
    attributes.set(Dimension::Domain, &["www2.bad.example", "bad.example"]);
    let says = |expr: &Expr| oracle::truth(expr, &attributes, &lists);
    assert_eq!(says(&on_list(Dimension::Domain, 1)), True);
    for lost in [on_list(Dimension::Domain, 2), on_list(Dimension::Site, 1)] {
        assert_eq!((says(&lost), says(&not(&lost))), (Unknown, Unknown));
    }
}
