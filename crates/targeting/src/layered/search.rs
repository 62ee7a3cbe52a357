//! One search over all layers: each layer's possible records, merged in the order of the search.

use std::cmp::Reverse;

use bumpalo::Bump;
use tagbid_types::Cpm;

use super::Layered;
use crate::index::{FIRST_TIER, Index, Stream};
use crate::probe::View;
use crate::seen::Seen;
use crate::{Candidate, LiveSet, Probe, Slot, Wanted};

/// A tier costs a look at every cursor, so it should have some records.
const SMALLEST_TIER: u32 = 64;

/// A layer's next record.
struct Head<'s> {
    index: &'s Index,
    stream: Stream<'s>,
    record: u32,
    /// Place in the order of the search.
    order: (Reverse<Cpm>, Slot),
}

impl<'s> Head<'s> {
    fn new(
        index: &'s Index,
        view: &'s View<'s>,
        wanted: &mut impl Wanted,
        first_tier: u32,
        arena: &'s Bump,
    ) -> Option<Self> {
        let refused = index.refused_classes(|class| wanted.class(class));
        let stream = Stream::new(index, view, refused, first_tier, arena);
        let mut head = Self { index, stream, record: 0, order: (Reverse(Cpm(0)), Slot(0)) };
        head.advance().then_some(head)
    }

    fn advance(&mut self) -> bool {
        let Some(record) = self.stream.next() else {
            return false;
        };
        let Candidate { slot, bound } = self.index.candidate(record);
        self.record = record;
        self.order = (Reverse(bound), slot);
        true
    }
}

/// Whoever wants the best of all wants about the same share of a level as of the base, bounds being alike.
fn first_tier(level: &Index, base: &Index) -> u32 {
    let share = u64::from(level.records()) * u64::from(FIRST_TIER) / u64::from(base.records().max(1));
    u32::try_from(share).unwrap_or(FIRST_TIER).clamp(SMALLEST_TIER, FIRST_TIER)
}

pub(super) fn candidates<'s>(
    layered: &'s Layered,
    probe: &'s Probe<'s>,
    live: &'s LiveSet,
    mut wanted: impl Wanted + 's,
    arena: &'s Bump,
) -> impl Iterator<Item = Candidate> + 's {
    let base = Head::new(&layered.base, &probe.view, &mut wanted, FIRST_TIER, arena).map(|head| (None, head));
    let levels = layered.levels.iter().enumerate().zip(probe.layers).filter_map(|((depth, level), view)| {
        let tier = first_tier(&level.index, &layered.base);
        Head::new(&level.index, view, &mut wanted, tier, arena).map(|head| (Some(depth), head))
    });
    let mut heads = bumpalo::collections::Vec::with_capacity_in(layered.levels.len() + 1, arena);
    heads.extend(base.into_iter().chain(levels));
    let raised = layered.base.has_raises() || layered.levels.iter().any(|level| level.index.has_raises());
    let mut seen = Seen::new(raised, arena);
    std::iter::from_fn(move || {
        loop {
            let best = heads.iter().enumerate().min_by_key(|(_, (_, head))| head.order)?.0;
            let (depth, head) = heads.get_mut(best)?;
            let (record, (Reverse(bound), slot)) = (head.record, head.order);
            let live = live.contains(slot);
            let found = layered.is_current(slot, *depth)
                && wanted.item(slot)
                && seen.finds(slot, live, || head.stream.holds(record));
            if !head.advance() {
                heads.swap_remove(best);
            }
            if found {
                return Some(Candidate { slot, bound });
            }
        }
    })
}
