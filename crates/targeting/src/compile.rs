//! From items to what an engine runs: numbers for values, operands in pools, programs for expressions.

use bumpalo::Bump;
use hashbrown::HashMap;
use tagbid_types::ListId;

use crate::dictionary::{Dictionary, ValueId};
use crate::limits::within_limits;
use crate::program::{Emitter, OsBounds, Pools, Program, Span, Step, TagOperand, Test};
use crate::{Dimension, Expr, Leaf, Lists, OsRange, TagTest, Version, normalise};

/// Up to so many values are numbered each time they come.
const FEW_VALUES: usize = 16;

/// Compiles expressions against one dictionary. Dropped when the engine is built; what stays is [`Compiled`].
pub(crate) struct Compiler<'c, 'e> {
    lists: &'c Lists<'c>,
    compiled: Compiled,
    /// Where a set of values stands already: advertisers use the same block list in fifty line items.
    sets: HashMap<Box<[ValueId]>, Span>,
    /// What long lists of values became: hashing and comparing one costs a tenth of numbering it again.
    seen: HashMap<(Dimension, &'e [String]), Test>,
    /// Numbers of a shared list, made at its first use.
    list_sets: HashMap<(ListId, Dimension), Test>,
    scratch: Bump,
}

/// Programs and all that they refer to.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    pub(crate) dictionary: Dictionary,
    pub(crate) pools: Pools,
    pub(crate) steps: Vec<Step>,
}

impl Compiled {
    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.dictionary.heap_bytes() + self.pools.heap_bytes() + size_of_val(self.steps.as_slice())
    }
}

impl<'c, 'e> Compiler<'c, 'e> {
    pub(crate) fn new(lists: &'c Lists<'c>) -> Self {
        Self::with(lists, Dictionary::default())
    }

    /// Numbers values with this dictionary.
    pub(crate) fn with(lists: &'c Lists<'c>, dictionary: Dictionary) -> Self {
        Self {
            lists,
            compiled: Compiled { dictionary, ..Compiled::default() },
            sets: HashMap::new(),
            seen: HashMap::new(),
            list_sets: HashMap::new(),
            scratch: Bump::new(),
        }
    }

    /// `None` when the expression, or all of them together, are beyond the limits.
    pub(crate) fn expression(&mut self, expr: &'e Expr) -> Option<Program> {
        if !within_limits(expr) {
            return None;
        }
        // The emitter appends steps while leaves go to the pools beside them.
        let mut steps = std::mem::take(&mut self.compiled.steps);
        let mut complete = true;
        let program = Emitter::compile(&mut steps, expr, |leaf| {
            self.leaf(leaf).unwrap_or_else(|| {
                complete = false;
                Test::Unknown
            })
        });
        self.compiled.steps = steps;
        program.filter(|_| complete)
    }

    /// `None` when a pool is full.
    pub(crate) fn leaf(&mut self, leaf: &'e Leaf) -> Option<Test> {
        match leaf {
            Leaf::In { dimension, values } if values.len() > FEW_VALUES => {
                if let Some(test) = self.seen.get(&(*dimension, values.as_slice())) {
                    return Some(*test);
                }
                let test = self.values(*dimension, values)?;
                self.seen.insert((*dimension, values), test);
                Some(test)
            }
            Leaf::In { dimension, values } => self.values(*dimension, values),
            Leaf::Present(dimension) => Some(Test::Present(*dimension)),
            Leaf::OnList { dimension, list } => self.list(*list, *dimension),
            Leaf::OsVersion(range) => self.os(range),
            Leaf::Near(circles) => {
                push(&mut self.compiled.pools.circles, circles.as_slice().into()).map(Test::Near)
            }
            Leaf::Hour(hours) => push(&mut self.compiled.pools.hours, *hours).map(Test::Hour),
            Leaf::Tag(test) => self.tags(test),
        }
    }

    /// The operands of everything compiled so far.
    pub(crate) fn pools(&self) -> &Pools {
        &self.compiled.pools
    }

    pub(crate) fn finish(self) -> Compiled {
        self.compiled
    }

    fn list(&mut self, list: ListId, dimension: Dimension) -> Option<Test> {
        if let Some(test) = self.list_sets.get(&(list, dimension)) {
            return Some(*test);
        }
        let test = match self.lists.values(list, dimension) {
            Some(values) => self.values(dimension, values)?,
            None => Test::Unknown,
        };
        self.list_sets.insert((list, dimension), test);
        Some(test)
    }

    fn values(&mut self, dimension: Dimension, values: &[String]) -> Option<Test> {
        let mut ids = Vec::with_capacity(values.len());
        for value in values {
            ids.push(self.value(dimension, value)?);
        }
        ids.sort_unstable();
        ids.dedup();
        match ids.as_slice() {
            [] => Some(Test::Never),
            [.., last] if *last < 64 => {
                Some(Test::Few(dimension, ids.iter().fold(0, |bits, id| bits | 1 << id)))
            }
            [one] => Some(Test::One(dimension, *one)),
            _ => Some(Test::In(dimension, self.set(ids)?)),
        }
    }

    fn value(&mut self, dimension: Dimension, value: &str) -> Option<ValueId> {
        let id = self.compiled.dictionary.intern(dimension, normalise(dimension, value, &self.scratch));
        self.scratch.reset();
        id
    }

    fn tags(&mut self, test: &TagTest) -> Option<Test> {
        let mut ids: Vec<_> = test.any_of.iter().map(|tag| tag.0).collect();
        ids.sort_unstable();
        ids.dedup();
        let operand = TagOperand { any_of: self.set(ids)?, gate: test.gate() };
        push(&mut self.compiled.pools.tags, operand).map(Test::Tag)
    }

    fn set(&mut self, ids: Vec<ValueId>) -> Option<Span> {
        if let Some(span) = self.sets.get(ids.as_slice()) {
            return Some(*span);
        }
        let pool = &mut self.compiled.pools.values;
        let span = Span { start: u32::try_from(pool.len()).ok()?, len: u32::try_from(ids.len()).ok()? };
        pool.extend_from_slice(&ids);
        self.sets.insert(ids.into(), span);
        Some(span)
    }

    fn os(&mut self, range: &OsRange) -> Option<Test> {
        let bound = |text: &Option<String>| match text {
            Some(text) => Version::parse(text).map(Some),
            None => Some(None),
        };
        // A bound that is no version admits nothing.
        let (Some(min), Some(max)) = (bound(&range.min), bound(&range.max)) else {
            return Some(Test::Never);
        };
        let os = self.value(Dimension::Os, &range.os)?;
        push(&mut self.compiled.pools.os, OsBounds { os, min, max }).map(Test::Os)
    }
}

/// Appends to a pool; the place, or `None` when places have run out.
fn push<T>(pool: &mut Vec<T>, operand: T) -> Option<u32> {
    let at = u32::try_from(pool.len()).ok()?;
    pool.push(operand);
    Some(at)
}
