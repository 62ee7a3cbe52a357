//! Buckets of delays: by the second up to 40, then 5 % wide, up to the 72 hours for which notices are taken.

/// How many buckets have a bound.
const BOUNDED: usize = 225;

/// All buckets: one more takes the rest.
pub(super) const BUCKETS: usize = BOUNDED + 1;

/// The bound of the last bucket.
const ENDLESS: u32 = u32::MAX;

const BOUNDS: [u32; BOUNDED] = bounds();

const fn bounds() -> [u32; BOUNDED] {
    let mut all = [1; BOUNDED];
    let mut at = 1;
    while at < BOUNDED {
        let before = all[at - 1];
        let wide = before / 20;
        all[at] = before + if wide > 1 { wide } else { 1 };
        at += 1;
    }
    all
}

/// The bucket of a delay in seconds.
pub(super) fn bucket(delay_s: u32) -> usize {
    BOUNDS.partition_point(|bound| *bound < delay_s)
}

/// The longest delay of a bucket, in seconds.
pub(super) fn bound(bucket: usize) -> u32 {
    BOUNDS.get(bucket).copied().unwrap_or(ENDLESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_never_below_a_delay_and_at_most_a_twentieth_above_it() {
        for delay in (0..=72 * 3_600).step_by(7) {
            let bound = bound(bucket(delay));
            assert!(bound >= delay, "{delay} in {bound}");
            assert!(
                f64::from(bound) <= (f64::from(delay) * 1.05).max(f64::from(delay) + 1.0),
                "{delay} in {bound}"
            );
            assert_eq!(bucket(bound), bucket(delay), "a bucket is known by its bound");
        }
        assert_eq!(bound(bucket(10_000_000)), ENDLESS);
        assert_eq!(bucket(ENDLESS), BUCKETS - 1);
    }
}
