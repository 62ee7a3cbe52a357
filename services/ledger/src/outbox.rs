//! The ledger's journal into the event log: each row once and in order, under the name of the database's life.
//!
//! Nothing is remembered here. The log knows the last number that it has of each source, durably and together with the events
//! themselves, so whatever crashes in between, the next pass asks it and goes on behind that number.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tagbid_ports::{AppendError, EventBatch, EventSink, EventSource};
use tagbid_runtime::Drain;
use tagbid_types::{Clock, Timestamp};
use thiserror::Error;
use tokio::sync::watch;

use crate::conversion::{CLICK_COUNTS, VIEW_COUNTS};
use crate::stats::Stats;
use crate::store::{Journal, Life, StoreError, Table};

/// Events of one batch.
const BATCH: usize = 1_000;

/// Between two passes at least: each costs the database some questions.
const PAUSE: Duration = Duration::from_millis(100);

/// Between two passes at most: other ledgers of the database write too.
const LOOK: Duration = Duration::from_secs(1);

/// After a pass that failed.
const RETRY: Duration = Duration::from_millis(500);

/// Why a pass came to no end.
#[derive(Debug, Error)]
pub(crate) enum OutboxError {
    #[error("the ledger's database: {0}")]
    Journal(#[from] StoreError),
    #[error("{0}")]
    Log(#[from] AppendError),
    #[error("no name for a life of the database: {0}")]
    Name(String),
}

/// Copies the journal.
pub(crate) struct Outbox {
    journal: Arc<dyn Journal>,
    log: Arc<dyn EventSink>,
    stats: Arc<Stats>,
    /// The last number that the log is known to have of each source.
    positions: HashMap<EventSource, u64>,
}

impl Outbox {
    pub(crate) fn new(journal: Arc<dyn Journal>, log: Arc<dyn EventSink>, stats: Arc<Stats>) -> Self {
        Self { journal, log, stats, positions: HashMap::new() }
    }

    /// Begins another life of the database if the log knows rows of it that it does not have: then it was restored from a backup, and is
    /// about to give their numbers to others. To be called before the ledger writes.
    pub(crate) async fn check(&mut self) -> Result<(), OutboxError> {
        let lives = self.journal.lives().await?;
        let Some(life) = lives.last() else { return Ok(()) };
        for table in Table::ALL {
            let known = self.position(&source(table, life)?).await?;
            let last = self.journal.last(table).await?.cast_unsigned();
            if known > last {
                let name = new_name()?;
                tracing::warn!(
                    table = table.as_str(),
                    known,
                    last,
                    life = name,
                    "the event log has rows that the ledger's database does not: it was restored, and begins a new life"
                );
                return Ok(self.journal.begin_life(&name).await?);
            }
        }
        Ok(())
    }

    /// Copies until the drain. What is left then, the next start copies.
    pub(crate) async fn run(mut self, mut commits: watch::Receiver<u64>, drain: Drain) {
        let mut failing = false;
        loop {
            let pause = match self.pass().await {
                Ok(()) => {
                    failing = false;
                    PAUSE
                }
                Err(problem) => {
                    // Once for each outage.
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%problem, "events of the ledger wait for the event log");
                    }
                    self.positions.clear();
                    RETRY
                }
            };
            tokio::select! {
                () = drain.wait() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let more = async { commits.changed().await.is_ok() };
            tokio::select! {
                () = drain.wait() => return,
                // Without a writer there are no more commits, and the sleep alone decides.
                true = more => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Copies what there is.
    pub(crate) async fn pass(&mut self) -> Result<(), OutboxError> {
        let lives = self.journal.lives().await?;
        let ends = lives.iter().skip(1).map(Some).chain([None]);
        for (life, next) in lives.iter().zip(ends) {
            for table in Table::ALL {
                let until = next.map_or(i64::MAX, |next| next.after(table));
                self.copy(table, life, until).await?;
            }
        }
        Ok(())
    }

    async fn copy(&mut self, table: Table, life: &Life, until: i64) -> Result<(), OutboxError> {
        let source = source(table, life)?;
        let mut after = self.position(&source).await?;
        loop {
            let begin = after.cast_signed().max(life.after(table));
            if begin >= until {
                return Ok(());
            }
            let records = self.journal.events(table, begin, until, BATCH).await?;
            if records.is_empty() {
                return Ok(());
            }
            let count = records.len() as u64;
            after = match self.log.append(EventBatch { source: source.clone(), after, records }).await {
                Ok(last) => {
                    self.stats.events_logged.add(count);
                    last
                }
                // It was restored, or damaged and cut: what it lost is copied again.
                Err(AppendError::Gap { last }) => last,
                Err(error) => return Err(error.into()),
            };
            self.positions.insert(source.clone(), after);
        }
    }

    async fn position(&mut self, source: &EventSource) -> Result<u64, AppendError> {
        if let Some(position) = self.positions.get(source) {
            return Ok(*position);
        }
        let position = self.log.position(source).await?;
        self.positions.insert(source.clone(), position);
        Ok(position)
    }
}

fn source(table: Table, life: &Life) -> Result<EventSource, OutboxError> {
    format!("ledger-{}.{}", table.as_str(), life.name).parse().map_err(OutboxError::Name)
}

fn new_name() -> Result<String, OutboxError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| OutboxError::Name(error.to_string()))?;
    Ok(format!("{:016x}", u64::from_be_bytes(random)))
}

/// Between two looks for users to forget.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// Users forgotten in one statement: it shall not hold up notices.
const FORGET: u32 = 2_000;

/// Time for clocks, and for the event log to catch up.
const SPARE: Duration = Duration::from_secs(24 * 3_600);

/// Forgets users of notices that no conversion can be attributed to any more, until the drain.
pub(crate) async fn forget_users(
    journal: Arc<dyn Journal>,
    clock: Arc<dyn Clock>,
    accept_for: Duration,
    drain: Drain,
) {
    loop {
        let ago = |counts: Duration| {
            let span = (counts + accept_for + SPARE).as_micros();
            Timestamp(clock.now().0.saturating_sub(i64::try_from(span).unwrap_or(i64::MAX)))
        };
        let forgotten = journal.forget_users(ago(CLICK_COUNTS), ago(VIEW_COUNTS), FORGET).await;
        let pause = match forgotten {
            Ok(users) if users >= u64::from(FORGET) => PAUSE,
            Ok(_) => FORGET_EVERY,
            Err(problem) => {
                tracing::warn!(%problem, "users of old notices are not forgotten yet");
                FORGET_EVERY
            }
        };
        tokio::select! {
            () = drain.wait() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
