//! The traffic of a line item over the day, learnt from the last days.

use super::plan::{Profile, QUARTERS};

/// What bids would have held in each quarter hour of one day; none: nobody looked.
pub type DayTraffic = [Option<u64>; QUARTERS];

/// A day weighs so many sixteenths of the day after it.
const FADE: u128 = 11;

/// So many tenths of a day's open quarters must be known before the profile is believed.
const ENOUGH: usize = 9;

impl Profile {
    /// [`Self::learn_within`] a day that is open from its beginning to its end.
    pub fn learn<'a>(days: impl IntoIterator<Item = &'a DayTraffic>) -> Self {
        Self::learn_within(days, &[true; QUARTERS])
    }

    /// From the traffic of days, the latest first. Each weighs less than the one after it, and a quarter hour that nobody looked
    /// at counts for nothing. Even, as long as less than nine tenths of what is open were ever seen, or nothing came in it.
    pub fn learn_within<'a>(days: impl IntoIterator<Item = &'a DayTraffic>, open: &[bool; QUARTERS]) -> Self {
        let mut sums = [(0_u128, 0_u128); QUARTERS];
        let mut weight = 1_u128 << 32;
        for day in days {
            for ((sum, weights), seen) in sums.iter_mut().zip(day) {
                if let Some(seen) = seen {
                    *sum = sum.saturating_add(u128::from(*seen).saturating_mul(weight));
                    *weights += weight;
                }
            }
            weight = (weight * FADE / 16).max(1);
        }
        // In millionths: traffic may be counted in small numbers.
        let means = sums.map(|(sum, weights)| sum.saturating_mul(1_000_000).checked_div(weights));
        let known: Vec<u128> =
            means.iter().zip(open).filter(|(_, open)| **open).filter_map(|(mean, _)| *mean).collect();
        let most = known.iter().max().copied().unwrap_or(0);
        let wide = open.iter().filter(|open| **open).count();
        if known.len() * 10 < wide * ENOUGH || most == 0 {
            return Self::EVEN;
        }
        let mean = known.iter().sum::<u128>() / known.len().max(1) as u128;
        let part = |mean: u128| u32::try_from(mean.min(most).saturating_mul(1_000_000) / most).unwrap_or(0);
        Self::new(means.map(|one| part(one.unwrap_or(mean))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_that_was_half_seen_is_even_and_a_whole_one_is_believed() {
        let mut day: DayTraffic = [None; QUARTERS];
        day[..50].fill(Some(7));
        assert_eq!(Profile::learn([&day]), Profile::EVEN);
        day.fill(Some(0));
        assert_eq!(Profile::learn([&day]), Profile::EVEN, "nothing came");
        day[95] = Some(3);
        assert_ne!(Profile::learn([&day]), Profile::EVEN);
    }

    #[test]
    fn a_day_is_known_when_what_is_open_of_it_is() {
        let (mut open, mut day) = ([false; QUARTERS], [None; QUARTERS]);
        open[32..72].fill(true);
        day[32..67].fill(Some(7));
        assert_eq!(Profile::learn_within([&day], &open), Profile::EVEN, "35 of 40");
        (day[67], day[50]) = (Some(7), Some(14));
        let learnt = Profile::learn_within([&day], &open).within(&open);
        let mut expected = [0; QUARTERS];
        expected[32..68].fill(500_000);
        expected[50] = 1_000_000;
        // What was not seen gets the mean of what was.
        expected[68..72].fill(513_888);
        assert_eq!(learnt, Profile::new(expected));
        assert_eq!(Profile::learn_within([&day], &[false; QUARTERS]), Profile::EVEN);
    }

    #[test]
    fn later_days_weigh_more_and_what_was_not_seen_nothing() {
        let (yesterday, before) = ([Some(100); QUARTERS], [Some(1_000); QUARTERS]);
        let mut broken = yesterday;
        broken[0] = None;
        broken[1] = Some(200);
        let of_one = |days: &[&DayTraffic]| Profile::learn(days.iter().copied());
        assert_eq!(of_one(&[&yesterday]), of_one(&[&before]), "only the shape counts");
        let weights = of_one(&[&broken, &before]);
        let mut expected = [0; QUARTERS];
        // By weights 16 and 11: (100 x 16 + 1,000 x 11) / 27, and 1,000 where only the day before was seen.
        expected.fill(466_666);
        (expected[0], expected[1]) = (1_000_000, 525_925);
        assert_eq!(weights, Profile::new(expected));
    }
}
