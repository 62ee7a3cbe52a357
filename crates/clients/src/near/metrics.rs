//! What the caches of all workers tell.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use tagbid_runtime::metrics::{Counter, encode_counters, encode_gauge};

use super::Near;

/// Counts of one worker.
#[derive(Debug, Default)]
pub(super) struct NearStats {
    /// Answered from the cache.
    pub(super) hits: Counter,
    /// Asked of the next one.
    pub(super) misses: Counter,
    /// Waited for somebody who asked the same.
    pub(super) joined: Counter,
    /// Got offline tags from earlier because nobody answered; counted as a miss or as joined too.
    pub(super) stale: Counter,
}

/// The caches that are open.
#[derive(Clone, Default)]
pub(super) struct Opened(Arc<Mutex<Vec<Weak<Near>>>>);

impl Opened {
    pub(super) fn add(&self, near: &Arc<Near>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|near| near.strong_count() > 0);
        all.push(Arc::downgrade(near));
    }

    fn all(&self) -> Vec<Arc<Near>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter_map(Weak::upgrade).collect()
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Opened").finish_non_exhaustive()
    }
}

impl Collector for Opened {
    fn encode(&self, mut to: DescriptorEncoder) -> fmt::Result {
        let all = self.all();
        let sum = |pick: fn(&NearStats) -> &Counter| all.iter().map(|near| pick(&near.stats).get()).sum();
        let series: [(_, u64); 4] = [
            ("hit", sum(|stats| &stats.hits)),
            ("miss", sum(|stats| &stats.misses)),
            ("joined", sum(|stats| &stats.joined)),
            ("stale", sum(|stats| &stats.stale)),
        ];
        let series = series.map(|(result, count)| ([("result", result)], count));
        encode_counters(
            &mut to,
            "tagbid_near_lookups",
            "Users asked of the near-cache, by what it did",
            series,
        )?;
        let sizes = all.iter().map(|near| near.state().shelf.size());
        let (users, bytes) =
            sizes.fold((0, 0), |(users, bytes), (more, weight)| (users + more, bytes + weight));
        let gauge = |count| i64::try_from(count).unwrap_or(i64::MAX);
        encode_gauge(&mut to, "tagbid_near_users", "Users in the near-cache", gauge(users as u64))?;
        encode_gauge(&mut to, "tagbid_near_bytes", "Bytes of the near-cache", gauge(bytes))
    }
}
