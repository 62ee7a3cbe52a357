//! What speaks against many records at once, whatever their keys: a test that they share (an audience of some weight, a
//! circle around the stores of a town) and that does not come out as they want it, or a class of items that the searcher
//! does not want. Each has a bit in the signatures and a row in the blocks, so that whom it refuses is not looked at.

use hashbrown::HashMap;

use super::access::Access;
use super::drafts::{DraftRecord, Drafts};
use super::filing::{Filed, Filing};
use super::lower::Literal;
use super::record::{Writer, is_plain};
use crate::probe::View;
use crate::program::{Pools, Test};
use crate::{Class, Truth};

/// Which of an index's vetoes are in force, or could refuse a record: a bit each.
pub(crate) type VetoMask = u64;

/// As many as a mask has bits.
pub(super) const MOST: usize = VetoMask::BITS as usize;
/// A test is answered for every request, which takes about as long as to look at a record: fewer records than this, or
/// than this share of all, are not worth it.
const LEAST_USES: u32 = 32;
const LEAST_SHARE: usize = 1_024;
/// A row in the blocks takes as long as a look at some of the records that it refuses: from one place in so many on.
const LEAST_OF_BLOCKS: usize = 128;
/// Tests with more tags or circles take too long to be answered for every request.
const MOST_OPERANDS: usize = 16;
/// A request takes few of the shapes that creatives have.
const CLASS_REFUSED: f32 = 0.7;

/// What may be in force. Numbered: tests of the request, tests of the impression, classes.
#[derive(Debug, Default)]
pub(super) struct Vetoes {
    tests: Vec<Literal>,
    /// How many of the tests are the same for all impressions of a request.
    of_request: usize,
    classes: Vec<Class>,
}

impl Vetoes {
    pub(super) fn heap_bytes(&self) -> usize {
        size_of_val(self.tests.as_slice()) + size_of_val(self.classes.as_slice())
    }

    /// The tests that do not come out as records want them. `before`: what was in force for the request, when only
    /// its impression is another.
    pub(super) fn in_force(&self, view: &View<'_>, pools: &Pools, before: Option<VetoMask>) -> VetoMask {
        let known = before.map_or(0, |_| self.of_request);
        let kept = before.unwrap_or(0) & !(VetoMask::MAX.checked_shl(known as u32).unwrap_or(0));
        let tests = self.tests.iter().enumerate().skip(known);
        tests.fold(kept, |mask, (number, literal)| {
            let wanted = if literal.negated { Truth::False } else { Truth::True };
            mask | VetoMask::from(pools.truth(literal.test, view) != wanted) << number
        })
    }

    /// The classes that are not wanted.
    pub(super) fn of_classes(&self, mut wanted: impl FnMut(Class) -> bool) -> VetoMask {
        let classes = self.classes.iter().zip(self.tests.len()..);
        classes.fold(0, |mask, (class, number)| mask | VetoMask::from(!wanted(*class)) << number)
    }
}

/// The numbers of a mask.
pub(super) fn numbers(mut mask: VetoMask) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let number = (mask != 0).then(|| mask.trailing_zeros())?;
        mask &= mask - 1;
        Some(number)
    })
}

/// What a veto is about. Tests are those of the index, where equal ones are one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Ground {
    Test(Test, bool),
    Class(Class),
}

impl Ground {
    /// The order in which vetoes are numbered.
    fn rank(self) -> u8 {
        match self {
            Self::Test(Test::Present(dimension), _) if dimension.is_impression() => 1,
            Self::Test(..) => 0,
            Self::Class(_) => 2,
        }
    }
}

/// The vetoes of an index in the making.
#[derive(Debug, Default)]
pub(super) struct Elected {
    numbers: HashMap<Ground, u32>,
    /// How many records a request is spared by each.
    pub(super) gains: Vec<f32>,
}

impl Elected {
    /// Those that spare a search most records.
    pub(super) fn of(
        drafts: &Drafts,
        access: &Access<'_>,
        filing: Filing,
        writer: &mut Writer,
    ) -> Option<Self> {
        let least = match filing {
            Filing::ByTraffic => LEAST_USES.max(u32::try_from(drafts.records.len() / LEAST_SHARE).ok()?),
            Filing::InBlocks => 1,
            Filing::Together => return Some(Self::default()),
        };
        let mut uses: HashMap<Ground, (u32, f32)> = HashMap::new();
        for record in &drafts.records {
            for literal in record.literals(drafts) {
                if let Some(ground) = ground(*literal, access.pools, writer)? {
                    let untrue = || untrue(*literal, access);
                    uses.entry(ground).or_insert_with(|| (0, untrue())).0 += 1;
                }
            }
            uses.entry(Ground::Class(record.class(drafts))).or_insert((0, CLASS_REFUSED)).0 += 1;
        }
        let one_class = uses.keys().filter(|ground| matches!(ground, Ground::Class(_))).count() == 1;
        uses.retain(|ground, (uses, _)| *uses >= least && !(one_class && matches!(ground, Ground::Class(_))));
        Some(Self::best(uses))
    }

    #[expect(clippy::cast_precision_loss, reason = "an estimate")]
    fn best(uses: HashMap<Ground, (u32, f32)>) -> Self {
        let mut best: Vec<_> =
            uses.into_iter().map(|(ground, (uses, refused))| (uses as f32 * refused, ground)).collect();
        best.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| order(a.1).cmp(&order(b.1))));
        best.truncate(MOST);
        best.sort_by_key(|(_, ground)| ground.rank());
        let numbers = best.iter().zip(0..).map(|((_, ground), number)| (*ground, number)).collect();
        Self { numbers, gains: best.into_iter().map(|(gain, _)| gain).collect() }
    }

    /// The vetoes that are worth a row in the blocks: where few records have them, records are asked instead.
    pub(super) fn of_blocks(
        &self,
        drafts: &Drafts,
        filed: &[Filed],
        pools: &Pools,
        writer: &mut Writer,
    ) -> Option<VetoMask> {
        let (mut broad, mut uses) = (0, [0_usize; MOST]);
        for (record, _) in drafts.records.iter().zip(filed).filter(|(_, filed)| filed.broad) {
            broad += 1;
            for number in numbers(self.of_record(drafts, record, pools, writer, |_, _| {})?) {
                *uses.get_mut(number as usize)? += 1;
            }
        }
        let worth = |uses: &usize| *uses > 0 && uses * LEAST_OF_BLOCKS >= broad;
        Some(uses.iter().zip(0..).fold(0, |mask, (uses, at)| mask | VetoMask::from(worth(uses)) << at))
    }

    /// What could refuse a record; calls back with each literal that a veto stands for.
    pub(super) fn of_record(
        &self,
        drafts: &Drafts,
        record: &DraftRecord,
        pools: &Pools,
        writer: &mut Writer,
        mut stands_for: impl FnMut(u32, usize),
    ) -> Option<VetoMask> {
        let number = |ground: Ground| self.numbers.get(&ground).copied();
        let mut mask = number(Ground::Class(record.class(drafts))).map_or(0, |number| 1 << number);
        if self.numbers.is_empty() {
            return Some(mask);
        }
        for (index, literal) in record.literals(drafts).iter().enumerate() {
            if let Some(number) = ground(*literal, pools, writer)?.and_then(number) {
                mask |= 1 << number;
                stands_for(number, index);
            }
        }
        Some(mask)
    }

    pub(super) fn finish(self) -> Vetoes {
        let mut grounds: Vec<_> = self.numbers.into_iter().collect();
        grounds.sort_by_key(|(_, number)| *number);
        let mut vetoes = Vetoes::default();
        for (ground, _) in grounds {
            match ground {
                Ground::Test(test, negated) => vetoes.tests.push(Literal { test, negated }),
                Ground::Class(class) => vetoes.classes.push(class),
            }
            vetoes.of_request += usize::from(ground.rank() == 0);
        }
        vetoes
    }
}

/// What a veto could be about; `None` of `Some` when the literal is better decided otherwise.
fn ground(literal: Literal, pools: &Pools, writer: &mut Writer) -> Option<Option<Ground>> {
    let fits = match literal.test {
        // Without a gate tags are keys that prove, or a few words that are soon verified.
        Test::Tag(at) => !is_plain(pools, at) && pools.tags_of(at).len() <= MOST_OPERANDS,
        Test::Near(at) => pools.circles.get(at as usize).is_some_and(|all| all.len() <= MOST_OPERANDS),
        Test::Os(_) | Test::Present(_) => true,
        _ => false,
    };
    if !fits {
        return Some(None);
    }
    Some(Some(Ground::Test(writer.keep(literal.test, pools)?, literal.negated)))
}

/// The share of requests for which a literal does not hold.
fn untrue(literal: Literal, access: &Access<'_>) -> f32 {
    let share = access.share(literal.test).map_or(0.5, |(share, _)| share);
    if literal.negated { share } else { 1.0 - share }
}

/// Any order, so that what gains as much is chosen the same way each time.
fn order(ground: Ground) -> (u8, u32, bool) {
    match ground {
        Ground::Class(class) => (0, class.0, false),
        Ground::Test(Test::Tag(at), negated) => (1, at, negated),
        Ground::Test(Test::Near(at), negated) => (2, at, negated),
        Ground::Test(Test::Os(at), negated) => (3, at, negated),
        Ground::Test(Test::Present(dimension), negated) => (4, dimension as u32, negated),
        Ground::Test(_, negated) => (5, 0, negated),
    }
}
