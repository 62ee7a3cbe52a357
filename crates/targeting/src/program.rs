//! Expressions as straight programs.
//!
//! Only certain truth matters for a match, so negations are pushed down to the leaves (De Morgan's laws hold in
//! Kleene's logic) and the rest is two-valued: a leaf *holds* when it is true, a negated leaf when it is false, and
//! an unknown one holds neither way. What remains is compiled to steps, each with the step to go to when it holds
//! and when it does not. Running one is a loop without stack, recursion or allocation.

use crate::dictionary::ValueId;
use crate::language::TagGate;
use crate::probe::View;
use crate::{Dimension, Expr, GeoCircle, HoursOfWeek, Leaf, Truth, Version};

/// Where to go next: a step of the program, or one of the two ends.
pub(crate) type Label = u16;
/// The end of a program that holds. Both ends lie beyond the longest program, so they also end the loop.
const YES: Label = Label::MAX;
const NO: Label = Label::MAX - 1;

/// A part of [`Pools::values`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) len: u32,
}

/// A compiled leaf. Whatever does not fit in a few bytes lives in [`Pools`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    /// A list that is not there: never known.
    Unknown,
    /// Nothing could make it hold.
    Never,
    /// Some of the first 64 values of the dimension, a bit each: no operand to fetch.
    Few(Dimension, u64),
    One(Dimension, ValueId),
    In(Dimension, Span),
    Present(Dimension),
    Os(u32),
    Near(u32),
    Hour(u32),
    Tag(u32),
}

/// An operating system with parsed bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OsBounds {
    pub(crate) os: ValueId,
    pub(crate) min: Option<Version>,
    pub(crate) max: Option<Version>,
}

/// A test of tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TagOperand {
    /// Sorted tag ids.
    pub(crate) any_of: Span,
    pub(crate) gate: TagGate,
}

/// The operands of all programs of an engine.
#[derive(Debug, Default)]
pub(crate) struct Pools {
    /// Sorted sets of value numbers or tag ids, one after the other; equal sets are stored once.
    pub(crate) values: Vec<ValueId>,
    pub(crate) os: Vec<OsBounds>,
    pub(crate) circles: Vec<Box<[GeoCircle]>>,
    pub(crate) hours: Vec<HoursOfWeek>,
    pub(crate) tags: Vec<TagOperand>,
}

impl Pools {
    /// What a test says of an impression. A missing operand cannot be known; the compiler leaves none out.
    pub(crate) fn truth(&self, test: Test, probe: &View<'_>) -> Truth {
        match test {
            Test::Unknown => Truth::Unknown,
            Test::Never => Truth::False,
            Test::Few(dimension, wanted) => (probe.first_values(dimension) & wanted != 0).into(),
            Test::One(dimension, id) => probe.values(dimension).contains(&id).into(),
            Test::In(dimension, span) => intersect(probe.values(dimension), self.span(span)).into(),
            Test::Present(dimension) => probe.has(dimension).into(),
            Test::Os(at) => self.os(at, probe),
            Test::Near(at) => match (self.circles.get(at as usize), probe.location) {
                (Some(circles), Some(place)) => circles.iter().any(|c| c.contains(place)).into(),
                (Some(_), None) => Truth::False,
                (None, _) => Truth::Unknown,
            },
            Test::Hour(at) => match (self.hours.get(at as usize), probe.hour_of_week) {
                (Some(hours), Some(hour)) => hours.contains(hour).into(),
                (Some(_), None) => Truth::False,
                (None, _) => Truth::Unknown,
            },
            Test::Tag(at) => self
                .tags
                .get(at as usize)
                .map_or(Truth::Unknown, |test| probe.tag_truth(self.span(test.any_of), test.gate)),
        }
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        let circles = |all: &[Box<[GeoCircle]>]| all.iter().map(|c| size_of_val(&**c)).sum::<usize>();
        size_of_val(self.values.as_slice())
            + size_of_val(self.os.as_slice())
            + size_of_val(self.circles.as_slice())
            + circles(&self.circles)
            + size_of_val(self.hours.as_slice())
            + size_of_val(self.tags.as_slice())
    }

    /// Calls back with each value that a test of a set names, or a test of an operating system.
    pub(crate) fn each_value(&self, test: Test, mut each: impl FnMut(Dimension, ValueId)) {
        match test {
            Test::Few(dimension, mut bits) => {
                while bits != 0 {
                    each(dimension, bits.trailing_zeros());
                    bits &= bits - 1;
                }
            }
            Test::One(dimension, id) => each(dimension, id),
            Test::In(dimension, span) => self.span(span).iter().for_each(|id| each(dimension, *id)),
            Test::Os(at) => {
                if let Some(bounds) = self.os.get(at as usize) {
                    each(Dimension::Os, bounds.os);
                }
            }
            _ => {}
        }
    }

    /// The wanted tags of a test of tags, sorted.
    pub(crate) fn tags_of(&self, at: u32) -> &[u32] {
        self.tags.get(at as usize).map(|test| self.span(test.any_of)).unwrap_or_default()
    }

    /// Whether no request could ever meet the test.
    pub(crate) fn never_holds(&self, test: Test) -> bool {
        match test {
            Test::Never => true,
            Test::Tag(at) => self.tags_of(at).is_empty(),
            Test::Near(at) => self.circles.get(at as usize).is_some_and(|circles| circles.is_empty()),
            Test::Hour(at) => self.hours.get(at as usize).is_some_and(HoursOfWeek::is_empty),
            _ => false,
        }
    }

    pub(crate) fn span(&self, span: Span) -> &[ValueId] {
        let start = span.start as usize;
        self.values.get(start..start + span.len as usize).unwrap_or_default()
    }

    fn os(&self, at: u32, probe: &View<'_>) -> Truth {
        let Some(bounds) = self.os.get(at as usize) else {
            return Truth::Unknown;
        };
        let reaches = |bound: Option<Version>, meets: fn(Version, Version) -> bool| {
            bound.is_none_or(|bound| probe.os_version.is_some_and(|version| meets(version, bound)))
        };
        let held = probe.values(Dimension::Os).contains(&bounds.os)
            && reaches(bounds.min, |version, min| version >= min)
            && reaches(bounds.max, |version, max| version <= max);
        held.into()
    }
}

/// Whether two sorted sets share an element: each of the few is searched in the many.
fn intersect(a: &[ValueId], b: &[ValueId]) -> bool {
    let (few, many) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    few.iter().any(|id| many.binary_search(id).is_ok())
}

/// One test, and where its outcome leads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    pub(crate) test: Test,
    pub(crate) negated: bool,
    pub(crate) held: Label,
    pub(crate) failed: Label,
}

/// A compiled expression: a range of the engine's steps and the step to start with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    pub(crate) start: u32,
    pub(crate) len: u16,
    pub(crate) entry: Label,
}

impl Program {
    /// Whether the expression is true of the impression.
    pub(crate) fn holds(self, steps: &[Step], pools: &Pools, probe: &View<'_>) -> bool {
        let start = self.start as usize;
        let steps = steps.get(start..start + usize::from(self.len)).unwrap_or_default();
        let mut at = self.entry;
        while let Some(step) = steps.get(usize::from(at)) {
            let wanted = if step.negated { Truth::False } else { Truth::True };
            let holds = pools.truth(step.test, probe) == wanted;
            at = if holds { step.held } else { step.failed };
        }
        at == YES
    }
}

/// Compiles one expression after the other into one run of steps.
pub(crate) struct Emitter<'e, L> {
    steps: &'e mut Vec<Step>,
    start: usize,
    /// Turns a leaf into a test.
    lower: L,
}

impl<'e, 'x, L: FnMut(&'x Leaf) -> Test> Emitter<'e, L> {
    /// Appends the program of an expression that is within the limits.
    pub(crate) fn compile(steps: &'e mut Vec<Step>, expr: &'x Expr, lower: L) -> Option<Program> {
        let start = steps.len();
        let mut emitter = Self { steps, start, lower };
        let entry = emitter.emit(expr, false, YES, NO);
        let len = u16::try_from(emitter.steps.len() - start).ok()?;
        Some(Program { start: u32::try_from(start).ok()?, len, entry }).filter(|program| program.len < NO)
    }

    /// Emits the steps of an expression, last first, so that both ways out of a step are known when it is written.
    fn emit(&mut self, expr: &'x Expr, negated: bool, held: Label, failed: Label) -> Label {
        match (expr, negated) {
            (Expr::All(parts), false) | (Expr::Any(parts), true) => {
                last_first(parts).into_iter().fold(held, |next, part| self.emit(part, negated, next, failed))
            }
            (Expr::Any(parts), false) | (Expr::All(parts), true) => {
                last_first(parts).into_iter().fold(failed, |next, part| self.emit(part, negated, held, next))
            }
            (Expr::Not(part), _) => self.emit(part, !negated, held, failed),
            (Expr::Leaf(leaf), _) => {
                let test = (self.lower)(leaf);
                self.steps.push(Step { test, negated, held, failed });
                // In range: the limits admit fewer nodes than there are labels.
                Label::try_from(self.steps.len() - 1 - self.start).unwrap_or(NO)
            }
        }
    }
}

/// The parts from the last to run to the first: cheap tests that often fail go first.
fn last_first(parts: &[Expr]) -> Vec<&Expr> {
    let mut parts: Vec<_> = parts.iter().collect();
    parts.sort_by_key(|part| std::cmp::Reverse(cost(part)));
    parts
}

/// A rank, not a time: single values, then sets, exclusions (they rarely decide), tags, geometry, whole subtrees.
fn cost(expr: &Expr) -> u8 {
    match expr {
        Expr::Leaf(Leaf::Hour(_) | Leaf::Present(_)) => 1,
        Expr::Leaf(Leaf::In { dimension, .. }) if dimension.is_impression() => 2,
        Expr::Leaf(Leaf::In { values, .. }) => {
            if values.len() == 1 {
                0
            } else {
                2
            }
        }
        Expr::Leaf(Leaf::OsVersion(_)) => 3,
        Expr::Leaf(Leaf::OnList { .. }) => 4,
        Expr::Leaf(Leaf::Tag(_)) => 5,
        Expr::Leaf(Leaf::Near(_)) => 6,
        Expr::Not(part) => cost(part).saturating_add(5),
        Expr::All(_) | Expr::Any(_) => 20,
    }
}
