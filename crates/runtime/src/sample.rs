//! A uniform sample of bounded size of things whose number nobody knows beforehand.

use std::collections::BTreeMap;

/// Adaptive sampling (P. Flajolet, "On adaptive sampling", Computing 34, 1990; the idea is M. Wegman's).
///
/// Each thing has a key of uniformly random bits. Those are kept whose key begins with `level` zero bits, one in
/// [`AdaptiveSample::scale`]; whenever more are kept than fit, the level grows by one and half of them go. What is kept
/// depends on the keys alone, never on the order in which they were offered or how often: so a thing that is offered
/// again is no second one, and the number of all things is about `len * scale`.
#[derive(Clone, Debug)]
pub struct AdaptiveSample<T> {
    most: usize,
    most_bytes: usize,
    level: u32,
    bytes: usize,
    /// Keys that begin with zeros are the smallest: a level is a prefix.
    kept: BTreeMap<u128, (usize, T)>,
}

/// Beyond this a sample of one thing would not say anything.
const HIGHEST_LEVEL: u32 = 63;

impl<T> AdaptiveSample<T> {
    /// An empty sample that holds `most` things of `most_bytes` bytes together, as their owner counts them, and begins
    /// at `level`: one in `2^level`.
    pub fn new(most: usize, most_bytes: usize, level: u32) -> Self {
        Self { most, most_bytes, level: level.min(HIGHEST_LEVEL), bytes: 0, kept: BTreeMap::new() }
    }

    /// Whether a thing of this key would be kept now.
    pub fn wants(&self, key: u128) -> bool {
        key.leading_zeros() >= self.level
    }

    /// Keeps the thing if its key is among the wanted; in place of the one with the same key, if there is one.
    pub fn offer(&mut self, key: u128, bytes: usize, thing: T) {
        if !self.wants(key) {
            return;
        }
        if let Some((old, _)) = self.kept.insert(key, (bytes, thing)) {
            self.bytes -= old;
        }
        self.bytes += bytes;
        while self.level < HIGHEST_LEVEL && (self.kept.len() > self.most || self.bytes > self.most_bytes) {
            self.level += 1;
            let gone = self.kept.split_off(&(1_u128 << (u128::BITS - self.level)));
            self.bytes -= gone.values().map(|(bytes, _)| bytes).sum::<usize>();
        }
    }

    /// Whether there is a thing of this key.
    pub fn contains(&self, key: u128) -> bool {
        self.kept.contains_key(&key)
    }

    /// Forgets the thing of this key. Whether there was one.
    pub fn remove(&mut self, key: u128) -> bool {
        let found = self.kept.remove(&key);
        self.bytes -= found.as_ref().map_or(0, |(bytes, _)| *bytes);
        found.is_some()
    }

    /// Zero bits that the kept keys begin with.
    pub fn level(&self) -> u32 {
        self.level
    }

    /// How many things each of the kept stands for, itself included.
    pub fn scale(&self) -> u64 {
        1 << self.level
    }

    /// How many are kept.
    pub fn len(&self) -> usize {
        self.kept.len()
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Bytes of all that is kept.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is kept, with its keys, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (u128, &T)> {
        self.kept.iter().map(|(key, (_, thing))| (*key, thing))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(sample: &AdaptiveSample<u8>) -> Vec<u128> {
        sample.iter().map(|(key, _)| key).collect()
    }

    proptest! {
        /// The sample is the keys of its level, all of them and no others, whatever comes in which order how often.
        #[test]
        fn what_is_kept_depends_on_the_keys_alone(
            // Short prefixes, so that levels are reached with few keys.
            mut offered in prop::collection::vec((0_u32..12, any::<u128>()).prop_map(|(zeros, key)| key >> zeros), 0..200),
            most in 1_usize..40,
            again in any::<prop::sample::Index>(),
        ) {
            let mut sample = AdaptiveSample::new(most, usize::MAX, 0);
            offered.iter().for_each(|key| sample.offer(*key, 1, 0));
            prop_assert!(sample.len() <= most);
            prop_assert_eq!(sample.bytes(), sample.len());

            offered.sort_unstable();
            offered.dedup();
            let expected: Vec<_> =
                offered.iter().copied().filter(|key| key.leading_zeros() >= sample.level()).collect();
            prop_assert_eq!(keys(&sample), expected);
            let one_lower =
                offered.iter().filter(|key| sample.level() > 0 && key.leading_zeros() >= sample.level() - 1);
            prop_assert!(sample.level() == 0 || one_lower.count() > most, "no level is skipped");

            if !offered.is_empty() {
                let before = keys(&sample);
                sample.offer(offered[again.index(offered.len())], 1, 0);
                prop_assert_eq!(keys(&sample), before);
            }
        }

        /// Bytes are bounded as things are, also when a thing grows.
        #[test]
        fn bytes_are_bounded(things in prop::collection::vec((any::<u128>(), 0_usize..50), 0..100)) {
            let mut sample = AdaptiveSample::new(usize::MAX, 200, 0);
            for (key, bytes) in things {
                sample.offer(key, bytes, 0);
                sample.offer(key, bytes + 1, 0);
                prop_assert!(sample.bytes() <= 200);
            }
            for key in keys(&sample) {
                prop_assert!(sample.remove(key));
                prop_assert!(!sample.remove(key));
            }
            prop_assert_eq!(sample.bytes(), 0);
        }
    }

    #[test]
    fn the_level_grows_with_what_is_offered_and_the_estimate_follows() {
        // Multiples of an odd number near 2^128 / golden ratio spread evenly.
        let key = |n: u128| n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        let mut sample = AdaptiveSample::new(1_000, usize::MAX, 0);
        let mut levels = Vec::new();
        for n in 1..=100_000 {
            sample.offer(key(n), 0, 0_u8);
            if [1_000, 10_000, 100_000].contains(&n) {
                levels.push(sample.level());
                let estimate = sample.len() as f64 * sample.scale() as f64;
                assert!((estimate / n as f64 - 1.0).abs() < 0.05, "{estimate} of {n}");
            }
        }
        assert_eq!(levels, [0, 4, 7]);
    }

    #[test]
    fn a_thing_that_cannot_fit_is_not_kept_and_ends_nothing() {
        let mut sample = AdaptiveSample::new(10, 100, 0);
        sample.offer(0, 101, 0_u8);
        assert_eq!((sample.len(), sample.level()), (1, HIGHEST_LEVEL), "the key of zeros is in every level");
        sample.offer(u128::MAX, 1, 0);
        assert_eq!(sample.len(), 1);
    }
}
