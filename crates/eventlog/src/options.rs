//! The table `[events]` of the configuration.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tagbid_types::Ratio;

const DAY: u64 = 24 * 3_600;

/// Options of the event log.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Directory of the log; made when missing. One for each process that has a bidder or a ledger. Default: none, and
    /// events are not kept.
    pub dir: Option<PathBuf>,
    /// The share of auctions whose bids are logged, 0 to 1. All bids of an auction are, or none is. Default: 0.01.
    pub bid_sample: f64,
    /// Days for which user keys are kept in the log, then they are removed; 0: none are written. Default: 30.
    pub user_key_days: u32,
    /// Days for which events are kept; 0: for ever. Default: 90.
    pub keep_days: u32,
    /// Bytes from which on a new segment is begun. Default: 67108864, 64 MiB.
    pub segment_bytes: u64,
    /// Seconds after which a new segment is begun, if there is anything in the last. Keys and events go by whole
    /// segments. Default: 3600.
    pub segment_s: u64,
    /// Sampled events that may wait to be written; more are dropped and counted. Default: 8192, some 5 MB.
    pub queue: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dir: None,
            bid_sample: 0.01,
            user_key_days: 30,
            keep_days: 90,
            segment_bytes: 64 << 20,
            segment_s: 3_600,
            queue: 8_192,
        }
    }
}

impl Options {
    /// What cannot be meant, and the remedy.
    pub fn check(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.bid_sample) {
            return Err("events.bid_sample: use a share from 0 to 1, such as 0.01".into());
        }
        let least = [
            ("segment_bytes", self.segment_bytes, 64 << 10),
            ("segment_s", self.segment_s, 1),
            ("queue", self.queue as u64, 1),
        ];
        match least.into_iter().find(|(_, value, least)| value < least) {
            Some((key, _, least)) => Err(format!("events.{key}: use at least {least}")),
            None => Ok(()),
        }
    }

    /// The share of auctions.
    pub fn bid_sample(&self) -> Ratio {
        Ratio::from_f64(self.bid_sample).unwrap_or(Ratio(0))
    }

    /// How long keys are kept.
    pub fn keep_keys(&self) -> Duration {
        Duration::from_secs(u64::from(self.user_key_days) * DAY)
    }

    /// How long events are kept; none: for ever.
    pub(crate) fn keep(&self) -> Option<Duration> {
        (self.keep_days > 0).then(|| Duration::from_secs(u64::from(self.keep_days) * DAY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_usable_and_bad_values_are_named() {
        assert_eq!(Options::default().check(), Ok(()));
        assert_eq!(Options::default().bid_sample(), Ratio(10_000));
        for (options, name) in [
            (Options { bid_sample: 1.5, ..Options::default() }, "events.bid_sample: use"),
            (Options { bid_sample: f64::NAN, ..Options::default() }, "events.bid_sample: use"),
            (Options { segment_bytes: 1, ..Options::default() }, "events.segment_bytes: use at least 65536"),
            (Options { queue: 0, ..Options::default() }, "events.queue: use at least 1"),
        ] {
            let problem = options.check().unwrap_err();
            assert!(problem.starts_with(name), "{problem}");
        }
    }
}
