//! Building an index: compile, look at the traffic, file, write.

use std::cmp::Reverse;

use super::access::Access;
use super::blocks::BlocksBuilder;
use super::drafts::{DraftRecord, Drafts, Whole, own_records, places_of};
use super::estimate::Estimates;
use super::filing::{Filed, Filing, file};
use super::keys::{Key, KeysBuilder};
use super::lower::{Literal, counted};
use super::postings::Postings;
use super::record::{Record, Writer, cost};
use super::rows::SetTest;
use super::signature::{Layout, NamedBits};
use super::slots::SlotMap;
use super::values::Values;
use super::veto::{Elected, VetoMask};
use super::wishes::wishes;
use super::{Index, Place};
use crate::compile::{Compiled, Compiler};
use crate::dictionary::Dictionary;
use crate::program::{Pools, Step};
use crate::scan::in_search_order;
use crate::{Item, Lists, Refusal, Refused, Traffic};

pub(super) fn build<'c>(
    items: impl IntoIterator<Item = Item<'c>>,
    lists: &Lists<'_>,
    traffic: &Traffic,
    dictionary: Dictionary,
    filing: Filing,
) -> (Index, Vec<Refused>) {
    let mut refused = Vec::new();
    let items = in_search_order(items, &mut refused);
    let hashes = dictionary.sibling();
    let mut compiler = Compiler::with(lists, dictionary);
    let mut drafts = Drafts::default();
    for item in &items {
        if drafts.add(&mut compiler, item).is_none() {
            drafts.undo();
            refused.push(Refused { slot: item.slot, reason: Refusal::TooLarge });
        }
    }
    // Stable: the records of an item at one bound stay together.
    drafts.records.sort_by_key(|record| (Reverse(record.bound), record.slot));
    let index = assemble(compiler.finish(), &drafts, traffic, filing).unwrap_or_else(|| {
        // More values or postings than numbers: nothing is served rather than a part.
        refused.extend(drafts.items.iter().map(|i| Refused { slot: i.slot, reason: Refusal::TooLarge }));
        Index::empty(hashes)
    });
    (index, refused)
}

fn assemble(compiled: Compiled, drafts: &Drafts, traffic: &Traffic, filing: Filing) -> Option<Index> {
    let Compiled { dictionary, pools, steps } = compiled;
    let values = Values::of(&dictionary)?;
    let literals = counted(drafts.literals.iter());
    let estimates = Estimates::new(traffic, &dictionary, &values, &literals, &pools);
    let access = Access { estimates: &estimates, values: &values, pools: &pools };
    let mut writer = Writer::default();
    let elected = Elected::of(drafts, &access, filing, &mut writer)?;
    let (filed, keys) = file(drafts, &access, filing);
    let wishes = wishes(&values, &literals, &pools, &estimates, &elected.gains);
    let mut assembly = Assembly {
        items: places_of(drafts)?,
        places: KeysBuilder::new(&values, &keys)?,
        postings: Postings::with_len(keys.len()),
        blocks: BlocksBuilder::default(),
        records: Vec::with_capacity(drafts.records.len()),
        writer,
        elected,
        in_blocks: 0,
        narrow: Layout::new(&values, &wishes),
        wide: Layout::new(&values, &wishes),
        named: (NamedBits::default(), NamedBits::default()),
        values,
        pools: &pools,
        steps: &steps,
    };
    assembly.in_blocks = assembly.elected.of_blocks(drafts, &filed, &pools, &mut assembly.writer)?;
    for (draft, filed) in drafts.records.iter().zip(&filed) {
        assembly.record(drafts, draft, filed, keys.get(filed.keys.0..filed.keys.1)?)?;
    }
    assembly.finish(drafts, dictionary)
}

fn set(flags: &mut [bool], index: usize) {
    if let Some(flag) = flags.get_mut(index) {
        *flag = true;
    }
}

/// An index in the making: records are added one by one.
struct Assembly<'b> {
    items: Vec<Place>,
    narrow: Layout<3>,
    wide: Layout<8>,
    named: (NamedBits<3>, NamedBits<8>),
    places: KeysBuilder,
    postings: Postings,
    blocks: BlocksBuilder,
    records: Vec<Record>,
    writer: Writer,
    elected: Elected,
    /// The vetoes that have a row in the blocks.
    in_blocks: VetoMask,
    values: Values,
    pools: &'b Pools,
    steps: &'b [Step],
}

impl Assembly<'_> {
    /// `None` when something is full.
    fn record(&mut self, drafts: &Drafts, draft: &DraftRecord, filed: &Filed, keys: &[Key]) -> Option<()> {
        let literals = draft.literals(drafts);
        let (mut decided, mut proven) = (vec![false; literals.len()], vec![false; literals.len()]);
        let (narrow, wide) = &mut self.named;
        let signature = self.narrow.of_record(literals, self.pools, &self.values, narrow, |_| {});
        let decide = |index| set(&mut decided, index);
        let accepts = self.wide.of_record(literals, self.pools, &self.values, wide, decide);
        let wide = &self.wide;
        let vetoes = self.elected.of_record(drafts, draft, self.pools, &mut self.writer, |veto, index| {
            if wide.has_veto(veto) {
                set(&mut decided, index);
            }
            if filed.broad && self.in_blocks >> veto & 1 == 1 {
                set(&mut proven, index);
            }
        })?;
        let (signature, accepts) = (self.narrow.but(signature, vetoes), wide.but(accepts, vetoes));
        let number = u32::try_from(self.records.len()).ok()?;
        filed.proven.into_iter().for_each(|index| set(&mut proven, index));
        if filed.broad {
            let vetoes = vetoes & self.in_blocks;
            self.blocks.add(number, literals, vetoes, self.pools, |index| set(&mut proven, index))?;
        }
        for key in keys {
            self.postings.set(self.places.place(*key)?, number, signature);
        }
        let mut sets = [SetTest::NONE; 2];
        let start = self.word()?;
        let open = match draft.program.and_then(|at| drafts.programs.get(at)) {
            Some(whole) => self.whole(whole)?,
            None => self.literals(literals, &decided, &proven, &mut sets)?,
        };
        let (bound, slot, end) = (draft.bound, draft.slot, self.word()?);
        if filed.broad {
            let own = self.items.get(draft.item)?.records;
            let alone = draft.own && own.1 - own.0 == 1;
            self.blocks.complete(slot, sets, alone && start == end);
        }
        self.records.push(Record { accepts, sets, bound, slot, start, open, end });
        Some(())
    }

    /// Writes an expression that was not expanded; where its words end.
    fn whole(&mut self, whole: &Whole) -> Option<u32> {
        self.writer.program(whole.program, self.steps, self.pools)?;
        for literal in &whole.raise {
            self.writer.literal(*literal, self.pools)?;
        }
        self.word()
    }

    /// Writes the literals of a conjunction but the proven ones, large sets into the head while there is room; where
    /// those that the signature decides begin.
    fn literals(
        &mut self,
        literals: &[Literal],
        decided: &[bool],
        proven: &[bool],
        sets: &mut [SetTest; 2],
    ) -> Option<u32> {
        let mut order: Vec<_> = literals.iter().zip(decided).enumerate().collect();
        order.retain(|(index, _)| proven.get(*index) != Some(&true));
        order.sort_by_key(|(_, (literal, decided))| (**decided, cost(literal, self.pools)));
        let mut open = self.word()?;
        let mut sets = sets.iter_mut();
        for (_, (literal, decided)) in order {
            if !decided
                && sets.len() > 0
                && let Some(test) = self.writer.set(*literal, self.pools)?
                && let Some(place) = sets.next()
            {
                *place = test;
                continue;
            }
            self.writer.literal(*literal, self.pools)?;
            if !decided {
                open = self.word()?;
            }
        }
        Some(open)
    }

    fn finish(mut self, drafts: &Drafts, dictionary: Dictionary) -> Option<Index> {
        let tests = drafts.tests.iter().map(|test| self.writer.keep(*test, self.pools));
        let tests = tests.collect::<Option<_>>()?;
        let mut verifier = self.writer.verifier;
        verifier.rows = self.writer.rows.finish(&dictionary, self.pools)?;
        verifier.values = self.values;
        let mut index = Index {
            blocks: self.blocks.finish(&dictionary, self.pools)?,
            vetoes: self.elected.finish(),
            dictionary,
            narrow: self.narrow,
            wide: self.wide,
            keys: self.places.finish(),
            postings: self.postings,
            records: self.records,
            verifier,
            items: self.items,
            own: own_records(&drafts.records),
            slots: SlotMap::new(drafts.items.iter().map(|item| item.slot)),
            tests,
        };
        index.shrink();
        Some(index)
    }

    /// Where the next word goes.
    fn word(&self) -> Option<u32> {
        u32::try_from(self.writer.verifier.words.len()).ok()
    }
}
