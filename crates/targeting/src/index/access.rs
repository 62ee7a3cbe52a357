//! Under which keys a record is filed: those of the clause that fewest requests meet.

use super::cells;
use super::estimate::Estimates;
use super::keys::Key;
use super::lower::{Literal, Node};
use super::values::Values;
use crate::HoursOfWeek;
use crate::language::TagKind;
use crate::program::{Pools, Test};

/// What a posting costs in memory and at every build, as a share of requests that one would rather look at.
const KEY_PRICE: f32 = 1e-4;
/// A clause with more keys than this is verified instead.
const MOST_KEYS: usize = 1_024;

/// Chooses keys.
pub(super) struct Access<'b> {
    pub(super) estimates: &'b Estimates,
    pub(super) values: &'b Values,
    pub(super) pools: &'b Pools,
}

impl Access<'_> {
    /// Appends the keys of the best literal; its number when being found under one of them proves it.
    pub(super) fn conjunction(&self, literals: &[Literal], keys: &mut Vec<Key>) -> Option<usize> {
        let best = literals
            .iter()
            .enumerate()
            .filter_map(|(index, literal)| Some((self.price(literal)?, index, literal)))
            .min_by(|a, b| a.0.total_cmp(&b.0));
        match best {
            Some((price, index, literal)) if price < 1.0 => {
                self.keys(literal, keys);
                self.proves(literal).then_some(index)
            }
            _ => {
                keys.push(Key::Always);
                None
            }
        }
    }

    /// Appends keys of which every request has one that meets the expression.
    pub(super) fn expression(&self, node: &Node, keys: &mut Vec<Key>) {
        let before = keys.len();
        if !self.cover(node, keys) || keys.len() - before > MOST_KEYS {
            keys.truncate(before);
            keys.push(Key::Always);
        }
        if let Some(own) = keys.get_mut(before..) {
            own.sort_unstable_by_key(|key| format_order(*key));
        }
        let mut last = None;
        let mut kept = before;
        for at in before..keys.len() {
            let key = keys.get(at).copied();
            if key != last {
                keys.swap(kept, at);
                kept += 1;
                last = key;
            }
        }
        keys.truncate(kept);
    }

    fn cover(&self, node: &Node, keys: &mut Vec<Key>) -> bool {
        match node {
            Node::True => false,
            Node::False => true,
            Node::Literal(literal) => {
                let found = self.price(literal).is_some_and(|price| price < 1.0);
                if found {
                    self.keys(literal, keys);
                }
                found
            }
            Node::Any(parts) => parts.iter().all(|part| self.cover(part, keys)),
            Node::All(parts) => {
                let best = parts
                    .iter()
                    .filter_map(|part| Some((self.cover_price(part)?, part)))
                    .min_by(|a, b| a.0.total_cmp(&b.0));
                best.is_some_and(|(_, part)| self.cover(part, keys))
            }
        }
    }

    fn cover_price(&self, node: &Node) -> Option<f32> {
        match node {
            Node::True => None,
            Node::False => Some(0.0),
            Node::Literal(literal) => self.price(literal).filter(|price| *price < 1.0),
            Node::Any(parts) => parts.iter().map(|part| self.cover_price(part)).sum(),
            Node::All(parts) => parts.iter().filter_map(|part| self.cover_price(part)).min_by(f32::total_cmp),
        }
    }

    /// What it costs to file a record under a literal: the share of requests that have one of its keys, and the
    /// price of the keys; `None` when it has none.
    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn price(&self, literal: &Literal) -> Option<f32> {
        let (share, count) = self.share(literal.test).filter(|_| !literal.negated)?;
        (count <= MOST_KEYS).then_some(share + count as f32 * KEY_PRICE)
    }

    /// The share of requests that have one of the keys of a test, and how many keys it has.
    pub(super) fn share(&self, test: Test) -> Option<(f32, usize)> {
        let (mut share, mut count) = (0.0, 0);
        match test {
            Test::In(_, span) => (share, count) = (self.estimates.set(test), self.pools.span(span).len()),
            Test::Few(..) | Test::One(..) | Test::Os(_) => {
                self.pools.each_value(test, |dimension, id| {
                    share += self.estimates.value(self.values.place(dimension, id));
                    count += 1;
                });
            }
            Test::Tag(at) => {
                let tags = self.pools.tags_of(at);
                share = tags.iter().map(|tag| self.estimates.tag(*tag)).sum();
                count = tags.len();
            }
            Test::Near(at) => {
                for circle in self.pools.circles.get(at as usize)? {
                    if !cells::cover(circle, |_| count += 1) {
                        return None;
                    }
                    share += self.estimates.circle(circle);
                }
            }
            Test::Unknown | Test::Never | Test::Present(_) | Test::Hour(_) => return None,
        }
        Some((share.min(1.0), count))
    }

    /// The share of requests that all literals but those of tags let through, if these were independent.
    pub(super) fn breadth(&self, literals: &[Literal]) -> f32 {
        let share = |literal: &Literal| {
            let share = match literal.test {
                Test::Tag(_) => return 1.0,
                Test::Hour(at) => self.pools.hours.get(at as usize).map(share_of_week),
                test => self.share(test).map(|(share, _)| share),
            };
            match (share, literal.negated) {
                (Some(share), false) => share,
                (Some(share), true) => 1.0 - share,
                (None, _) => 1.0,
            }
        };
        literals.iter().map(share).product()
    }

    fn keys(&self, literal: &Literal, keys: &mut Vec<Key>) {
        match literal.test {
            Test::Tag(at) => keys.extend(self.pools.tags_of(at).iter().map(|tag| Key::Tag(*tag))),
            Test::Near(at) => {
                for circle in self.pools.circles.get(at as usize).into_iter().flatten() {
                    cells::cover(circle, |cell| keys.push(Key::Cell(cell)));
                }
            }
            test => self.pools.each_value(test, |dimension, id| {
                keys.push(Key::Value(self.values.place(dimension, id)));
            }),
        }
    }

    /// Whether having one of its keys is all that the literal asks.
    fn proves(&self, literal: &Literal) -> bool {
        match literal.test {
            Test::Few(..) | Test::One(..) | Test::In(..) => true,
            Test::Tag(at) => self.pools.tags.get(at as usize).is_some_and(|test| {
                test.gate.kind == TagKind::Any && test.gate.min_weight == 0 && test.gate.max_age_s.is_none()
            }),
            _ => false,
        }
    }
}

fn share_of_week(hours: &HoursOfWeek) -> f32 {
    hours.iter().map(|_| 1.0 / f32::from(HoursOfWeek::HOURS)).sum()
}

/// Any order that brings equal keys together.
fn format_order(key: Key) -> (u8, u32) {
    match key {
        Key::Value(place) => (0, place),
        Key::Tag(id) => (1, id),
        Key::Cell(cell) => (2, cell),
        Key::Always => (3, 0),
    }
}
