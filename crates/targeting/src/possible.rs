//! What an expression asks of a user, whatever they look at.

use crate::Expr;

/// The expression without its tests of requests: it holds for the users for whom `expr` is not certainly false, which
/// are those whom some request could still make match. Made of `expr` by Kleene's logic, in which a test of the request
/// is unknown: where it would have to hold it counts as true, under a negation as false. No deeper and no larger than
/// `expr`.
///
/// Tests are taken one by one: "in Berlin and not in Berlin" is not certainly false of anybody.
///
/// ```text
/// all(country in {deu}, tag 7, not(tag 8), not(country in {fra}))  ->  all(all(), tag 7, not(tag 8), not(any()))
/// ```
#[must_use]
pub fn possible(expr: &Expr) -> Expr {
    rewrite(expr, true)
}

/// `counts` is what an unknown test counts as here.
fn rewrite(expr: &Expr, counts: bool) -> Expr {
    let each = |parts: &[Expr]| parts.iter().map(|part| rewrite(part, counts)).collect();
    match expr {
        Expr::All(parts) => Expr::All(each(parts)),
        Expr::Any(parts) => Expr::Any(each(parts)),
        Expr::Not(part) => Expr::Not(Box::new(rewrite(part, !counts))),
        Expr::Leaf(leaf @ crate::Leaf::Tag(_)) => Expr::Leaf(leaf.clone()),
        Expr::Leaf(_) if counts => Expr::All(Vec::new()),
        Expr::Leaf(_) => Expr::Any(Vec::new()),
    }
}
