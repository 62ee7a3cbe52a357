//! What the book knows of its line items' contact rules: who has caps, what they count, and which tiers there are.

use rpds::HashTrieMapSync;
use tagbid_catalog::MAX_TIER;
use tagbid_tagset::frequency::Counted;
use tagbid_types::Cpm;

use super::Entry;

/// Between the ranks of two tiers: far above any price ([`Cpm::MAX`] is 10^12 micros), and nine of them are far below
/// the largest number.
const STEP: i64 = 1 << 48;

/// What the search orders by: the tier, then the price.
pub(super) fn rank(tier: u8, bound: Cpm) -> Cpm {
    Cpm(i64::from(tier) * STEP + bound.0.clamp(0, STEP - 1))
}

/// The tier and the price of a rank.
#[inline]
pub(crate) fn ranked(rank: Cpm) -> (u8, Cpm) {
    (u8::try_from(rank.0 / STEP).unwrap_or(u8::MAX), Cpm(rank.0 % STEP))
}

/// A value, as the book is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Contact {
    /// Line items with caps.
    capped: usize,
    /// How many of their caps count a campaign or an advertiser: with those, bids of line items without caps count too.
    wide: HashTrieMapSync<Counted, usize>,
    /// Line items of each tier.
    tiers: [usize; MAX_TIER as usize + 1],
}

impl Contact {
    /// A line item came into the book.
    pub(super) fn add(&mut self, entry: &Entry) {
        self.capped += usize::from(!entry.caps.is_empty());
        wide(entry).for_each(|counted| more(&mut self.wide, counted));
        self.tiers.get_mut(usize::from(entry.tier())).into_iter().for_each(|count| *count += 1);
    }

    /// A line item left it.
    pub(super) fn remove(&mut self, entry: &Entry) {
        self.capped = self.capped.saturating_sub(usize::from(!entry.caps.is_empty()));
        wide(entry).for_each(|counted| fewer(&mut self.wide, counted));
        let count = self.tiers.get_mut(usize::from(entry.tier()));
        count.into_iter().for_each(|count| *count = count.saturating_sub(1));
    }

    /// Whether anything has a cap: then users' counts are looked up.
    pub(super) fn has_caps(&self) -> bool {
        self.capped > 0
    }

    /// Whether a bid of this line item counts under any cap: its own, or one of another line item.
    pub(super) fn counts(&self, entry: &Entry) -> bool {
        !entry.caps.is_empty() || entry.counts.0.iter().any(|counted| self.wide.contains_key(counted))
    }

    /// The tier below which there is nobody.
    pub(super) fn lowest_tier(&self) -> u8 {
        let lowest = self.tiers.iter().position(|line_items| *line_items > 0);
        lowest.and_then(|tier| u8::try_from(tier).ok()).unwrap_or(0)
    }
}

fn wide(entry: &Entry) -> impl Iterator<Item = Counted> {
    let counted = entry.caps.iter().map(|cap| cap.counted);
    counted.filter(|counted| !matches!(counted, Counted::LineItem(_)))
}

fn more(map: &mut HashTrieMapSync<Counted, usize>, key: Counted) {
    let before = map.get(&key).copied().unwrap_or(0);
    map.insert_mut(key, before + 1);
}

fn fewer(map: &mut HashTrieMapSync<Counted, usize>, key: Counted) {
    match map.get(&key).copied() {
        Some(2..) => {
            map.get_mut(&key).into_iter().for_each(|count| *count -= 1);
        }
        Some(_) => {
            map.remove_mut(&key);
        }
        None => {}
    }
}
