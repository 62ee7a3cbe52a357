use proptest::prelude::*;
use tagbid_runtime::sample::AdaptiveSample;

use super::*;

fn users(sampled: u64, matching: u64, scale: u64) -> UserFigures {
    let stratum = Stratum { sampled, matching, scale };
    UserFigures::of(&UserReach { stratum, age: Duration::from_secs(60) })
}

fn requests(strata: &[(u64, u64, u64)]) -> Option<RequestFigures> {
    let strata = strata.iter().map(|(sampled, matching, scale)| Stratum {
        sampled: *sampled,
        matching: *matching,
        scale: *scale,
    });
    RequestFigures::of(&RequestReach { strata: strata.collect(), since: Timestamp(0) })
}

/// A generator of well spread numbers (G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators",
/// 2014), so that a seed gives the same keys for ever.
struct Keys(u64);

impl Keys {
    fn next(&mut self) -> u128 {
        let mut half = || {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            u128::from(mixed ^ (mixed >> 31))
        };
        half() << 64 | half()
    }
}

#[test]
fn the_truth_lies_within_the_interval_nineteen_times_of_twenty() {
    let (mut within, mut levels) = (0, std::collections::BTreeSet::new());
    for seed in 0..200 {
        let mut keys = Keys(seed);
        let mut sample = AdaptiveSample::new(500, usize::MAX, 0);
        let (all, matching) = (2_000 + 200 * seed, 1_000 + 40 * seed);
        (0..all).for_each(|n| sample.offer(keys.next(), 0, n < matching));
        let found = sample.iter().filter(|(_, matches)| **matches).count() as u64;
        levels.insert(sample.level());
        let Interval { low, high } = users(sample.len() as u64, found, sample.scale()).interval;
        within += u64::from((low..=high).contains(&matching));
    }
    // Of 200 draws with a chance of 0.95 fewer than 181 come less than once in a hundred; rounding outwards helps.
    assert!((181..=200).contains(&within), "{within} of 200");
    assert!(levels.len() >= 3, "{levels:?}");
}

#[test]
fn a_whole_store_is_counted_and_told_with_two_digits() {
    let figures = users(50_000, 12_345, 1);
    assert_eq!(figures.users, Some(12_000));
    assert_eq!(figures.interval, Interval { low: 12_000, high: 13_000 });
    assert_eq!(users(2_000, 1_000, 1).interval, Interval { low: 1_000, high: 1_000 });
}

#[test]
fn fewer_than_a_thousand_users_are_not_told_and_all_look_the_same() {
    for scale in [1, 2, 64, 999, 1_000, 8_192] {
        let most_hidden = 999 / scale;
        let hidden = users(10_000, 0, scale);
        assert_eq!((hidden.users, hidden.interval.low), (None, 0));
        assert!(hidden.interval.high >= 1_000);
        for matching in 0..=most_hidden {
            assert_eq!(users(10_000, matching, scale), hidden, "{matching} x {scale}");
        }
        let told = users(10_000, most_hidden + 1, scale);
        assert!(told.users.is_some_and(|users| users >= 1_000), "{told:?}");
        assert!(told.interval.low == 0 || told.interval.low >= 1_000);
    }
    assert_eq!(users(10_000, 0, 1).interval.high, 1_000, "a count is certain");
    assert_eq!(users(10_000, 0, 8_192).interval.high, 32_000, "none of a sample of one in 8,192 is not none");
}

#[test]
fn shares_weigh_what_the_sampled_stand_for() {
    let figures = requests(&[(1_000, 500, 1), (1_000, 100, 9)]).unwrap();
    assert_eq!(figures.share, Some(140_000), "(500 + 900) of 10,000");
    assert_eq!((figures.sampled, figures.impressions), (2_000, 10_000));
    let Interval { low, high } = figures.interval;
    // Worth some 1,220 equal impressions: 1.96 standard deviations are 1.95 points.
    assert_eq!((low, high), (120_000, 170_000));
}

#[test]
fn few_matching_impressions_are_not_told_and_all_look_the_same() {
    let none = requests(&[(3_000, 0, 4)]).unwrap();
    assert_eq!((none.share, none.interval.low), (None, 0));
    assert_eq!(requests(&[(3_000, 9, 4)]).unwrap(), none);
    assert!(requests(&[(3_000, 10, 4)]).unwrap().share.is_some());
    assert_eq!(none.interval.high, 5_700, "nine of 3,000 are 0.3 %, and could be 0.57 %");
    assert_eq!(requests(&[(3, 3, 4)]).unwrap().interval.high, 1_000_000);
    assert_eq!(requests(&[(0, 0, 4), (0, 0, 1)]), None);
}

#[test]
fn all_and_nearly_all_are_told() {
    let all = requests(&[(1_000, 1_000, 1)]).unwrap();
    assert_eq!(all.share, Some(1_000_000));
    assert_eq!(all.interval, Interval { low: 990_000, high: 1_000_000 });
}

proptest! {
    /// A rounded number has two significant digits, and rounding goes no further than it says.
    #[test]
    fn rounding_keeps_two_digits(number in 0..u64::MAX / 4, digits in 0_u32..19) {
        let number = number / 10_u64.pow(digits);
        for rounded in [round(number), round_down(number), round_up(number)] {
            let text = rounded.to_string();
            prop_assert!(text.bytes().skip(2).all(|digit| digit == b'0'), "{number} -> {rounded}");
            prop_assert!(rounded.abs_diff(number) * 10 <= number.max(10), "{number} -> {rounded}");
        }
        prop_assert!(round_down(number) <= number && number <= round_up(number));
        prop_assert!([round_down(number), round_up(number)].contains(&round(number)));
    }

    /// More matching users never make a lower estimate, and the estimate lies in its interval.
    #[test]
    fn figures_grow_with_what_matches(matching in 0_u64..16_000, more in 0_u64..400, level in 0_u32..20) {
        let (less, more) = (users(16_384, matching, 1 << level), users(16_384, matching + more, 1 << level));
        prop_assert!(less.users <= more.users);
        prop_assert!(less.interval.high <= more.interval.high);
        for one in [less, more] {
            if let Some(users) = one.users {
                prop_assert!(one.interval.low <= users && users <= one.interval.high, "{one:?}");
            }
        }
    }
}
