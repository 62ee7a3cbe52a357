//! Histograms of microseconds, and their form in files: the base64 text of HdrHistogram's compressed V2 encoding, the
//! same that its interval logs hold.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer as Reader, Serializer as _, V2DeflateSerializer};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use tagbid_exchange::simulator::latencies;
use thiserror::Error;

use crate::units::micros;

/// Why a text is no histogram.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum HistogramError {
    /// Not in base64.
    #[error("not base64")]
    Base64,
    /// Not in HdrHistogram's V2 encoding.
    #[error("not an HdrHistogram: {0}")]
    Encoding(String),
    /// Of another range or precision than ours: adding it would lose digits.
    #[error("a histogram of another range or precision")]
    Bounds,
}

/// Latencies in microseconds from 1 µs to a minute ([`LONGEST`]), to three digits.
#[derive(Clone, PartialEq)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(latencies())
    }
}

impl fmt::Debug for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} latencies, p99 {} µs", self.len(), self.quantile(0.99))
    }
}

impl Latencies {
    /// Counts one.
    pub fn record(&mut self, latency: Duration) {
        self.0.saturating_record(micros(latency).min(LONGEST));
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The upper end, in microseconds, of the bucket that the smallest part `quantile` of them reaches into; 0 where there
    /// are none.
    pub fn quantile(&self, quantile: f64) -> u64 {
        self.0.value_at_quantile(quantile)
    }

    /// The largest.
    pub fn max(&self) -> u64 {
        if self.is_empty() { 0 } else { self.0.max() }
    }

    /// The mean in microseconds.
    pub fn mean(&self) -> f64 {
        if self.is_empty() { 0.0 } else { self.0.mean() }
    }

    /// Adds others, bucket by bucket: exact.
    pub fn add(&mut self, other: &Self) {
        // All have the same bounds, so that adding cannot fail.
        let _same_bounds = self.0.add(&other.0);
    }

    /// Forgets all.
    pub fn reset(&mut self) {
        self.0.reset();
    }

    /// The histogram.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    fn to_text(&self) -> String {
        let mut bytes = Vec::new();
        // Writing to memory cannot fail, and no histogram of ours is too large to be encoded.
        let _written = V2DeflateSerializer::new().serialize(&self.0, &mut bytes);
        STANDARD.encode(bytes)
    }

    fn from_text(text: &str) -> Result<Self, HistogramError> {
        let bytes = STANDARD.decode(text).map_err(|_| HistogramError::Base64)?;
        let read: Histogram<u64> = Reader::new()
            .deserialize(&mut bytes.as_slice())
            .map_err(|error| HistogramError::Encoding(error.to_string()))?;
        let mut own = latencies();
        if read.sigfig() != own.sigfig() || read.low() != own.low() {
            return Err(HistogramError::Bounds);
        }
        own.add(read).map_err(|_| HistogramError::Bounds)?;
        Ok(Self(own))
    }
}

impl Serialize for Latencies {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for Latencies {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::from_text(&text).map_err(de::Error::custom)
    }
}

/// The same latencies in a hundredth of the memory: one pair for each bucket that is not empty. A run has thousands of
/// slices, each of which holds few different values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sparse(Vec<(u32, u32)>);

impl Sparse {
    /// Counts one.
    pub fn record(&mut self, latency: Duration) {
        self.record_n(bucket(micros(latency)), 1);
    }

    fn record_n(&mut self, value: u32, count: u32) {
        match self.0.binary_search_by_key(&value, |(value, _)| *value) {
            Ok(at) => {
                if let Some((_, own)) = self.0.get_mut(at) {
                    *own = own.saturating_add(count);
                }
            }
            Err(at) => self.0.insert(at, (value, count)),
        }
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        for (value, count) in &other.0 {
            self.record_n(*value, *count);
        }
    }

    /// Upper ends of buckets in microseconds, rising, and how many latencies each holds.
    pub fn buckets(&self) -> &[(u32, u32)] {
        &self.0
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.0.iter().map(|(_, count)| u64::from(*count)).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As a full histogram.
    pub fn to_latencies(&self) -> Latencies {
        let mut full = latencies();
        for (value, count) in &self.0 {
            full.saturating_record_n(u64::from(*value), u64::from(*count));
        }
        Latencies(full)
    }
}

impl From<&Latencies> for Sparse {
    fn from(full: &Latencies) -> Self {
        let pairs = full.0.iter_recorded().map(|bucket| {
            let value = u32::try_from(full.0.highest_equivalent(bucket.value_iterated_to()));
            let count = u32::try_from(bucket.count_at_value());
            (value.unwrap_or(u32::MAX), count.unwrap_or(u32::MAX))
        });
        Self(pairs.collect())
    }
}

/// Longer latencies count as a minute.
const LONGEST: u64 = 60_000_000;

/// Buckets below this are one microsecond wide: 2 x 10^3 rounded up to a power of two, as HdrHistogram has it for three
/// digits.
const FINE: u64 = 2_048;

/// The upper end of a value's bucket in the histograms above, without one at hand.
fn bucket(micros: u64) -> u32 {
    let micros = micros.clamp(1, LONGEST);
    let shift = if micros < FINE { 0 } else { micros.ilog2() - (FINE.ilog2() - 1) };
    u32::try_from((((micros >> shift) + 1) << shift) - 1).unwrap_or(u32::MAX)
}

impl Serialize for Sparse {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.to_latencies().serialize(to)
    }
}

impl<'de> Deserialize<'de> for Sparse {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self::from(&Latencies::deserialize(from)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A histogram, dense or sparse, is the same after a file, and sparse ones hold the same buckets.
        #[test]
        fn files_keep_every_bucket(values in prop::collection::vec(0_u64..70_000_000, 0..200)) {
            let (mut full, mut sparse) = (Latencies::default(), Sparse::default());
            for value in &values {
                full.record(Duration::from_micros(*value));
                sparse.record(Duration::from_micros(*value));
            }
            let text = serde_json::to_string(&(&full, &sparse)).unwrap();
            let (full_read, sparse_read): (Latencies, Sparse) = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(&full_read, &full);
            prop_assert_eq!(&sparse_read, &sparse);
            prop_assert_eq!(Sparse::from(&full), sparse);
        }
    }

    #[test]
    fn what_is_no_histogram_of_ours_is_refused() {
        assert_eq!(Latencies::from_text("%"), Err(HistogramError::Base64));
        assert!(matches!(Latencies::from_text("AAAA"), Err(HistogramError::Encoding(_))));
        let mut bytes = Vec::new();
        let coarse = Histogram::<u64>::new_with_bounds(1, 1_000, 2).unwrap();
        V2DeflateSerializer::new().serialize(&coarse, &mut bytes).unwrap();
        assert_eq!(Latencies::from_text(&STANDARD.encode(bytes)), Err(HistogramError::Bounds));
    }

    #[test]
    fn percentiles_of_nothing_are_nothing() {
        let none = Latencies::default();
        assert_eq!((none.quantile(0.99), none.max(), none.mean()), (0, 0, 0.0));
    }
}
