//! The ledger's own thread: notices must not wait for bids, nor bids for disks.

use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context;
use tagbid_runtime::Tasks;
use tagbid_types::Clock;
use tokio::runtime::Builder;

use crate::compose::StartError;

/// The thread, to wait for at the end.
pub(crate) struct NoticeThread(JoinHandle<()>);

impl NoticeThread {
    /// Starts the ledger on a thread and a runtime of its own, which run until the drain.
    pub(crate) fn start(
        options: tagbid_ledger::Options,
        needs: tagbid_ledger::Needs,
        clock: Arc<dyn Clock>,
        tasks: &Tasks,
    ) -> Result<(tagbid_ledger::Service, Self), StartError> {
        let runtime = Builder::new_current_thread().enable_all().build().context("ledger runtime")?;
        let own_tasks = Tasks::new(tasks.drain().clone());
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("ledger".into()).spawn(move || {
            runtime.block_on(async move {
                let started = tagbid_ledger::Service::start(options, needs, clock, &own_tasks).await;
                let failed = started.is_err();
                // The receiver waits for exactly this.
                let _ = tell.send(started);
                if !failed {
                    own_tasks.drain().wait().await;
                    own_tasks.finish(super::compose::DRAIN_WITHIN).await;
                }
            });
        });
        let thread = thread.context("ledger thread")?;
        let started = told.recv().context("ledger thread")?;
        let service = started.map_err(|error| match error {
            tagbid_ledger::StartError::Options(problem) => StartError::Settings(problem),
            other => StartError::Role(anyhow::Error::new(other).context("ledger role")),
        })?;
        Ok((service, Self(thread)))
    }

    /// Waits until it has ended. Blocks.
    pub(crate) fn join(self) {
        // A panic on it was logged by the panic hook.
        let _ended = self.0.join();
    }
}
