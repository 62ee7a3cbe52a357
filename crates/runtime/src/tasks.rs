//! Tasks that a drain waits for, and the signal that starts it.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Says that the process is going away, in two steps: it leaves (everything is served on, but callers are told to go
/// elsewhere), then it drains (stop accepting, finish what is under way). Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Drain {
    leaving: CancellationToken,
    draining: CancellationToken,
}

impl Drain {
    /// The process leaves. Once only; later calls change nothing.
    pub fn leave(&self) {
        self.leaving.cancel();
    }

    /// Whether it leaves, or drains already.
    pub fn is_leaving(&self) -> bool {
        self.leaving.is_cancelled()
    }

    /// Resolves when it leaves.
    pub async fn wait_leaving(&self) {
        self.leaving.cancelled().await;
    }

    /// Starts the drain. Once only; later calls change nothing.
    pub fn start(&self) {
        self.leave();
        self.draining.cancel();
    }

    /// Whether it has started.
    pub fn started(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Resolves when the drain starts.
    pub async fn wait(&self) {
        self.draining.cancelled().await;
    }
}

/// Spawns tasks of a component, counts those that panicked, and waits for them when draining. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    drain: Drain,
    panics: Arc<AtomicU64>,
}

impl Tasks {
    /// A new set of tasks that ends with this drain.
    pub fn new(drain: Drain) -> Self {
        Self { tracker: TaskTracker::new(), drain, panics: Arc::default() }
    }

    /// The signal that these tasks watch.
    pub fn drain(&self) -> &Drain {
        &self.drain
    }

    /// Spawns on the calling runtime. The task should watch [`Drain::wait`] and end by itself soon after.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn_on(&Handle::current(), name, task);
    }

    /// Spawns on a given runtime.
    pub fn spawn_on(
        &self,
        runtime: &Handle,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let panics = Arc::clone(&self.panics);
        let guarded = async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                panics.fetch_add(1, Ordering::Relaxed);
                tracing::error!(task = name, "task panicked");
            }
        };
        runtime.spawn(self.tracker.track_future(guarded));
    }

    /// How many tasks panicked since the start.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    /// Waits until every task has ended, at most this long. False when some had not.
    pub async fn finish(&self, within: Duration) -> bool {
        self.tracker.close();
        tokio::time::timeout(within, self.tracker.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_drain_ends_the_tasks_that_watch_it() {
        let tasks = Tasks::new(Drain::default());
        let drain = tasks.drain().clone();
        tasks.spawn("watcher", async move { drain.wait().await });
        assert!(!tasks.finish(Duration::from_millis(10)).await, "it runs until the drain");
        tasks.drain().start();
        assert!(tasks.finish(Duration::from_secs(10)).await);
    }

    #[tokio::test]
    async fn a_panic_is_counted_and_costs_only_its_task() {
        let tasks = Tasks::new(Drain::default());
        tasks.spawn("bad", async { panic!("on purpose") });
        assert!(tasks.finish(Duration::from_secs(10)).await);
        assert_eq!(tasks.panics(), 1);
    }
}
