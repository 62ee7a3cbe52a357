//! All line items that match a request, each to the first thing that stops it.

use bumpalo::Bump;
use tagbid_openrtb::Imp;
use tagbid_ports::Loss;
use tagbid_targeting::{Attributes, Engine, LiveSet, Probe, Slot, explain};
use tagbid_types::{LineItemId, NoBidReason};

use super::Sample;
use crate::adapt;
use crate::book::lists;
use crate::path::decode::decode;
use crate::path::{Context, Known, Verdicts, attributes, best, terms};
use crate::shared::Shared;

/// What became of a line item that matched an impression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Lost before it had a price: the first thing that Explain says against it.
    Lost(NoBidReason),
    /// Another line item of ours was worth more.
    Outbid,
    /// It was worth most, and then the whole answer came to nothing.
    Unsent(NoBidReason),
    /// It was bid.
    Bid,
}

impl Fate {
    /// What it was lost to; none when it was bid.
    pub(crate) fn loss(self) -> Option<Loss> {
        match self {
            Self::Lost(reason) | Self::Unsent(reason) => Some(Loss::Reason(reason)),
            Self::Outbid => Some(Loss::Outbid),
            Self::Bid => None,
        }
    }

    /// Whether it came to a price.
    pub(crate) fn is_priced(self) -> bool {
        !matches!(self, Self::Lost(_))
    }
}

/// What a pass found.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    /// Impressions looked at.
    pub(crate) impressions: u64,
    /// One for each impression and line item that matched it.
    pub(crate) fates: Vec<(LineItemId, Fate)>,
}

/// What a pass looks for beside what the path finds.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// All places of the book, live or not.
    pub(crate) everybody: LiveSet,
    /// Line items of the book that the search leaves out because their money cannot be converted.
    pub(crate) unpriceable: Vec<LineItemId>,
}

/// Goes through a request again. None when it cannot be read any more, which a request that was answered can.
pub(crate) fn pass(shared: &Shared, sample: &Sample, scope: &Scope, arena: &Bump) -> Option<Passed> {
    let settings = shared.options.exchanges.get(&sample.incoming.exchange)?;
    let call = sample.incoming.call(settings);
    let request = decode(call.body, call.format, call.encoding, &shared.options, arena).ok()?;
    let request = &*arena.alloc(request);
    let context = Context::new(shared, &call, request, &sample.book, sample.settled(), arena).ok()?;
    let (tags, knowledge, lost) = (&*sample.tags, sample.knowledge, sample.lost);
    let known = Known { tags, knowledge, lost, ..Known::default() };
    let attributes = attributes(&context, &known, arena);
    let probe: &Probe<'_> = arena.alloc(sample.book.engine.probe(&attributes, arena));
    let again = Again { context: &context, scope, stopped: sample.stopped, arena };
    let mut passed = Passed { impressions: request.imp.len() as u64, fates: Vec::new() };
    for imp in request.imp {
        again.impression(imp, &attributes, probe, &mut passed.fates);
    }
    Some(passed)
}

/// A request on its second way.
struct Again<'c, 'a> {
    context: &'c Context<'a>,
    scope: &'c Scope,
    stopped: Option<NoBidReason>,
    arena: &'a Bump,
}

impl<'a> Again<'_, 'a> {
    fn impression(
        &self,
        imp: &'a Imp<'a>,
        request: &Attributes<'a>,
        probe: &Probe<'a>,
        fates: &mut Vec<(LineItemId, Fate)>,
    ) {
        let seen = adapt::with_imp(request, imp, self.arena);
        let engine = &self.context.book.engine;
        let probe: &Probe<'_> = self.arena.alloc(engine.impression(probe, &seen, self.arena));
        let chosen = best(self.context, imp, probe, self.arena).ok().map(|choice| choice.entry);
        let winner = chosen.map(|entry| entry.item.id);
        let mut verdicts = Verdicts::new(self.arena);
        engine.all(probe, &self.scope.everybody, self.arena, |slot| {
            if let Some(entry) = self.context.book.entry(slot) {
                let id = entry.item.id;
                fates.push((id, self.fate(imp, probe, slot, winner == Some(id), &mut verdicts)));
            }
        });
        self.unpriceable(imp, &seen, fates);
        chosen.into_iter().for_each(|entry| self.context.choose(entry));
    }

    /// In the order of Explain.
    fn fate(
        &self,
        imp: &'a Imp<'a>,
        probe: &Probe<'_>,
        slot: Slot,
        wins: bool,
        verdicts: &mut Verdicts<'_>,
    ) -> Fate {
        if let Some(reason) = self.unsearched(imp, slot) {
            return Fate::Lost(reason);
        }
        match (terms(self.context, imp, probe, slot, verdicts), wins, self.stopped) {
            (Err(reason), ..) => Fate::Lost(reason),
            (Ok(_), false, _) => Fate::Outbid,
            (Ok(_), true, Some(reason)) => Fate::Unsent(reason),
            (Ok(_), true, None) => Fate::Bid,
        }
    }

    /// What keeps the path from even finding it.
    fn unsearched(&self, imp: &Imp<'_>, slot: Slot) -> Option<NoBidReason> {
        if !self.context.book.live.contains(slot) {
            return Some(NoBidReason::NotLive);
        }
        imp.unreadable_blocks.then_some(NoBidReason::UnreadableBlockList)
    }

    /// These are in no search: their targeting is read as it stands.
    fn unpriceable(&self, imp: &Imp<'_>, seen: &Attributes<'_>, fates: &mut Vec<(LineItemId, Fate)>) {
        if self.scope.unpriceable.is_empty() {
            return;
        }
        let book = self.context.book;
        let lists = lists(&book.catalog);
        for id in &self.scope.unpriceable {
            let Some((slot, entry)) = book.find(*id) else { continue };
            if explain(entry.targeting(), seen, &lists, &()).is_empty() {
                let reason = self.unsearched(imp, slot).unwrap_or(NoBidReason::Currency);
                fates.push((*id, Fate::Lost(reason)));
            }
        }
    }
}
