//! What the gates said of each creative in one impression. Line items share creatives, and one that does not fit is met
//! again with every candidate that carries it; asking the gates costs as much as a dozen look-ups here.

use bumpalo::Bump;
use bumpalo::collections::Vec as ArenaVec;
use tagbid_catalog::Creative;
use tagbid_openrtb::Imp;
use tagbid_types::{CreativeId, NoBidReason};

use super::Context;
use super::sale::verdict;
use crate::book::Entry;
use crate::gates::Fit;

/// Places; a creative has one by its id. Where two meet, the later one is remembered.
const PLACES: usize = 256;

/// Verdicts of one impression, as many as a byte counts.
pub(crate) struct Verdicts<'a> {
    /// One more than the position in `found` of the creative remembered at a place; 0: none.
    places: [u8; PLACES],
    found: ArenaVec<'a, (CreativeId, Result<Fit, NoBidReason>)>,
}

impl<'a> Verdicts<'a> {
    /// None yet.
    pub(crate) fn new(arena: &'a Bump) -> Self {
        Self { places: [0; PLACES], found: ArenaVec::new_in(arena) }
    }

    /// How the creative fits the impression, or which gate it does not pass.
    pub(crate) fn of(
        &mut self,
        context: &Context<'_>,
        imp: &Imp<'_>,
        entry: &Entry,
        creative: &Creative,
    ) -> Result<Fit, NoBidReason> {
        if let Some((id, verdict)) = self.remembered(creative.id)
            && *id == creative.id
        {
            return *verdict;
        }
        let verdict = verdict(context, imp, entry, creative);
        self.remember(creative.id, verdict);
        verdict
    }

    fn remembered(&self, id: CreativeId) -> Option<&(CreativeId, Result<Fit, NoBidReason>)> {
        let position = usize::from(*self.places.get(place(id))?).checked_sub(1)?;
        self.found.get(position)
    }

    fn remember(&mut self, id: CreativeId, verdict: Result<Fit, NoBidReason>) {
        if let Some(at) = self.places.get_mut(place(id))
            && let Ok(position) = u8::try_from(self.found.len() + 1)
        {
            *at = position;
            self.found.push((id, verdict));
        }
    }
}

fn place(id: CreativeId) -> usize {
    usize::try_from(id.0 % PLACES as u64).unwrap_or(0)
}
