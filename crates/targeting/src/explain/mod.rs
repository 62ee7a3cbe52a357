//! Why an impression does not match, in the advertiser's own terms.
//!
//! The answers are the oracle's, so an explanation never disagrees with what the language means.

mod had;
mod words;

use std::fmt;

use tagbid_types::{ListId, TagId};

use crate::oracle::leaf_truth;
use crate::{Attributes, Expr, Leaf, Lists, Truth};

/// Names for what expressions refer to by id. `()` knows none.
pub trait Names {
    /// The tag's name.
    fn tag(&self, id: TagId) -> Option<&str>;

    /// The list's name.
    fn list(&self, id: ListId) -> Option<&str>;
}

impl Names for () {
    fn tag(&self, _: TagId) -> Option<&str> {
        None
    }

    fn list(&self, _: ListId) -> Option<&str> {
        None
    }
}

/// A clause that stood in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its place, such as "targeting.all[2].not.in".
    pub path: String,
    /// What was wanted, negation included: "country is one of deu, fra".
    pub wanted: String,
    /// What the request had: "usa".
    pub had: String,
    /// What is known of the clause, negation included: false or unknown.
    pub truth: Truth,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = match self.truth {
            Truth::Unknown => "cannot be known",
            Truth::False | Truth::True => "does not hold",
        };
        write!(f, "{}: wanted {}, which {verdict}: {}", self.path, self.wanted, self.had)
    }
}

/// Every failing clause of every way to match, in the order of the expression; empty exactly when it matches.
/// Where one of several alternatives (`any`) would have been enough, the failures of all of them are listed.
pub fn explain(
    expr: &Expr,
    attributes: &Attributes<'_>,
    lists: &Lists<'_>,
    names: &dyn Names,
) -> Vec<Failure> {
    let mut walk = Walk { attributes, lists, names, path: "targeting".into(), failures: Vec::new() };
    walk.expr(expr, false);
    walk.failures
}

struct Walk<'w> {
    attributes: &'w Attributes<'w>,
    lists: &'w Lists<'w>,
    names: &'w dyn Names,
    path: String,
    failures: Vec<Failure>,
}

impl Walk<'_> {
    /// The truth of an expression under an odd or even number of negations. Leaves its failing clauses behind,
    /// and none when it holds.
    fn expr(&mut self, expr: &Expr, negated: bool) -> Truth {
        let before = self.failures.len();
        let truth = match (expr, negated) {
            (Expr::All(parts), false) | (Expr::Any(parts), true) => {
                self.parts(expr, parts, negated, Truth::True, Truth::and)
            }
            (Expr::Any(parts), false) | (Expr::All(parts), true) => {
                self.parts(expr, parts, negated, Truth::False, Truth::or)
            }
            (Expr::Not(part), _) => self.at(".not", |walk| walk.expr(part, !negated)),
            (Expr::Leaf(leaf), _) => self.leaf(leaf, negated),
        };
        if truth.holds() {
            self.failures.truncate(before);
        }
        truth
    }

    fn parts(
        &mut self,
        expr: &Expr,
        parts: &[Expr],
        negated: bool,
        neutral: Truth,
        join: fn(Truth, Truth) -> Truth,
    ) -> Truth {
        let name = if matches!(expr, Expr::All(_)) { "all" } else { "any" };
        if parts.is_empty() && !neutral.holds() {
            self.empty(name, negated);
        }
        parts.iter().enumerate().fold(neutral, |so_far, (index, part)| {
            let step = format!(".{name}[{index}]");
            join(so_far, self.at(&step, |walk| walk.expr(part, negated)))
        })
    }

    /// An alternative without parts fails without any leaf to blame.
    fn empty(&mut self, name: &str, negated: bool) {
        let wanted = if negated { "not everything" } else { "one of no alternatives" };
        self.failures.push(Failure {
            path: format!("{}.{name}", self.path),
            wanted: wanted.into(),
            had: "no request can meet it".into(),
            truth: Truth::False,
        });
    }

    fn leaf(&mut self, leaf: &Leaf, negated: bool) -> Truth {
        let plain = leaf_truth(leaf, self.attributes, self.lists);
        let truth = if negated { !plain } else { plain };
        if !truth.holds() {
            self.failures.push(Failure {
                path: format!("{}.{}", self.path, leaf.name()),
                wanted: words::wanted(leaf, negated, self.names),
                had: had::had(leaf, plain, self.attributes, self.lists, self.names),
                truth,
            });
        }
        truth
    }

    fn at(&mut self, step: &str, inner: impl FnOnce(&mut Self) -> Truth) -> Truth {
        let len = self.path.len();
        self.path.push_str(step);
        let truth = inner(self);
        self.path.truncate(len);
        truth
    }
}

#[cfg(test)]
mod tests;
