use super::*;
use crate::{HoursOfWeek, TagKind, TagTest};

/// List 1 holds domains; tags below 100 exist.
struct Catalog;

impl References for Catalog {
    fn list(&self, id: ListId) -> Option<Dimension> {
        (id == ListId(1)).then_some(Dimension::Domain)
    }

    fn tag(&self, id: TagId) -> bool {
        id.0 < 100
    }

    fn exchange(&self, name: &str) -> bool {
        name == "demo"
    }
}

fn value(dimension: Dimension, value: &str) -> Expr {
    Expr::Leaf(Leaf::In { dimension, values: vec![value.into()] })
}

fn paths(expr: &Expr) -> Vec<String> {
    validate(expr, &Catalog).into_iter().map(|p| p.path).collect()
}

#[test]
fn a_problem_names_its_place_and_the_remedy() {
    let expr = Expr::All(vec![
        value(Dimension::Country, "DE"),
        Expr::Not(Box::new(Expr::Any(vec![value(Dimension::Size, "300by250")]))),
    ]);
    let problems = validate(&expr, &Catalog);
    assert_eq!(problems.len(), 1);
    assert_eq!(
        problems[0].to_string(),
        "targeting.all[1].not.any[0].in.values[0]: \"300by250\" is no size; use width x height in pixels, such as \
         \"300x250\""
    );
}

#[test]
fn values_that_no_request_has_are_refused() {
    let good = [
        (Dimension::Country, "uk"),
        (Dimension::Region, "USA-CA"),
        (Dimension::Postcode, "GB-SW1A 1AA"),
        (Dimension::Size, "300 X 250"),
        (Dimension::Domain, "https://www.müller.de/"),
        (Dimension::Language, "en-GB"),
        (Dimension::DeviceType, "Phone"),
        (Dimension::Category, "IAB1-2"),
        (Dimension::Category, "7:483"),
        (Dimension::Keyword, "日本"),
        (Dimension::Publisher, "anything"),
        (Dimension::Language, "GER"),
        (Dimension::Language, "haw"),
        (Dimension::Domain, "例え.jp"),
        (Dimension::Os, "Windows"),
        (Dimension::Exchange, "Demo"),
        (Dimension::Keyword, "f*ck"),
    ];
    for (dimension, text) in good {
        assert!(paths(&value(dimension, text)).is_empty(), "{text:?} was refused");
    }
    let bad = [
        (Dimension::Country, "Atlantis"),
        (Dimension::Region, "CA"),
        (Dimension::Postcode, "10115"),
        (Dimension::Size, "0x250"),
        (Dimension::Size, "300x70000"),
        (Dimension::Domain, "*.example.com"),
        (Dimension::Language, "english"),
        (Dimension::DeviceType, "toaster"),
        (Dimension::Category, "Sports"),
        (Dimension::Keyword, "a, b"),
        (Dimension::Publisher, "  "),
        (Dimension::Keyword, "\u{200b}"),
        (Dimension::Keyword, "\"\""),
        (Dimension::Language, "xx"),
        (Dimension::Domain, "a b.example"),
        (Dimension::Domain, "bad_\u{fffd}.example"),
        (Dimension::Postcode, "GB-SW1*"),
        (Dimension::Os, "Windows 10"),
        (Dimension::Os, "iOS 17.2"),
        (Dimension::App, "com.example.*"),
        (Dimension::Exchange, "my exchange"),
        (Dimension::Exchange, "demmo"),
        (Dimension::City, "Ber\0lin"),
    ];
    for (dimension, text) in bad {
        assert_eq!(paths(&value(dimension, text)), ["targeting.in.values[0]"], "{text:?} was accepted");
    }
}

#[test]
fn leaves_that_can_never_hold_are_refused() {
    let never = [
        (Leaf::In { dimension: Dimension::City, values: vec![] }, "in.values"),
        (Leaf::Near(vec![]), "near"),
        (Leaf::Hour(HoursOfWeek::default()), "hour"),
        (
            Leaf::Tag(TagTest { any_of: vec![], kind: TagKind::Any, min_weight: 0, max_age_s: None }),
            "tag.any_of",
        ),
        (
            Leaf::OsVersion(OsRange { os: "ios".into(), min: Some("15".into()), max: Some("14".into()) }),
            "os_version",
        ),
    ];
    for (leaf, path) in never {
        assert_eq!(paths(&Expr::Leaf(leaf)), [format!("targeting.{path}")]);
    }
    let windows = OsRange { os: "Windows 10".into(), min: None, max: Some("14.x".into()) };
    let faults = ["targeting.os_version.os", "targeting.os_version.max"];
    assert_eq!(paths(&Expr::Leaf(Leaf::OsVersion(windows))), faults);
    let long = OsRange { os: "x".repeat(257), min: None, max: None };
    assert_eq!(paths(&Expr::Leaf(Leaf::OsVersion(long))), ["targeting.os_version.os"]);
    assert_eq!(paths(&Expr::Any(vec![])), ["targeting.any"]);
    assert!(paths(&Expr::All(vec![])).is_empty());
}

#[test]
fn circles_need_a_place_and_a_radius() {
    let circle = |lat, lon, radius_m| GeoCircle { lat, lon, radius_m };
    let leaf = Leaf::Near(vec![
        circle(52.5, 13.4, 1_000),
        circle(f64::NAN, 13.4, 1),
        circle(90.5, -180.5, 0),
        circle(0.0, 0.0, 5_000_001),
    ]);
    assert_eq!(
        paths(&Expr::Leaf(leaf)),
        [
            "targeting.near[1].lat",
            "targeting.near[2].lat",
            "targeting.near[2].lon",
            "targeting.near[2].radius_m",
            "targeting.near[3].radius_m"
        ]
    );
}

#[test]
fn lists_and_tags_have_to_exist_and_fit() {
    let on_list = |dimension, list| Expr::Leaf(Leaf::OnList { dimension, list: ListId(list) });
    assert!(paths(&on_list(Dimension::Domain, 1)).is_empty());
    assert_eq!(paths(&on_list(Dimension::Domain, 2)), ["targeting.on_list.list"]);
    assert_eq!(paths(&on_list(Dimension::App, 1)), ["targeting.on_list.list"]);
    assert_eq!(paths(&on_list(Dimension::City, 1)), ["targeting.on_list.dimension"]);
    let tags = Leaf::Tag(TagTest {
        any_of: vec![TagId(1), TagId(100)],
        kind: TagKind::Any,
        min_weight: 0,
        max_age_s: None,
    });
    let problems = validate_leaf(&tags, "bid.multipliers[0].when", &Catalog);
    assert_eq!(problems[0].path, "bid.multipliers[0].when.tag.any_of[1]");
}

#[test]
fn size_is_limited_and_the_report_too() {
    let nested = |depth| (1..depth).fold(value(Dimension::City, "x"), |inner, _| Expr::Not(Box::new(inner)));
    assert!(paths(&nested(MAX_DEPTH)).is_empty());
    assert_eq!(paths(&nested(MAX_DEPTH + 1)).len(), 1);
    assert_eq!(paths(&nested(5_000)).len(), 1);
    let wide = |count| Expr::All(vec![value(Dimension::City, "x"); count]);
    assert!(paths(&wide(MAX_NODES - 1)).is_empty());
    assert_eq!(paths(&wide(MAX_NODES + 500)).len(), 1);
    assert_eq!(paths(&Expr::All(vec![Expr::Any(vec![]); 500])).len(), MAX_PROBLEMS);
    let large = Leaf::In { dimension: Dimension::City, values: vec!["x".into(); MAX_VALUES + 1] };
    assert_eq!(paths(&Expr::Leaf(large)), ["targeting.in"]);
    assert_eq!(paths(&value(Dimension::City, &"x".repeat(257))), ["targeting.in.values[0]"]);
}
