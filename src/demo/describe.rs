//! Targeting in words, for people who did not write it.

use tagbid_catalog::{Entity, EntityKey};
use tagbid_targeting::{Expr, HoursOfWeek, Leaf, TagKind, TagTest};

use super::seed::Seeded;

/// Values that are spelt out; more are counted.
const SPELT_OUT: usize = 4;

/// An expression in words.
pub(super) fn expression(expr: &Expr, names: &Seeded) -> String {
    match expr {
        Expr::All(parts) if parts.is_empty() => "everything".into(),
        Expr::All(parts) => joined(parts, " and ", names),
        Expr::Any(parts) => format!("({})", joined(parts, " or ", names)),
        Expr::Not(part) => format!("not ({})", expression(part, names)),
        Expr::Leaf(leaf) => test(leaf, names),
    }
}

fn joined(parts: &[Expr], word: &str, names: &Seeded) -> String {
    parts.iter().map(|part| expression(part, names)).collect::<Vec<_>>().join(word)
}

/// A test in words.
pub(super) fn test(leaf: &Leaf, names: &Seeded) -> String {
    match leaf {
        Leaf::In { dimension, values } => format!("{} is {}", dimension.as_str(), some(values)),
        Leaf::Present(dimension) => format!("{} is known", dimension.as_str()),
        Leaf::OnList { dimension, list } => {
            format!("{} is on the list {:?}", dimension.as_str(), name(names, (*list).into()))
        }
        Leaf::OsVersion(range) => {
            let bound = |word: &str, version: &Option<String>| {
                version.as_ref().map(|version| format!(" {word} {version}")).unwrap_or_default()
            };
            format!("os is {}{}{}", range.os, bound("from", &range.min), bound("to", &range.max))
        }
        Leaf::Near(circles) => {
            let each = circles.iter().map(|c| format!("{} km of {}, {}", c.radius_m / 1_000, c.lat, c.lon));
            format!("within {}", some(&each.collect::<Vec<_>>()))
        }
        Leaf::Hour(hours) => format!("the user's hour is among {} of the week", count(hours)),
        Leaf::Tag(wanted) => tag(wanted, names),
    }
}

fn count(hours: &HoursOfWeek) -> usize {
    hours.iter().count()
}

fn tag(wanted: &TagTest, names: &Seeded) -> String {
    let tags: Vec<String> =
        wanted.any_of.iter().map(|tag| format!("{:?}", name(names, (*tag).into()))).collect();
    let kind = match wanted.kind {
        TagKind::Any => "",
        TagKind::Offline => " offline",
        TagKind::Realtime => " real-time",
    };
    let weight = if wanted.min_weight > 0 {
        format!(" of weight {} or more", wanted.min_weight)
    } else {
        String::new()
    };
    let age = wanted.max_age_s.map(|age| format!(" no older than {} min", age / 60)).unwrap_or_default();
    format!("the user has the{kind} tag {}{weight}{age}", some(&tags))
}

fn some(values: &[String]) -> String {
    let shown = values.iter().take(SPELT_OUT).map(String::as_str).collect::<Vec<_>>().join(" or ");
    match values.len().saturating_sub(SPELT_OUT) {
        0 => shown,
        more => format!("{shown} or {more} more"),
    }
}

fn name(names: &Seeded, key: EntityKey) -> String {
    names.entities.get(&key).map_or_else(|| key.to_string(), |entity: &Entity| entity.name().to_owned())
}

#[cfg(test)]
mod tests {
    use tagbid_targeting::Dimension;
    use tagbid_types::{ListId, TagId};

    use super::*;

    #[test]
    fn expressions_read_as_sentences() {
        let leaf = |leaf| Expr::Leaf(leaf);
        let values = ["deu", "fra", "ita", "esp", "nld", "pol"].map(String::from).to_vec();
        let expr = Expr::All(vec![
            leaf(Leaf::In { dimension: Dimension::Country, values }),
            Expr::Not(Box::new(leaf(Leaf::OnList { dimension: Dimension::App, list: ListId(3) }))),
            Expr::Any(vec![
                leaf(Leaf::Present(Dimension::Deal)),
                leaf(Leaf::Tag(TagTest {
                    any_of: vec![TagId(7)],
                    kind: TagKind::Realtime,
                    min_weight: 60,
                    max_age_s: Some(7_200),
                })),
            ]),
        ]);
        assert_eq!(
            expression(&expr, &Seeded::default()),
            "country is deu or fra or ita or esp or 2 more and not (app is on the list \"list 3\") and (deal is known \
             or the user has the real-time tag \"tag definition 7\" of weight 60 or more no older than 120 min)"
        );
    }
}
