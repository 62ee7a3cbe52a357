use super::*;
use crate::{Dimension, HoursOfWeek, Knowledge, TagKind, TagTest, UnknownTags, UserTag};

struct Catalog;

impl Names for Catalog {
    fn tag(&self, id: TagId) -> Option<&str> {
        (id == TagId(7)).then_some("Runners")
    }

    fn list(&self, id: ListId) -> Option<&str> {
        (id == ListId(3)).then_some("Never again")
    }
}

fn is_in(dimension: Dimension, values: &[&str]) -> Expr {
    Expr::Leaf(Leaf::In { dimension, values: values.iter().map(ToString::to_string).collect() })
}

fn not(expr: Expr) -> Expr {
    Expr::Not(Box::new(expr))
}

fn explained(expr: &Expr, attributes: &Attributes<'_>) -> Vec<String> {
    let blocked = ["bad.example".to_owned()];
    let mut lists = Lists::default();
    lists.insert(ListId(3), Dimension::Domain, &blocked);
    let failures = explain(expr, attributes, &lists, &Catalog);
    failures.iter().map(ToString::to_string).collect()
}

#[test]
fn every_failing_clause_is_told_with_what_the_request_had() {
    let expr = Expr::All(vec![
        is_in(Dimension::Country, &["DE", "FR"]),
        is_in(Dimension::Size, &["300x250"]),
        not(Expr::Leaf(Leaf::OnList { dimension: Dimension::Domain, list: ListId(3) })),
        Expr::Leaf(Leaf::Hour(HoursOfWeek::from_hours([9, 10, 167]).unwrap())),
    ]);
    let mut attributes = Attributes::default();
    attributes.hour_of_week = Some(37);
    attributes.set(Dimension::Country, &["usa"]);
    attributes.set(Dimension::Size, &["300x250"]);
    attributes.set(Dimension::Domain, &["bad.example"]);
    assert_eq!(
        explained(&expr, &attributes),
        [
            "targeting.all[0].in: wanted country is one of DE, FR, which does not hold: the request has country usa",
            "targeting.all[2].not.on_list: wanted domain is not on list 3 (Never again), which does not hold: \
             the request has domain bad.example",
            "targeting.all[3].hour: wanted local time is in Mon 09:00 to Mon 11:00, Sun 23:00 to Mon 00:00, \
             which does not hold: it is Tue 13:00 for the user",
        ]
    );
}

#[test]
fn what_could_not_be_learnt_is_told_apart_from_what_is_not_so() {
    let runners = Expr::Leaf(Leaf::Tag(TagTest {
        any_of: vec![TagId(7)],
        kind: TagKind::Any,
        min_weight: 100,
        max_age_s: None,
    }));
    let late = Attributes::default();
    let wanted = "targeting.tag: wanted user carries one of Runners (7), weight at least 100, which";
    let why = "cannot be known: not all of the user's tags could be looked up";
    assert_eq!(explained(&runners, &late), [format!("{wanted} {why}")]);
    assert_eq!(explained(&not(runners.clone()), &late).len(), 1);

    let tags = [UserTag { id: TagId(7), realtime: true, weight: 40, age_s: 5 }];
    let mut light = Attributes::default();
    light.tags = &tags;
    light.knowledge = Knowledge::COMPLETE;
    let mut partly = Attributes::default();
    partly.knowledge = Knowledge::COMPLETE;
    let lost = [&[TagId(7)][..]];
    partly.unknown_tags = UnknownTags::new(&lost);
    let why = "cannot be known: the datasets of Runners (7) could not be looked up";
    assert_eq!(explained(&runners, &partly), [format!("{wanted} {why}")]);
    let why = "does not hold: the user carries Runners (7) real-time of weight 40, 5 s old";
    assert_eq!(explained(&runners, &light), [format!("{wanted} {why}")]);
    assert!(explained(&not(runners), &light).is_empty());
}

#[test]
fn of_alternatives_all_are_told_or_none() {
    let expr = Expr::Any(vec![
        is_in(Dimension::Os, &["ios"]),
        Expr::All(vec![is_in(Dimension::Os, &["android"]), is_in(Dimension::City, &["Bonn"])]),
    ]);
    let mut attributes = Attributes::default();
    attributes.set(Dimension::Os, &["android"]);
    let failures = explain(&expr, &attributes, &Lists::default(), &());
    let paths: Vec<_> = failures.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(paths, ["targeting.any[0].in", "targeting.any[1].all[1].in"]);
    attributes.set(Dimension::City, &["bonn"]);
    assert!(explained(&expr, &attributes).is_empty());
}

#[test]
fn long_sets_are_cut_and_empty_ones_blamed() {
    let values: Vec<_> = (0..8).map(|n| format!("v{n}")).collect();
    let expr = Expr::Leaf(Leaf::In { dimension: Dimension::City, values });
    let text = explained(&expr, &Attributes::default()).join("");
    assert!(text.contains("one of v0, v1, v2, v3, v4 and 3 more"), "{text}");
    assert!(text.ends_with("the request has no city"), "{text}");
    assert_eq!(explained(&Expr::Any(vec![]), &Attributes::default()).len(), 1);
    assert_eq!(explained(&not(Expr::All(vec![])), &Attributes::default()).len(), 1);
}
