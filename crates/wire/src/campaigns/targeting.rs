//! Targeting expressions.

use tagbid_catalog::Report;
use tagbid_targeting::{Dimension, Expr, GeoCircle, Leaf, OsRange, TagTest};
use tagbid_types::{ListId, TagId};

use super::common::{enumeration, hours_from, hours_to, narrow, tag_kind_from, tag_kind_to};
use crate::pb::campaigns as pb;
use pb::expression::Node;
use pb::leaf::Test;

enumeration!(
    dimension_from,
    dimension_to,
    Dimension,
    Dimension,
    None,
    [
        Country,
        Region,
        City,
        Postcode,
        DeviceType,
        DeviceMake,
        DeviceModel,
        Os,
        Browser,
        Language,
        Connection,
        Carrier,
        Exchange,
        Publisher,
        Site,
        App,
        Domain,
        Channel,
        Format,
        Size,
        Position,
        Interstitial,
        Skippable,
        Category,
        Keyword,
        Deal
    ]
);

/// Reads a whole targeting; absent or without a node it matches everything. Recursion ends where the decoder's did.
pub fn expr_from(expression: Option<&pb::Expression>, report: &mut Report) -> Expr {
    match expression.and_then(|e| e.node.as_ref()) {
        Some(node) => node_from(node, report),
        None => Expr::default(),
    }
}

fn node_from(node: &Node, report: &mut Report) -> Expr {
    match node {
        Node::AllOf(parts) => Expr::All(report.within("all_of", |r| parts_from(parts, r))),
        Node::AnyOf(parts) => Expr::Any(report.within("any_of", |r| parts_from(parts, r))),
        Node::Negated(part) => Expr::Not(Box::new(report.within("negated", |r| part_from(part, r)))),
        Node::Leaf(leaf) => {
            report.within("leaf", |r| leaf_from(leaf, r)).map_or_else(Expr::default, Expr::Leaf)
        }
    }
}

fn parts_from(parts: &pb::Expressions, report: &mut Report) -> Vec<Expr> {
    let each = parts.parts.iter().enumerate();
    each.map(|(position, part)| report.within(format_args!("parts[{position}]"), |r| part_from(part, r)))
        .collect()
}

/// Inside a tree an expression without a node is a slip, not a wish for everything.
fn part_from(part: &pb::Expression, report: &mut Report) -> Expr {
    match &part.node {
        Some(node) => node_from(node, report),
        None => {
            report.problem("", "is empty", "set all_of, any_of, negated or leaf, or take the part out");
            Expr::default()
        }
    }
}

/// Reads one test; none, and a problem noted, when it does not say what it tests.
pub fn leaf_from(leaf: &pb::Leaf, report: &mut Report) -> Option<Leaf> {
    let Some(test) = &leaf.test else {
        report.problem("", "tests nothing", "set one of the tests, such as value_in");
        return None;
    };
    Some(match test {
        Test::ValueIn(test) => Leaf::In {
            dimension: report.within("value_in", |r| dimension(test.dimension, "dimension", r))?,
            values: test.values.clone(),
        },
        Test::Present(present) => Leaf::Present(dimension(*present, "present", report)?),
        Test::OnList(test) => Leaf::OnList {
            dimension: report.within("on_list", |r| dimension(test.dimension, "dimension", r))?,
            list: ListId(test.list_id),
        },
        Test::OsVersion(range) => Leaf::OsVersion(os_from(range)),
        Test::Near(near) => Leaf::Near(near.circles.iter().map(circle_from).collect()),
        Test::HourOfWeek(hours) => {
            report.within("hour_of_week", |report| Leaf::Hour(hours_from(&hours.hours, "hours", report)))
        }
        Test::Tag(test) => report.within("tag", |report| Leaf::Tag(tag_from(test, report))),
    })
}

/// None, and a problem noted, when it is no dimension: what else the test says means nothing then.
fn dimension(value: i32, field: &str, report: &mut Report) -> Option<Dimension> {
    let read = dimension_from(value, field, report);
    (dimension_to(read) == value).then_some(read)
}

fn os_from(range: &pb::OsVersion) -> OsRange {
    let bound = |version: &String| (!version.is_empty()).then(|| version.clone());
    OsRange { os: range.os.clone(), min: bound(&range.min_version), max: bound(&range.max_version) }
}

fn circle_from(circle: &pb::GeoCircle) -> GeoCircle {
    GeoCircle { lat: circle.latitude, lon: circle.longitude, radius_m: circle.radius_m }
}

fn tag_from(test: &pb::TagTest, report: &mut Report) -> TagTest {
    TagTest {
        any_of: test.any_of_tag_ids.iter().map(|id| TagId(*id)).collect(),
        kind: tag_kind_from(test.kind, "kind", report),
        min_weight: narrow(test.min_weight, "min_weight", report),
        max_age_s: test.max_age_s,
    }
}

/// Writes an expression.
pub fn expr_to(expr: &Expr) -> pb::Expression {
    let parts = |parts: &[Expr]| pb::Expressions { parts: parts.iter().map(expr_to).collect() };
    let node = match expr {
        Expr::All(all) => Node::AllOf(parts(all)),
        Expr::Any(any) => Node::AnyOf(parts(any)),
        Expr::Not(part) => Node::Negated(Box::new(expr_to(part))),
        Expr::Leaf(leaf) => Node::Leaf(leaf_to(leaf)),
    };
    pb::Expression { node: Some(node) }
}

/// Writes one test.
pub fn leaf_to(leaf: &Leaf) -> pb::Leaf {
    let test = match leaf {
        Leaf::In { dimension, values } => {
            Test::ValueIn(pb::ValueIn { dimension: dimension_to(*dimension), values: values.clone() })
        }
        Leaf::Present(dimension) => Test::Present(dimension_to(*dimension)),
        Leaf::OnList { dimension, list } => {
            Test::OnList(pb::OnList { dimension: dimension_to(*dimension), list_id: list.0 })
        }
        Leaf::OsVersion(range) => Test::OsVersion(pb::OsVersion {
            os: range.os.clone(),
            min_version: range.min.clone().unwrap_or_default(),
            max_version: range.max.clone().unwrap_or_default(),
        }),
        Leaf::Near(circles) => Test::Near(pb::Near { circles: circles.iter().map(circle_to).collect() }),
        Leaf::Hour(hours) => Test::HourOfWeek(pb::HoursOfWeek { hours: hours_to(hours) }),
        Leaf::Tag(test) => Test::Tag(pb::TagTest {
            any_of_tag_ids: test.any_of.iter().map(|id| id.0).collect(),
            kind: tag_kind_to(test.kind),
            min_weight: test.min_weight.into(),
            max_age_s: test.max_age_s,
        }),
    };
    pb::Leaf { test: Some(test) }
}

fn circle_to(circle: &GeoCircle) -> pb::GeoCircle {
    pb::GeoCircle { latitude: circle.lat, longitude: circle.lon, radius_m: circle.radius_m }
}
