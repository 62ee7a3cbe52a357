//! The log as roles see it: one thread writes, everybody else hands over.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use prometheus_client::collector::Collector;
use tagbid_ports::{AppendError, Event, EventBatch, EventSink, EventSource};
use tagbid_runtime::Tasks;
use tagbid_types::{Clock, Revision, Timestamp};
use tokio::sync::{Semaphore, oneshot};

use crate::check::check;
use crate::dir::{Directory, segments};
use crate::erased::{ErasedFile, Erasure};
use crate::error::OpenError;
use crate::metrics::{Exposed, Totals};
use crate::options::Options;
use crate::thread::{Command, Thread};
use crate::upkeep::Upkeep;
use crate::writer::Writer;

/// Batches that wait for the thread; the callers of more wait.
const BATCHES: usize = 64;

/// An open event log, and the one that writes it. Cheap to clone.
#[derive(Clone)]
pub struct EventLog {
    inner: Arc<Inner>,
}

struct Inner {
    dir: PathBuf,
    offers: SyncSender<Event>,
    batches: SyncSender<Command>,
    /// A permit for each batch that may wait.
    room: Arc<Semaphore>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the thread, callers and the upkeep share.
pub(crate) struct Shared {
    pub(crate) totals: Arc<Totals>,
    pub(crate) erased: RwLock<ErasedFile>,
    /// Of each source what is durable.
    pub(crate) sources: Mutex<BTreeMap<EventSource, u64>>,
    /// How long keys are kept.
    pub(crate) keep_keys: Duration,
    pub(crate) clock: Arc<dyn Clock>,
    /// How long a segment is written.
    segment_age: Duration,
}

/// How much longer than keys themselves erasures are remembered: every segment that could need them is stripped by then.
const MARGIN: Duration = Duration::from_secs(24 * 3_600);

impl Shared {
    /// No event up to here has a key in any segment, once the upkeep has looked at all of them.
    pub(crate) fn keyless_until(&self) -> Timestamp {
        let span = self.keep_keys + MARGIN.max(self.segment_age * 2);
        Timestamp(self.clock.now().0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl EventLog {
    /// Opens the log of a directory, or begins one. From now on this process alone may write there. Ending and removing what is
    /// old runs until the drain; writing until [`EventLog::close`].
    pub fn open(
        dir: &Path,
        options: &Options,
        clock: Arc<dyn Clock>,
        tasks: &Tasks,
    ) -> Result<Self, OpenError> {
        options.check().map_err(OpenError::Setting)?;
        let io = |error| OpenError::Io { path: dir.to_owned(), error };
        let directory = Directory::lock(dir)?;
        let is_new = segments(dir).map_err(io)?.is_empty();
        let erased = ErasedFile::open(dir, is_new).map_err(io)?;
        let totals = Arc::<Totals>::default();
        totals.set_hidden(erased.len(), erased.revision());
        let writer = Writer::open(directory, options, Arc::clone(&clock), Arc::clone(&totals))?;
        let shared = Arc::new(Shared {
            totals,
            erased: RwLock::new(erased),
            sources: Mutex::new(writer.stand().sources.clone()),
            keep_keys: options.keep_keys(),
            clock: Arc::clone(&clock),
            segment_age: Duration::from_secs(options.segment_s),
        });
        let (offers, offered) = sync_channel(options.queue);
        // Room for all that hold a permit, and for the end.
        let (batches, waiting) = sync_channel(BATCHES + 1);
        let work = Thread { writer, offered, waiting, shared: Arc::clone(&shared), failing: false };
        let thread = std::thread::Builder::new().name("event-log".into()).spawn(move || work.run());
        let thread = thread.map_err(|error| OpenError::System(error.to_string()))?;
        let upkeep = Upkeep::new(dir, options, clock, Arc::clone(&shared));
        tasks.spawn("event log upkeep", upkeep.run(tasks.drain().clone()));
        let thread = Mutex::new(Some(thread));
        let inner = Inner {
            dir: dir.to_owned(),
            offers,
            batches,
            room: Arc::new(Semaphore::new(BATCHES)),
            shared,
            thread,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Hides keys in every reader, in this process and others, and in what is written from now on; durable when it returns.
    /// Segments are rewritten without them later. `revision`: the place in the list of people that is reached with this.
    /// Blocks on the disk.
    pub fn erase(&self, erasures: &[Erasure], revision: Revision) -> io::Result<()> {
        let mut erased = write(&self.inner.shared.erased);
        erased.hide(erasures, revision, self.inner.shared.keyless_until())?;
        self.inner.shared.totals.set_hidden(erased.len(), erased.revision());
        Ok(())
    }

    /// How far in the list of people the log is: whoever follows the list goes on from here.
    pub fn people_revision(&self) -> Revision {
        read(&self.inner.shared.erased).revision()
    }

    /// The list of people has been told to its end. Blocks on the disk.
    pub fn people_complete(&self) -> io::Result<()> {
        write(&self.inner.shared.erased).complete()
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.inner.dir
    }

    /// Its metrics.
    pub fn collector(&self) -> Box<dyn Collector> {
        Box::new(Exposed(Arc::clone(&self.inner.shared.totals)))
    }

    /// What a test's own upkeep works on.
    #[cfg(test)]
    pub(crate) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.inner.shared)
    }

    /// Writes what waits and ends. Whatever is appended afterwards is refused. Blocks.
    pub fn close(&self) {
        let thread = lock(&self.inner.thread).take();
        if let Some(thread) = thread {
            // Room is kept for it; a thread that is gone has ended already.
            let _gone = self.inner.batches.try_send(Command::Close);
            if thread.join().is_err() {
                tracing::error!("the event log's thread panicked");
            }
        }
    }
}

#[async_trait]
impl EventSink for EventLog {
    fn offer(&self, event: Event) {
        if self.inner.offers.try_send(event).is_err() {
            self.inner.shared.totals.dropped.inc();
        }
    }

    async fn append(&self, batch: EventBatch) -> Result<u64, AppendError> {
        check(&batch)?;
        let closed = || AppendError::Unavailable("closed".into());
        let permit = Arc::clone(&self.inner.room).acquire_owned().await.map_err(|_| closed())?;
        let (reply, answer) = oneshot::channel();
        self.inner.batches.try_send(Command::Append(batch, reply, permit)).map_err(|_| closed())?;
        answer.await.map_err(|_| closed())?
    }

    async fn position(&self, source: &EventSource) -> Result<u64, AppendError> {
        Ok(lock(&self.inner.shared.sources).get(source).copied().unwrap_or(0))
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn read<T>(lock: &RwLock<T>) -> std::sync::RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
