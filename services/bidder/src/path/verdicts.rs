//! What the gates said in one impression. Line items share creatives, and most candidates fall at gates that another
//! with the same creatives fell at before: what was answered is looked up.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use tagbid_catalog::Creative;
use tagbid_openrtb::Imp;
use tagbid_types::NoBidReason;

use super::Context;
use super::sale::verdict;
use crate::book::{Entry, Place};
use crate::gates::{Fit, nearness};

/// Verdicts of one impression.
pub(crate) struct Verdicts<'a> {
    creatives: Memo<'a, Result<Fit, NoBidReason>>,
    /// By kit.
    kits: Memo<'a, Result<(), NoBidReason>>,
}

impl<'a> Verdicts<'a> {
    /// None yet.
    pub(crate) fn new(arena: &'a Bump) -> Self {
        Self { creatives: Memo::new(arena), kits: Memo::new(arena) }
    }

    /// How the creative fits the impression, or which gate it does not pass.
    pub(crate) fn of(
        &mut self,
        context: &Context<'_>,
        imp: &Imp<'_>,
        entry: &Entry,
        creative: &Creative,
    ) -> Result<Fit, NoBidReason> {
        self.creatives.get(creative.id.0, || verdict(context, imp, entry, creative))
    }

    /// What stops all creatives of a line item whatever its price: told without a look at the line item, when one with
    /// the same creatives was met before. Passing here promises nothing.
    pub(crate) fn of_kit(
        &mut self,
        context: &Context<'_>,
        imp: &Imp<'_>,
        place: &Place,
    ) -> Result<(), NoBidReason> {
        let Self { creatives, kits } = self;
        let entry = &place.entry;
        kits.get(place.kit.0.into(), || {
            nearest(entry.creatives.iter(), |creative| {
                creatives.get(creative.id.0, || verdict(context, imp, entry, creative))?;
                // Under a deal the seat may be the deal's.
                if imp.pmp.is_none() { context.seat_allowed(context.seat_of(creative)) } else { Ok(()) }
            })
        })
    }
}

/// The first success, or the reason of the creative that came nearest to one: so it does not depend on who is asked
/// first.
pub(super) fn nearest<C, T>(
    creatives: impl Iterator<Item = C>,
    mut ask: impl FnMut(C) -> Result<T, NoBidReason>,
) -> Result<T, NoBidReason> {
    let mut refusal = None;
    for creative in creatives {
        match ask(creative) {
            Ok(found) => return Ok(found),
            Err(reason) if refusal.is_none_or(|other| nearness(reason) > nearness(other)) => {
                refusal = Some(reason);
            }
            Err(_) => {}
        }
    }
    Err(refusal.unwrap_or(NoBidReason::NoCreative))
}

/// Places of a memo. Where two keys meet, the later one is remembered.
const PLACES: usize = 512;

/// Answers by key.
struct Memo<'a, V> {
    /// One more than the position in `found` of what is remembered at a place; 0: nothing.
    places: [u16; PLACES],
    found: ArenaVec<'a, (u64, V)>,
}

impl<'a, V: Copy> Memo<'a, V> {
    fn new(arena: &'a Bump) -> Self {
        Self { places: [0; PLACES], found: ArenaVec::new_in(arena) }
    }

    #[inline]
    fn get(&mut self, key: u64, ask: impl FnOnce() -> V) -> V {
        if let Some((known, answer)) = self.remembered(key)
            && *known == key
        {
            return *answer;
        }
        let answer = ask();
        // As many as a number of a place can count.
        if let Some(at) = self.places.get_mut(place(key))
            && let Ok(position) = u16::try_from(self.found.len() + 1)
        {
            *at = position;
            self.found.push((key, answer));
        }
        answer
    }

    fn remembered(&self, key: u64) -> Option<&(u64, V)> {
        let position = usize::from(*self.places.get(place(key))?).checked_sub(1)?;
        self.found.get(position)
    }
}

fn place(key: u64) -> usize {
    usize::try_from(key % PLACES as u64).unwrap_or(0)
}
