//! What one request knows of how often its user was shown things.

use std::cell::RefCell;

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use smallvec::SmallVec;
use tagbid_catalog::CapUnknown;
use tagbid_tagset::UserKey;
use tagbid_tagset::frequency::{Counts as Blob, Shown};
use tagbid_types::{Monotonic, NoBidReason, Timestamp};

use super::{Cap, Counts, Flight, Flights};
use crate::book::Entry;

/// What the tag store told of a user's counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Told<'a> {
    /// Nothing: it was not asked, or did not answer.
    #[default]
    Unknown,
    /// The counts; none: the user was never shown anything.
    Counts(Option<&'a [u8]>),
}

/// How often a user was shown what, and what is under way for them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'a> {
    /// Ascending by entity.
    pub(crate) shown: &'a [Shown],
    /// A bid each; without those that are among what was shown.
    pub(crate) under_way: &'a [Counts],
    /// The bids that were counted last among what was shown.
    pub(crate) counted: &'a [u128],
}

impl<'a> Seen<'a> {
    /// None where it is not known.
    pub(crate) fn read(
        told: Told<'a>,
        user: Option<UserKey>,
        flights: &Flights,
        (now, monotonic): (Timestamp, Monotonic),
        arena: &'a Bump,
    ) -> Option<Self> {
        let (user, Told::Counts(blob)) = (user?, told) else { return None };
        let mut shown = ArenaVec::new_in(arena);
        let mut counted = ArenaVec::new_in(arena);
        if let Some(blob) = blob {
            let counts = Blob::parse(blob).ok()?;
            counts.walk(now, |one| shown.push(one), |event| counted.push(event)).ok()?;
        }
        let mut under_way = ArenaVec::new_in(arena);
        flights.of(user, monotonic, |flight| {
            if !counted.contains(&flight.event) {
                under_way.push(flight.counts);
            }
        });
        let (shown, counted) = (shown.into_bump_slice(), counted.into_bump_slice());
        Some(Self { shown, under_way: under_way.into_bump_slice(), counted })
    }

    /// Impressions under a cap that were shown.
    pub(crate) fn shown(&self, cap: &Cap) -> u32 {
        let place = self.shown.binary_search_by_key(&cap.counted, |one| one.entity);
        let found = place.ok().and_then(|place| self.shown.get(place));
        found.map_or(0, |one| one.within(cap.window))
    }

    /// Bids under a cap that may still be shown: at any moment, so whatever the window.
    pub(crate) fn under_way(&self, cap: &Cap) -> u32 {
        many(self.under_way, cap)
    }
}

fn many(bids: &[Counts], cap: &Cap) -> u32 {
    u32::try_from(bids.iter().filter(|bid| bid.has(cap.counted)).count()).unwrap_or(u32::MAX)
}

/// The caps of one request's user: what is known of them, and what was chosen for the request's earlier impressions.
#[derive(Debug, Default)]
pub(crate) struct Room<'a> {
    pub(crate) seen: Option<Seen<'a>>,
    chosen: RefCell<SmallVec<[Counts; 2]>>,
}

impl<'a> Room<'a> {
    pub(crate) fn new(seen: Option<Seen<'a>>) -> Self {
        Self { seen, chosen: RefCell::default() }
    }

    /// Something was chosen for an impression: it counts for the next ones.
    pub(crate) fn choose(&self, counts: Counts) {
        self.chosen.borrow_mut().push(counts);
    }

    /// Whether one more fits under all of these caps. A line item without caps costs a look at their number.
    #[inline]
    pub(crate) fn allows(&self, caps: &[Cap], unknown: CapUnknown) -> Result<(), NoBidReason> {
        if caps.is_empty() {
            return Ok(());
        }
        if self.seen.is_none() && unknown == CapUnknown::NoBid {
            return Err(NoBidReason::FrequencyUnknown);
        }
        if caps.iter().all(|cap| self.has_room(cap)) { Ok(()) } else { Err(NoBidReason::FrequencyCapped) }
    }

    /// Whether one more fits under a cap, where unknown counts are none.
    pub(crate) fn has_room(&self, cap: &Cap) -> bool {
        let known = self.seen.as_ref().map_or(0, |seen| seen.shown(cap).saturating_add(seen.under_way(cap)));
        known.saturating_add(many(&self.chosen.borrow(), cap)) < cap.most
    }

    /// Whether bids of these line items, chosen together, still fit beside what is under way for the user by now. Where nothing
    /// is known of the user they were chosen whatever that is.
    pub(crate) fn still_allows<'e>(
        &self,
        entries: impl Iterator<Item = &'e Entry>,
        flights: &[Flight],
    ) -> bool {
        let Some(seen) = &self.seen else { return true };
        let open = flights.iter().filter(|flight| !seen.counted.contains(&flight.event));
        let mut under_way: SmallVec<[Counts; 8]> = open.map(|flight| flight.counts).collect();
        for entry in entries {
            let full = |cap: &Cap| seen.shown(cap).saturating_add(many(&under_way, cap)) >= cap.most;
            if entry.caps.iter().any(full) {
                return false;
            }
            under_way.push(entry.counts);
        }
        true
    }
}
