//! What every entity of a user was shown, for who asks about several of them: one walk through the blob, however many
//! caps are looked at.

use std::time::Duration;

use tagbid_types::Timestamp;

use super::{Bucket, Counted, Counts, TIERS};
use crate::blob::BlobError;

/// The rolling windows that caps have. Longest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(usize)]
pub enum Window {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
    /// 7 days.
    Week,
}

impl Window {
    /// All of them.
    pub const ALL: [Self; TIERS.len()] = [Self::Minute, Self::Hour, Self::Day, Self::Week];

    /// Its length: counts are kept at a resolution for each.
    pub fn length(self) -> Duration {
        let (_, kept) = TIERS.get(self as usize).copied().unwrap_or_default();
        Duration::from_secs(kept.into())
    }
}

/// How often one entity was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The entity.
    pub entity: Counted,
    /// Since it is counted.
    pub total: u32,
    within: [u32; TIERS.len()],
}

impl Shown {
    /// In the window that ends now; none: ever.
    pub fn within(&self, window: Option<Window>) -> u32 {
        window
            .map_or(Some(self.total), |window| self.within.get(window as usize).copied())
            .unwrap_or(self.total)
    }
}

impl Counts<'_> {
    /// Tells of every entity in rising order how often it was shown, then which events were counted last. Allocates
    /// nothing.
    pub fn walk(
        &self,
        now: Timestamp,
        mut shown: impl FnMut(Shown),
        mut recent: impl FnMut(u128),
    ) -> Result<(), BlobError> {
        let now = u64::try_from(now.secs()).unwrap_or(0);
        let mut reader = self.entities;
        for _ in 0..self.count {
            let mut within = [0_u32; TIERS.len()];
            let (entity, total) = self.entity(&mut reader, |bucket| {
                for (count, (_, kept)) in within.iter_mut().zip(TIERS) {
                    if bucket.within(kept.into(), now) {
                        *count = count.saturating_add(bucket.count);
                    }
                }
            })?;
            shown(Shown { entity, total, within });
        }
        for _ in 0..reader.u8()? {
            recent(u128::from_le_bytes(reader.array()?));
        }
        Ok(())
    }

    /// When fewer than `limit` impressions of the entity are in the window again, if none comes meanwhile; now, where
    /// there are fewer. For people: it allocates.
    pub fn frees(
        &self,
        entity: Counted,
        window: Window,
        limit: u32,
        now: Timestamp,
    ) -> Result<Timestamp, BlobError> {
        let (second, length) = (u64::try_from(now.secs()).unwrap_or(0), window.length().as_secs());
        let mut reader = self.entities;
        for _ in 0..self.count {
            let mut counting: Vec<Bucket> = Vec::new();
            let (found, _) = self.entity(&mut reader, |bucket| {
                if bucket.within(length, second) {
                    counting.push(bucket);
                }
            })?;
            if found != entity {
                continue;
            }
            // The oldest leave first, each when no part of it is in the window any more.
            counting.sort_by_key(Bucket::end);
            let mut left = counting.iter().fold(0_u32, |sum, bucket| sum.saturating_add(bucket.count));
            let mut leaving = counting.iter();
            let mut free = second;
            while left >= limit {
                let Some(bucket) = leaving.next() else { break };
                left = left.saturating_sub(bucket.count);
                free = bucket.end() + length;
            }
            return Ok(Timestamp::from_secs(i64::try_from(free).unwrap_or(i64::MAX / 1_000_000)));
        }
        Ok(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tagbid_types::{CampaignId, LineItemId};

    use super::*;
    use crate::frequency::Frequency;

    const NOW: Timestamp = Timestamp::from_secs(1_750_000_000);
    const ENTITIES: [Counted; 2] = [Counted::LineItem(LineItemId(7)), Counted::Campaign(CampaignId(7))];

    /// A blob of impressions of the line item, each so many seconds ago; every third counts for the campaign too.
    fn blob(ages: &[u32]) -> Vec<u8> {
        let mut counts = Frequency::default();
        let mut sorted = ages.to_vec();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        for (event, age) in (0..).zip(sorted) {
            let entities = if event % 3 == 0 { &ENTITIES[..] } else { &ENTITIES[..1] };
            counts.record(event, Timestamp::from_secs(NOW.secs() - i64::from(age)), entities).unwrap();
        }
        counts.encode(NOW).unwrap()
    }

    proptest! {
        /// One walk tells what is told of each entity and window that is asked about by itself, and the last events.
        #[test]
        fn a_walk_tells_what_single_questions_tell(ages in prop::collection::vec(0..800_000_u32, 0..60)) {
            let blob = blob(&ages);
            let counts = Counts::parse(&blob).unwrap();
            let (mut seen, mut events) = (Vec::new(), Vec::new());
            counts.walk(NOW, |shown| seen.push(shown), |event| events.push(event)).unwrap();
            for entity in ENTITIES {
                let shown = seen.iter().find(|shown| shown.entity == entity);
                for window in Window::ALL.into_iter().map(Some).chain([None]) {
                    let one = counts.count(entity, window.map(Window::length), NOW).unwrap();
                    prop_assert_eq!(shown.map_or(0, |shown| shown.within(window)), one, "{:?} {:?}", entity, window);
                }
            }
            let newest: Vec<u128> = (0..ages.len() as u128).rev().take(super::super::RECENT_EVENTS).collect();
            events.reverse();
            prop_assert_eq!(events, newest);
        }

        /// A window is free at the moment that was told, and not a second before.
        #[test]
        fn a_window_is_free_when_it_was_told_to_be(
            ages in prop::collection::vec(0..800_000_u32, 1..40),
            limit in 1..20_u32,
        ) {
            let blob = blob(&ages);
            let counts = Counts::parse(&blob).unwrap();
            for window in Window::ALL {
                let at = |moment| counts.count(ENTITIES[0], Some(window.length()), moment).unwrap();
                let free = counts.frees(ENTITIES[0], window, limit, NOW).unwrap();
                prop_assert!(at(free) < limit, "{:?}", window);
                if free > NOW {
                    prop_assert!(at(Timestamp::from_secs(free.secs() - 1)) >= limit, "{:?}", window);
                }
            }
        }
    }
}
