//! What the language means, in the plainest code: a recursive three-valued evaluation over text.
//!
//! It is slow and stays for ever. Every engine is compared with it, and explanations are made of its answers.

use bumpalo::Bump;

use crate::{Attributes, Dimension, Expr, Leaf, Lists, OsRange, TagKind, TagTest, Truth, Version, normalise};

/// What the expression says of one impression. Recurses as deep as the expression: give it what
/// [`validate`](crate::validate) passed.
pub fn truth(expr: &Expr, attributes: &Attributes<'_>, lists: &Lists<'_>) -> Truth {
    match expr {
        Expr::All(parts) => {
            parts.iter().fold(Truth::True, |so_far, part| so_far.and(truth(part, attributes, lists)))
        }
        Expr::Any(parts) => {
            parts.iter().fold(Truth::False, |so_far, part| so_far.or(truth(part, attributes, lists)))
        }
        Expr::Not(part) => !truth(part, attributes, lists),
        Expr::Leaf(leaf) => leaf_truth(leaf, attributes, lists),
    }
}

/// What one test says of one impression.
pub fn leaf_truth(leaf: &Leaf, attributes: &Attributes<'_>, lists: &Lists<'_>) -> Truth {
    match leaf {
        Leaf::In { dimension, values } => has_one_of(attributes, *dimension, values).into(),
        Leaf::Present(dimension) => (!attributes.values(*dimension).is_empty()).into(),
        Leaf::OnList { dimension, list } => match lists.values(*list, *dimension) {
            Some(values) => has_one_of(attributes, *dimension, values).into(),
            None => Truth::Unknown,
        },
        Leaf::OsVersion(range) => os_in_range(range, attributes).into(),
        Leaf::Near(circles) => attributes
            .location
            .filter(|place| place.is_on_earth())
            .is_some_and(|place| circles.iter().any(|circle| circle.contains(place)))
            .into(),
        Leaf::Hour(hours) => attributes.hour_of_week.is_some_and(|hour| hours.contains(hour)).into(),
        Leaf::Tag(test) => tag_truth(test, attributes),
    }
}

fn has_one_of(attributes: &Attributes<'_>, dimension: Dimension, wanted: &[String]) -> bool {
    let had = attributes.values(dimension);
    let arena = Bump::new();
    wanted.iter().any(|value| had.contains(&normalise(dimension, value, &arena)))
}

fn os_in_range(range: &OsRange, attributes: &Attributes<'_>) -> bool {
    if !has_one_of(attributes, Dimension::Os, std::slice::from_ref(&range.os)) {
        return false;
    }
    let version = attributes.os_version.and_then(Version::parse);
    // A bound that is no version admits nothing: widening to "any version" would bid where nobody asked to.
    let at_least = range
        .min
        .as_deref()
        .is_none_or(|min| Version::parse(min).is_some_and(|min| version.is_some_and(|v| v >= min)));
    let at_most = range
        .max
        .as_deref()
        .is_none_or(|max| Version::parse(max).is_some_and(|max| version.is_some_and(|v| v <= max)));
    at_least && at_most
}

fn tag_truth(test: &TagTest, attributes: &Attributes<'_>) -> Truth {
    let carried = attributes.tags.iter().any(|tag| test.any_of.contains(&tag.id) && test.gate().admits(tag));
    let lost = test.kind != TagKind::Realtime
        && test.any_of.iter().any(|tag| attributes.unknown_tags.contains(*tag));
    let known = attributes.knowledge.covers(test.kind) && !lost;
    match (carried, known) {
        (true, _) => Truth::True,
        (false, true) => Truth::False,
        // Nothing that is still unknown could make a test of no tags hold.
        (false, false) if test.any_of.is_empty() => Truth::False,
        (false, false) => Truth::Unknown,
    }
}
