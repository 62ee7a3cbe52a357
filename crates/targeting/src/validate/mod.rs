//! Checks of what advertisers write, before it is stored.

mod value;

use std::fmt::Display;

use bumpalo::Bump;
use tagbid_types::{ListId, TagId};

use crate::limits::leaf_len;
use crate::{
    Dimension, Expr, GeoCircle, Leaf, MAX_DEPTH, MAX_NODES, MAX_RADIUS_M, MAX_VALUE_BYTES, MAX_VALUES,
    OsRange, Problem, Version, normalise,
};

/// Most problems that are reported at once.
pub const MAX_PROBLEMS: usize = 100;

/// What an expression may refer to: the lists and tags that its owner may use.
pub trait References {
    /// What the list holds; `None` when there is no such list for this owner.
    fn list(&self, id: ListId) -> Option<Dimension>;

    /// Whether there is such a tag for this owner.
    fn tag(&self, id: TagId) -> bool;

    /// Whether requests come from an exchange of that name. Any, where nobody knows.
    fn exchange(&self, _name: &str) -> bool {
        true
    }
}

/// Everything that is wrong with an expression, at most [`MAX_PROBLEMS`]; paths start with "targeting". What passes
/// compiles, and means something to some request.
pub fn validate(expr: &Expr, known: &dyn References) -> Vec<Problem> {
    let mut check = Check::new("targeting", known);
    check.expr(expr, 1);
    check.problems
}

/// Everything that is wrong with one leaf that stands at `path`.
pub fn validate_leaf(leaf: &Leaf, path: &str, known: &dyn References) -> Vec<Problem> {
    let mut check = Check::new(path, known);
    check.leaf(leaf);
    check.problems
}

struct Check<'k> {
    path: String,
    known: &'k dyn References,
    problems: Vec<Problem>,
    nodes: usize,
    arena: Bump,
}

impl<'k> Check<'k> {
    fn new(path: &str, known: &'k dyn References) -> Self {
        Self { path: path.into(), known, problems: Vec::new(), nodes: 0, arena: Bump::new() }
    }

    /// Runs `inner` with the path one step longer.
    fn at(&mut self, step: impl Display, inner: impl FnOnce(&mut Self)) {
        let len = self.path.len();
        self.path.push_str(&step.to_string());
        inner(self);
        self.path.truncate(len);
    }

    fn report(&mut self, problem: impl Into<String>, remedy: impl Into<String>) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem::new(self.path.as_str(), problem, remedy));
        }
    }

    fn expr(&mut self, expr: &Expr, depth: usize) {
        self.nodes += 1;
        if depth > MAX_DEPTH {
            return self.report(
                format!("is nested deeper than {MAX_DEPTH}"),
                "flatten it: all of all is all, any of any is any",
            );
        }
        if self.nodes > MAX_NODES {
            // Once is enough: every further node would say the same.
            if self.nodes == MAX_NODES + 1 {
                self.report(
                    format!("the expression has more than {MAX_NODES} nodes"),
                    "put values of one dimension into one leaf or a shared list",
                );
            }
            return;
        }
        match expr {
            Expr::All(parts) => self.parts("all", parts, depth),
            Expr::Any(parts) => {
                if parts.is_empty() {
                    self.at(".any", |check| {
                        check.report("has no parts, so it never matches", "add a part or remove it")
                    });
                }
                self.parts("any", parts, depth);
            }
            Expr::Not(part) => self.at(".not", |check| check.expr(part, depth + 1)),
            Expr::Leaf(leaf) => self.leaf(leaf),
        }
    }

    fn parts(&mut self, name: &str, parts: &[Expr], depth: usize) {
        for (index, part) in parts.iter().enumerate() {
            self.at(format_args!(".{name}[{index}]"), |check| check.expr(part, depth + 1));
        }
    }

    fn leaf(&mut self, leaf: &Leaf) {
        let len = leaf_len(leaf);
        self.at(format_args!(".{}", leaf.name()), |check| {
            if len > MAX_VALUES {
                return check.report(
                    format!("has {len} entries, more than {MAX_VALUES}"),
                    "use a shared list, or several leaves under any",
                );
            }
            match leaf {
                Leaf::In { dimension, values } => check.values(*dimension, values),
                Leaf::Present(_) => {}
                Leaf::OnList { dimension, list } => check.list(*dimension, *list),
                Leaf::OsVersion(range) => check.os(range),
                Leaf::Near(circles) => check.circles(circles),
                Leaf::Hour(hours) => {
                    if hours.is_empty() {
                        check
                            .report("names no hour, so it never holds", "name hours 0 (Monday 00:00) to 167");
                    }
                }
                Leaf::Tag(test) => check.tags(&test.any_of),
            }
        });
    }

    fn values(&mut self, dimension: Dimension, values: &[String]) {
        self.at(".values", |check| {
            if values.is_empty() {
                check.report("is empty, so it never holds", "name at least one value or remove the leaf");
            }
            for (index, value) in values.iter().enumerate() {
                check.at(format_args!("[{index}]"), |check| check.value(dimension, value));
            }
        });
    }

    fn value(&mut self, dimension: Dimension, value: &str) {
        if value.len() > MAX_VALUE_BYTES {
            return self.report(format!("is longer than {MAX_VALUE_BYTES} bytes"), "shorten it");
        }
        let arena = std::mem::take(&mut self.arena);
        let normal = normalise(dimension, value, &arena);
        if let Some(remedy) = value::fault(dimension, normal) {
            self.report(format!("{value:?} is no {}", dimension.as_str()), remedy);
        } else if dimension == Dimension::Exchange && !self.known.exchange(normal) {
            let remedy = "use the name of an exchange that the operator has configured";
            self.report(format!("there is no exchange {value:?}"), remedy);
        }
        self.arena = arena;
        self.arena.reset();
    }

    fn list(&mut self, dimension: Dimension, list: ListId) {
        if !dimension.has_lists() {
            return self.at(".dimension", |check| {
                check.report(
                    format!("there are no lists of {}", dimension.as_str()),
                    "use site, app, domain or publisher",
                );
            });
        }
        let held = self.known.list(list);
        self.at(".list", |check| match held {
            None => check.report(format!("there is no list {list}"), "use the id of one of your lists"),
            Some(held) if held != dimension => check.report(
                format!("list {list} holds values of {}", held.as_str()),
                format!("use a list of {}, or dimension {}", dimension.as_str(), held.as_str()),
            ),
            Some(_) => {}
        });
    }

    fn os(&mut self, range: &OsRange) {
        if range.os.trim().is_empty() {
            self.at(".os", |check| check.report("is empty", "name the system, such as \"ios\""));
        } else {
            self.at(".os", |check| check.value(Dimension::Os, &range.os));
        }
        let bounds = [(".min", &range.min), (".max", &range.max)].map(|(field, text)| {
            let text = text.as_deref()?;
            let version = Version::parse_strict(text);
            if version.is_none() {
                self.at(field, |check| {
                    check.report(
                        format!("{text:?} is no version"),
                        "use up to six numbers with dots, such as \"14.2\"",
                    );
                });
            }
            version
        });
        if let [Some(min), Some(max)] = bounds
            && min > max
        {
            self.report("min is above max, so it never holds", "swap them");
        }
    }

    fn circles(&mut self, circles: &[GeoCircle]) {
        if circles.is_empty() {
            self.report("has no circle, so it never holds", "add a circle or remove the leaf");
        }
        for (index, circle) in circles.iter().enumerate() {
            self.at(format_args!("[{index}]"), |check| {
                if !(-90.0..=90.0).contains(&circle.lat) {
                    check.at(".lat", |c| c.report("is no latitude", "use degrees from -90 to 90"));
                }
                if !(-180.0..=180.0).contains(&circle.lon) {
                    check.at(".lon", |c| c.report("is no longitude", "use degrees from -180 to 180"));
                }
                if !(1..=MAX_RADIUS_M).contains(&circle.radius_m) {
                    let remedy = format!("use 1 to {MAX_RADIUS_M} metres");
                    check.at(".radius_m", |c| c.report("is out of range", remedy));
                }
            });
        }
    }

    fn tags(&mut self, tags: &[TagId]) {
        self.at(".any_of", |check| {
            if tags.is_empty() {
                check.report("is empty, so it never holds", "name at least one tag or remove the leaf");
            }
            for (index, tag) in tags.iter().enumerate() {
                if !check.known.tag(*tag) {
                    check.at(format_args!("[{index}]"), |check| {
                        check
                            .report(format!("there is no tag {tag}"), "use the id of a tag that you may use");
                    });
                }
            }
        });
    }
}

#[cfg(test)]
mod tests;
