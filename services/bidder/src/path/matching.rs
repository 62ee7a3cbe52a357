//! Match, gates and price: candidates are pulled one by one, those of higher tiers first and in falling order of what they
//! could pay, and the first to come through the gates wins unless a later one of its tier could still pay more.

use std::cell::RefCell;

use bumpalo::Bump;
use tagbid_budget::Holds;
use tagbid_catalog::Creative;
use tagbid_openrtb::{Deal, Imp};
use tagbid_pricing::{Floor, Priced};
use tagbid_targeting::{Class, Engine, Probe, Slot, Wanted};
use tagbid_types::{Cpm, NoBidReason};

use super::Context;
use super::recording::{Part, Stopwatch};
use super::sale::offer;
use super::verdicts::{Verdicts, nearest};
use crate::book::{Entry, ranked};
use crate::gates::Fit;

/// What is bid for one impression.
pub(crate) struct Choice<'a> {
    pub(crate) imp: &'a Imp<'a>,
    pub(crate) entry: &'a Entry,
    pub(crate) creative: &'a Creative,
    pub(crate) fit: Fit,
    pub(crate) seat: &'a str,
    pub(crate) deal: Option<&'a Deal<'a>>,
    pub(crate) priced: Priced,
    /// Money and impressions taken for it; none where there is no limit, and until it was chosen.
    pub(crate) holds: Holds,
}

/// Candidates between two looks at the clock: some microseconds.
const CLOCK_EVERY: usize = 32;

/// The best bid for an impression, or why there is none: the reason of the candidate that could have paid most, or
/// that there was no time to look at all of them.
pub(crate) fn best<'a>(
    context: &Context<'a>,
    imp: &'a Imp<'a>,
    probe: &'a Probe<'a>,
    arena: &'a Bump,
) -> Result<Choice<'a>, NoBidReason> {
    if imp.unreadable_blocks {
        return Err(NoBidReason::UnreadableBlockList);
    }
    let verdicts = RefCell::new(Verdicts::new(arena));
    let passes = Passing { context, imp, verdicts: &verdicts };
    let (engine, live) = (&context.book.engine, &context.book.live);
    let mut best: Option<(Choice<'a>, Cpm)> = None;
    let (floor, lowest) = (open_floor(context, imp), context.book.lowest_tier());
    for (position, candidate) in engine.candidates_among(probe, live, passes, arena).enumerate() {
        Stopwatch::candidate(context.watch);
        let (tier, bound) = ranked(candidate.bound);
        let beaten = |(choice, value): &(Choice<'a>, Cpm)| tier < choice.entry.tier() || bound <= *value;
        if best.as_ref().is_some_and(beaten) || bound < floor && tier == lowest {
            break;
        }
        if position % CLOCK_EVERY == CLOCK_EVERY - 1 && context.is_late() {
            return best.map(|(choice, _)| choice).ok_or(NoBidReason::NoTime);
        }
        // The rest of this tier is below the floor too; the next one may not be.
        if bound < floor {
            continue;
        }
        let found = Stopwatch::time(context.watch, Part::Price, || Found::at(context, probe, candidate.slot));
        let Ok(found) = found else { continue };
        // Its bound may be above what it pays.
        if best.as_ref().is_some_and(|(_, value)| found.value <= *value) {
            continue;
        }
        if let Ok(choice) = found.consider(context, imp, &mut verdicts.borrow_mut()) {
            let value = context.in_dollars(&choice.priced);
            if best.as_ref().is_none_or(|(_, most)| value > *most) {
                best = Some((choice, value));
            }
        }
    }
    best.map(|(choice, _)| choice).ok_or_else(|| refusal(context, imp, probe, arena))
}

/// What the gates would let through: most that match fall there, before the rest of their targeting is read.
struct Passing<'a, 'v> {
    context: &'a Context<'a>,
    imp: &'a Imp<'a>,
    verdicts: &'v RefCell<Verdicts<'a>>,
}

impl Wanted for Passing<'_, '_> {
    fn class(&mut self, class: Class) -> bool {
        self.context.book.fits(class, self.imp)
    }

    #[inline]
    fn item(&mut self, slot: Slot) -> bool {
        passing(self.context, self.imp, slot, &mut self.verdicts.borrow_mut()).is_ok()
    }
}

/// Why the candidate that could have paid most does not bid: looked for when nobody does.
fn refusal<'a>(
    context: &Context<'a>,
    imp: &'a Imp<'a>,
    probe: &'a Probe<'a>,
    arena: &'a Bump,
) -> NoBidReason {
    let first = context.book.engine.candidates(probe, &context.book.live, arena).next();
    first.map_or(NoBidReason::NoMatch, |first| {
        let terms = terms(context, imp, probe, first.slot, &mut Verdicts::new(arena));
        // It may have gone live since.
        terms.err().unwrap_or(NoBidReason::NoMatch)
    })
}

/// What every bid on the impression has to reach, in dollars; zero where a deal may have a floor of its own.
fn open_floor(context: &Context<'_>, imp: &Imp<'_>) -> Cpm {
    let open_only = imp.pmp.is_none_or(|pmp| pmp.deals.is_empty());
    let floor = Floor::read(imp.bidfloor, imp.bidfloorcur.trim()).ok().flatten().filter(|_| open_only);
    let common = context.fx.common();
    let in_dollars =
        floor.and_then(|floor| context.fx.convert_down(floor.price, floor.currency, common).ok());
    in_dollars.unwrap_or(Cpm::ZERO)
}

/// What one line item would bid for an impression, or what stands in its way: what [`best`] finds of a candidate.
/// `verdicts` are those of the impression.
pub(crate) fn terms<'a>(
    context: &Context<'a>,
    imp: &'a Imp<'a>,
    probe: &Probe<'_>,
    slot: Slot,
    verdicts: &mut Verdicts<'_>,
) -> Result<Choice<'a>, NoBidReason> {
    passing(context, imp, slot, verdicts)?;
    Found::at(context, probe, slot)?.consider(context, imp, verdicts)
}

/// What stops all creatives of a line item whatever its price.
#[inline]
fn passing(
    context: &Context<'_>,
    imp: &Imp<'_>,
    slot: Slot,
    verdicts: &mut Verdicts<'_>,
) -> Result<(), NoBidReason> {
    let place = context.book.place(slot).ok_or(NoBidReason::TechnicalError)?;
    verdicts.of_kit(context, imp, place)
}

/// A candidate with what it would pay.
struct Found<'a> {
    entry: &'a Entry,
    /// Base times the multipliers that hold, in the line item's own currency.
    price: Cpm,
    /// The same in dollars.
    value: Cpm,
}

impl<'a> Found<'a> {
    fn at(context: &Context<'a>, probe: &Probe<'_>, slot: Slot) -> Result<Self, NoBidReason> {
        let book = context.book;
        let (entry, engine) = (book.entry(slot).ok_or(NoBidReason::TechnicalError)?, &book.engine);
        let price = entry.item.bid.price(|multiplier| engine.test(probe, slot, multiplier));
        let value = context.fx.convert(price, entry.item.bid.currency, context.fx.common());
        Ok(Self { entry, price, value: value.map_err(|_| NoBidReason::Currency)? })
    }

    /// Its creatives in turn, beginning at a random one so that they rotate evenly. The reason does not rotate: it is
    /// that of the creative that came nearest.
    fn consider(
        &self,
        context: &Context<'a>,
        imp: &'a Imp<'a>,
        verdicts: &mut Verdicts<'_>,
    ) -> Result<Choice<'a>, NoBidReason> {
        let watch = context.watch;
        // Before creatives and terms are looked at: many that match may have spent their day's budget.
        if let Some(reason) = context.dry(self.entry) {
            return Err(reason);
        }
        let creatives = &self.entry.creatives;
        let (before, after) = creatives.split_at(context.rotation % creatives.len().max(1));
        let mut room = None;
        nearest(after.iter().chain(before), |creative| {
            let fit =
                Stopwatch::time(watch, Part::Gates, || verdicts.of(context, imp, self.entry, creative))?;
            let choice = Stopwatch::time(watch, Part::Price, || {
                offer(context, imp, self.entry, creative, fit, self.price)
            });
            let choice = choice.map_err(|no_sale| no_sale.reason)?;
            Stopwatch::time(watch, Part::Gates, || {
                // The same whichever creative it is.
                (*room.get_or_insert_with(|| context.has_room(self.entry)))?;
                context.affords(imp, self.entry, &choice.priced)
            })?;
            Ok(choice)
        })
    }
}
