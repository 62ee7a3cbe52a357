//! The one thread that writes: batches, which it groups and answers when they are durable, and sampled events.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use tagbid_ports::{AppendError, Event, EventBatch};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use crate::check::long_text;
use crate::log::{Shared, lock, read};
use crate::writer::{Group, MAX_SOURCES, Writer};

/// Bytes after which a group of batches is written; one batch may be larger.
const GROUP_BYTES: usize = 4 << 20;

/// Sampled events wait so long at most. The thread looks for them by itself: waking it would cost whoever bids.
const LOOK: Duration = Duration::from_millis(50);

/// Sampled events of one write.
const OFFERS: usize = 1_024;

/// What the thread is asked for.
pub(crate) enum Command {
    /// Its permit ends with it: who asked may leave before.
    Append(EventBatch, Reply, OwnedSemaphorePermit),
    Close,
}

/// The one that writes.
pub(crate) struct Thread {
    pub(crate) writer: Writer,
    pub(crate) offered: Receiver<Event>,
    pub(crate) waiting: Receiver<Command>,
    pub(crate) shared: Arc<Shared>,
    /// The last write failed: that is told once.
    pub(crate) failing: bool,
}

pub(crate) type Reply = oneshot::Sender<Result<u64, AppendError>>;

impl Thread {
    pub(crate) fn run(mut self) {
        loop {
            let ends = match self.waiting.recv_timeout(LOOK) {
                Ok(first) => self.commit_group(first),
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            while self.write_offers() {}
            if ends {
                if let Err(error) = self.writer.sync() {
                    tracing::warn!(%error, "the last sampled events may not be on the disk");
                }
                return;
            }
            self.writer.rotate_if_due();
        }
    }

    /// Takes this batch and those behind it, writes them as one, answers. True: this was the last.
    fn commit_group(&mut self, first: Command) -> bool {
        let (mut batches, mut ends) = (Vec::new(), false);
        let mut next = Some(first);
        let mut records = 0;
        while let Some(command) = next {
            match command {
                Command::Append(batch, reply, permit) => {
                    records += batch.records.len();
                    batches.push((batch, reply));
                    drop(permit);
                }
                Command::Close => ends = true,
            }
            // A record has some 300 bytes.
            let is_full = ends || records * 300 >= GROUP_BYTES;
            next = if is_full { None } else { self.waiting.try_recv().ok() };
        }
        if !batches.is_empty() {
            self.write_batches(batches);
        }
        ends
    }

    fn write_batches(&mut self, batches: Vec<(EventBatch, Reply)>) {
        let began = std::time::Instant::now();
        let mut group = match self.writer.begin() {
            Ok(group) => group,
            Err(error) => {
                self.shared.totals.failed.inc();
                return self.refuse(batches.into_iter().map(|(_, reply)| reply), &error);
            }
        };
        let mut answers = Vec::with_capacity(batches.len());
        for (batch, reply) in batches {
            answers.push((self.take(&mut group, &batch), reply));
        }
        let sources = group.stand().sources.clone();
        if !group.is_empty()
            && let Err(error) = self.writer.commit(group, true)
        {
            return self.refuse(answers.into_iter().map(|(_, reply)| reply), &error);
        }
        self.works();
        *lock(&self.shared.sources) = sources;
        self.shared.totals.commit.record_us(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
        for (answer, reply) in answers {
            // Who asked may have gone.
            let _gone = reply.send(answer);
        }
    }

    /// Adds the records of a batch that the log does not have yet.
    fn take(&self, group: &mut Group, batch: &EventBatch) -> Result<u64, AppendError> {
        let stands = group.stand().sources.get(&batch.source).copied();
        let last = stands.unwrap_or(0);
        if batch.after > last {
            return Err(AppendError::Gap { last });
        }
        if stands.is_none() && group.stand().sources.len() >= MAX_SOURCES {
            return Err(AppendError::Refused(format!(
                "the log has {MAX_SOURCES} sources already: begin a new one in another events.dir"
            )));
        }
        let new = batch.records.iter().filter(|(position, _)| *position > last);
        for (position, event) in new {
            let keyless = self.without_key(event);
            if !group.push(keyless.as_ref().unwrap_or(event), Some((&batch.source, *position))) {
                return Err(AppendError::Refused(format!("position {position}: the event is too long")));
            }
        }
        Ok(group.stand().sources.get(&batch.source).copied().unwrap_or(0))
    }

    /// The event without its key, where that may not be written.
    fn without_key(&self, event: &Event) -> Option<Event> {
        let user = event.user?;
        let is_old = self.shared.clock.now().since(event.at) >= self.shared.keep_keys;
        let hidden = is_old || read(&self.shared.erased).hidden().hides(&user.key, event.at);
        hidden.then(|| Event { user: None, ..event.clone() })
    }

    /// Writes sampled events that wait. True: there may be more.
    fn write_offers(&mut self) -> bool {
        let events: Vec<Event> = self.offered.try_iter().take(OFFERS).collect();
        if events.is_empty() {
            return false;
        }
        let totals = Arc::clone(&self.shared.totals);
        let dropped = &totals.dropped;
        let mut group = match self.writer.begin() {
            Ok(group) => group,
            Err(error) => {
                self.shared.totals.failed.inc();
                dropped.add(events.len() as u64);
                self.fails(&error);
                return false;
            }
        };
        for event in &events {
            let keyless = self.without_key(event);
            let event = keyless.as_ref().unwrap_or(event);
            if long_text(event).is_some() || !group.push(event, None) {
                dropped.inc();
            }
        }
        let taken = group.stand().next - self.writer.stand().next;
        if let Err(error) = self.writer.commit(group, false) {
            dropped.add(taken);
            self.fails(&error);
            return false;
        }
        self.works();
        events.len() == OFFERS
    }

    fn refuse(&mut self, replies: impl Iterator<Item = Reply>, error: &io::Error) {
        self.fails(error);
        for reply in replies {
            // Who asked may have gone.
            let _gone = reply.send(Err(AppendError::Unavailable(error.to_string())));
        }
    }

    fn fails(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(%error, "events cannot be kept now: appends are refused, sampled events dropped");
        }
    }

    fn works(&mut self) {
        if std::mem::replace(&mut self.failing, false) {
            tracing::info!("events are kept again");
        }
    }
}
