//! What remains to be verified of a record once its key was met: literals as a few words, one after the other.
//!
//! The literals that the signature does not decide come first, the cheap and selective ones before the others; the
//! decided ones follow, for requests whose signature leaves something open.

use super::lower::Literal;
use tagbid_types::Cpm;

use super::rows::{Rows, RowsBuilder, SetTest, Sets};
use super::signature::WideSignature;
use super::values::Values;
use crate::Dimension;
use crate::language::TagKind;
use crate::probe::View;
use crate::program::{OsBounds, Pools, Program, Step, TagOperand, Test};
use crate::{HoursOfWeek, Slot, Truth};

/// A test and its operands begin with a word: operation in bits 0-7, negation in 8, dimension in 9-15, the number
/// of operand words in 16-31.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Op {
    /// Some of the first 64 values: a word of bits, or two.
    Few,
    /// Numbers of values.
    Ids,
    /// A set that rows know, in a word that has its own negation.
    Row,
    /// Ids of tags, without any gate.
    Tags,
    /// A place in the pool of hours.
    Hour,
    /// A place among the tests.
    Test,
    /// A place among the programs.
    Program,
}

const OPS: [Op; 7] = [Op::Few, Op::Ids, Op::Row, Op::Tags, Op::Hour, Op::Test, Op::Program];

/// Sets up to this size stand in the record: a request with several values would have to look at several rows.
const MOST_IDS: usize = 8;
/// And sets of tags up to this.
const MOST_TAGS: usize = 64;

/// All that the words refer to.
#[derive(Debug, Default)]
pub(super) struct Verifier {
    pub(super) words: Vec<u32>,
    pub(super) tests: Vec<Test>,
    pub(super) programs: Vec<Program>,
    pub(super) steps: Vec<Step>,
    pub(super) pools: Pools,
    pub(super) rows: Rows,
    pub(super) values: Values,
}

impl Verifier {
    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(self.words.as_slice())
            + size_of_val(self.tests.as_slice())
            + size_of_val(self.programs.as_slice())
            + size_of_val(self.steps.as_slice())
            + self.pools.heap_bytes()
            + self.rows.heap_bytes()
    }

    /// Whether all literals of these words hold, of those whose dimension is among `dimensions` (a bit each).
    #[inline]
    pub(super) fn holds(&self, mut words: &[u32], dimensions: u32, view: &View<'_>, sets: &Sets<'_>) -> bool {
        while let Some((head, rest)) = words.split_first() {
            let Some((operands, rest)) = rest.split_at_checked((head >> 16) as usize) else {
                return false;
            };
            let wanted = if head >> 8 & 1 == 1 { Truth::False } else { Truth::True };
            if dimensions >> (head >> 9 & 31) & 1 == 1 && self.literal(*head, operands, view, sets) != wanted
            {
                return false;
            }
            words = rest;
        }
        true
    }

    #[inline]
    fn literal(&self, head: u32, operands: &[u32], view: &View<'_>, sets: &Sets<'_>) -> Truth {
        let first = operands.first().copied().unwrap_or(0);
        let dimension = Dimension::ALL.get((head >> 9 & 0x7F) as usize).copied();
        let dimension = dimension.unwrap_or(Dimension::Country);
        match OPS.get((head & 0xFF) as usize) {
            Some(Op::Few) => {
                let bits = u64::from(first) | u64::from(operands.get(1).copied().unwrap_or(0)) << 32;
                (view.first_values(dimension) & bits != 0).into()
            }
            Some(Op::Ids) => view.values(dimension).iter().any(|id| operands.contains(id)).into(),
            Some(Op::Row) => sets.holds(SetTest::of_word(first)).into(),
            Some(Op::Tags) => view.plain_tag_truth(operands),
            Some(Op::Hour) => self.pools.truth(Test::Hour(first), view),
            Some(Op::Test) => sets.told.truth(first, || {
                self.tests.get(first as usize).map_or(Truth::Unknown, |test| self.pools.truth(*test, view))
            }),
            Some(Op::Program) => match self.programs.get(first as usize) {
                Some(program) => program.holds(&self.steps, &self.pools, view).into(),
                None => Truth::Unknown,
            },
            None => Truth::Unknown,
        }
    }
}

/// A conjunction: one cache line, which decides most of what gets past its postings.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(super) struct Record {
    pub(super) accepts: WideSignature,
    /// Tests of large sets, of which nearly every record has one or two.
    pub(super) sets: [SetTest; 2],
    pub(super) bound: Cpm,
    pub(super) slot: Slot,
    /// Its words: up to `open` what the signature leaves open, then the rest.
    pub(super) start: u32,
    pub(super) open: u32,
    pub(super) end: u32,
}

impl Record {
    /// Whether signature and sets let the request through. No branch depends on the record.
    #[inline]
    pub(super) fn passes(&self, has: &WideSignature, sets: &Sets<'_>) -> bool {
        let lacking =
            self.accepts.iter().zip(has).fold(0, |lacking, (accepts, has)| lacking | has & !accepts);
        let [first, second] = self.sets;
        (lacking == 0) & sets.holds(first) & sets.holds(second)
    }
}

/// Writes words, and keeps of the compiler's pools what they refer to.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) verifier: Verifier,
    pub(super) rows: RowsBuilder,
    keeper: Keeper,
    /// Where the tests of records are: one that many share is kept once, and answered once a search.
    tests: hashbrown::HashMap<Test, u32>,
}

impl Writer {
    /// The test of a large set, for the record's head; `None` of `Some` when the literal is none.
    pub(super) fn set(&mut self, literal: Literal, from: &Pools) -> Option<Option<SetTest>> {
        match literal.test {
            Test::In(dimension, span) if from.span(span).len() > MOST_IDS => {
                self.rows.test(dimension, span, literal.negated).map(Some)
            }
            _ => Some(None),
        }
    }

    /// Appends a literal; `None` when something is full.
    pub(super) fn literal(&mut self, literal: Literal, from: &Pools) -> Option<()> {
        match literal.test {
            Test::Few(dimension, bits) => {
                let words = [bits as u32, (bits >> 32) as u32];
                let words = if words[1] == 0 { &words[..1] } else { &words };
                self.push(Op::Few, literal.negated, dimension, words)
            }
            Test::One(dimension, id) => self.push(Op::Ids, literal.negated, dimension, &[id]),
            Test::In(dimension, span) if from.span(span).len() <= MOST_IDS => {
                self.push(Op::Ids, literal.negated, dimension, from.span(span))
            }
            Test::In(dimension, span) => {
                let test = self.rows.test(dimension, span, literal.negated)?;
                self.push(Op::Row, false, dimension, &[test.word()])
            }
            Test::Tag(at) if is_plain(from, at) => {
                self.push(Op::Tags, literal.negated, Dimension::Country, from.tags_of(at))
            }
            Test::Hour(at) => {
                let hours = from.hours.get(at as usize)?;
                let at = self.keeper.hours(&mut self.verifier.pools, *hours)?;
                self.push(Op::Hour, literal.negated, Dimension::Country, &[at])
            }
            test => {
                let kept = self.keep(test, from)?;
                let at = *self.tests.entry(kept).or_insert(u32::try_from(self.verifier.tests.len()).ok()?);
                if at as usize == self.verifier.tests.len() {
                    self.verifier.tests.push(kept);
                }
                self.push(Op::Test, literal.negated, Dimension::Country, &[at])
            }
        }
    }

    /// Appends a whole expression.
    pub(super) fn program(&mut self, program: Program, steps: &[Step], from: &Pools) -> Option<()> {
        let start = u32::try_from(self.verifier.steps.len()).ok()?;
        let source = steps.get(program.start as usize..)?.get(..usize::from(program.len))?;
        for step in source {
            let test = self.keep(step.test, from)?;
            self.verifier.steps.push(Step { test, ..*step });
        }
        let at = u32::try_from(self.verifier.programs.len()).ok()?;
        self.verifier.programs.push(Program { start, ..program });
        self.push(Op::Program, false, Dimension::Country, &[at])
    }

    /// A test whose operands are in the index's own pools.
    pub(super) fn keep(&mut self, test: Test, from: &Pools) -> Option<Test> {
        self.keeper.keep(&mut self.verifier.pools, test, from)
    }

    fn push(&mut self, op: Op, negated: bool, dimension: Dimension, operands: &[u32]) -> Option<()> {
        let len = u32::from(u16::try_from(operands.len()).ok()?);
        let head = op as u32 | u32::from(negated) << 8 | (dimension as u32) << 9 | len << 16;
        self.verifier.words.push(head);
        self.verifier.words.extend_from_slice(operands);
        Some(())
    }
}

/// How much a literal costs to verify, and how rarely it decides: a rank, not a time.
pub(super) fn cost(literal: &Literal, from: &Pools) -> u8 {
    let base = match literal.test {
        Test::Few(..) | Test::Hour(_) | Test::One(..) => 0,
        Test::Present(_) => 4,
        Test::In(_, span) if from.span(span).len() <= MOST_IDS => 2,
        Test::In(..) => 3,
        Test::Tag(at) if is_plain(from, at) => 5,
        Test::Os(_) => 1,
        Test::Unknown | Test::Never | Test::Tag(_) | Test::Near(_) => 6,
    };
    base + if literal.negated { 1 } else { 0 }
}

/// Whether a test of tags has no gate and few enough of them.
pub(super) fn is_plain(from: &Pools, at: u32) -> bool {
    from.tags.get(at as usize).is_some_and(|operand| {
        let gate = operand.gate;
        gate.kind == TagKind::Any
            && gate.min_weight == 0
            && gate.max_age_s.is_none()
            && from.span(operand.any_of).len() <= MOST_TAGS
    })
}

/// Copies operands from the compiler's pools, which hold every set of every expression, to those of the index.
#[derive(Debug, Default)]
struct Keeper {
    spans: hashbrown::HashMap<u32, crate::program::Span>,
    hours: hashbrown::HashMap<HoursOfWeek, u32>,
    os: hashbrown::HashMap<OsBounds, u32>,
    tags: hashbrown::HashMap<TagOperand, u32>,
    /// By the bits of their numbers.
    circles: hashbrown::HashMap<Vec<[u64; 3]>, u32>,
}

impl Keeper {
    fn keep(&mut self, to: &mut Pools, test: Test, from: &Pools) -> Option<Test> {
        Some(match test {
            Test::Unknown | Test::Never | Test::Few(..) | Test::One(..) | Test::Present(_) => test,
            Test::In(dimension, span) => Test::In(dimension, self.span(to, span, from)?),
            Test::Os(at) => Test::Os(once(&mut self.os, &mut to.os, *from.os.get(at as usize)?)?),
            Test::Near(at) => {
                let circles = from.circles.get(at as usize)?;
                let bits =
                    circles.iter().map(|c| [c.lat.to_bits(), c.lon.to_bits(), c.radius_m.into()]).collect();
                let next = u32::try_from(to.circles.len()).ok()?;
                let at = *self.circles.entry(bits).or_insert(next);
                if at == next {
                    to.circles.push(circles.clone());
                }
                Test::Near(at)
            }
            Test::Hour(at) => Test::Hour(self.hours(to, *from.hours.get(at as usize)?)?),
            Test::Tag(at) => {
                let mut operand = *from.tags.get(at as usize)?;
                operand.any_of = self.span(to, operand.any_of, from)?;
                Test::Tag(once(&mut self.tags, &mut to.tags, operand)?)
            }
        })
    }

    fn span(
        &mut self,
        to: &mut Pools,
        span: crate::program::Span,
        from: &Pools,
    ) -> Option<crate::program::Span> {
        // An empty set shares its start with the set after it.
        if span.len == 0 {
            return Some(span);
        }
        if let Some(kept) = self.spans.get(&span.start) {
            return Some(*kept);
        }
        let kept = crate::program::Span { start: u32::try_from(to.values.len()).ok()?, len: span.len };
        to.values.extend_from_slice(from.span(span));
        self.spans.insert(span.start, kept);
        Some(kept)
    }

    fn hours(&mut self, to: &mut Pools, hours: HoursOfWeek) -> Option<u32> {
        once(&mut self.hours, &mut to.hours, hours)
    }
}

/// The place of an operand in a pool that has each once.
fn once<T: Copy + Eq + std::hash::Hash>(
    known: &mut hashbrown::HashMap<T, u32>,
    pool: &mut Vec<T>,
    operand: T,
) -> Option<u32> {
    let next = u32::try_from(pool.len()).ok()?;
    let at = *known.entry(operand).or_insert(next);
    if at == next {
        pool.push(operand);
    }
    Some(at)
}
