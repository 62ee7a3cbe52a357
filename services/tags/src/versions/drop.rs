//! Deletes what is not wanted any more, off everybody's path.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use tagbid_catalog::{SnapshotChange, SnapshotState};
use tagbid_runtime::Drain;
use tokio::time::sleep;

use super::{VersionError, Versions};
use crate::store::{Mark, Version};

/// Between attempts when something fails: what is to be dropped is in nobody's way.
const RETRY: Duration = Duration::from_secs(5);

/// The share of time that deleting may take: one in so many.
const SHARE: u32 = 10;

/// Drops versions one after the other until the drain. Every node does: each waits a random part of `jitter` first, so that
/// most find it done, and a node that ends in the middle is replaced by another.
pub(crate) async fn drop_outdated(versions: Versions, jitter: Duration, drain: Drain) {
    loop {
        let pause = match versions.outdated() {
            None => None,
            Some(version) => {
                let draw = RandomState::new().hash_one(version) % 1_000;
                let wait = jitter.mul_f64(draw as f64 / 1_000.0);
                tokio::select! {
                    () = sleep(wait) => {}
                    () = drain.wait() => return,
                }
                let dropped = tokio::select! {
                    dropped = versions.drop_whole(version) => dropped,
                    () = drain.wait() => return,
                };
                match dropped {
                    Ok(()) => Some(Duration::ZERO),
                    Err(error) => {
                        tracing::warn!(%version, %error, "a version could not be dropped; trying again");
                        Some(RETRY)
                    }
                }
            }
        };
        tokio::select! {
            () = sleep(pause.unwrap_or(Duration::MAX)) => {}
            () = versions.0.changed.notified(), if pause.is_none() => {}
            () = drain.wait() => return,
        }
    }
}

impl Versions {
    /// A version that is to be dropped.
    fn outdated(&self) -> Option<Version> {
        let known = self.known();
        known.datasets.values().find_map(|dataset| {
            let mut all = dataset.snapshots.versions.iter();
            let found = all.find(|one| one.state == SnapshotState::Dropping)?;
            Some(Version { dataset: dataset.id, number: found.version })
        })
    }

    /// The marks go first, in every part of the store: from then on readers that have pinned it are told that it is gone.
    async fn drop_whole(&self, version: Version) -> Result<(), VersionError> {
        let still = self.dataset(version.dataset).and_then(|dataset| {
            let snapshot = dataset.snapshots.get(version.number)?;
            Some(snapshot.state == SnapshotState::Dropping)
        });
        if still != Some(true) {
            return Ok(());
        }
        self.0.store.mark(version, Mark::Remove).await?;
        let mut position = 0;
        loop {
            let began = Instant::now();
            let next = self.0.store.sweep(version, position).await?;
            let Some(next) = next else { break };
            position = next;
            sleep(began.elapsed() * (SHARE - 1)).await;
        }
        self.step(version.dataset, "", SnapshotChange::Dropped(version.number)).await?;
        self.0.stats.dropped();
        tracing::info!(%version, "a version was dropped");
        Ok(())
    }
}
