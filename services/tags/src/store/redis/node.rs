//! One Redis server: its one connection, kept up by a task of its own, off the path of every request.
//!
//! The crate's `ConnectionManager` makes requests wait while it reconnects. Here a request without a connection is
//! told so at once, and the bid goes on without tags.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, Pipeline, RedisError, RedisResult, Value};
use tagbid_runtime::Drain;
use tagbid_runtime::breaker::{Breaker, jittered, random};
use tagbid_runtime::metrics::Counter;
use tagbid_types::Monotonic;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::RedisConfig;
use crate::store::StoreError;

/// Between two pings of an idle connection.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// First and longest wait before connecting again; doubled each time, jittered by half.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Encoded commands gathered into one write: a frame of 64 users with 8 datasets is about 30 KiB.
const WRITE_BOUNDARY: usize = 64 * 1024;

/// What nodes tell the rest of the store.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// A connection has come or gone, or a slot is not where it was thought to be.
    pub(super) trouble: Notify,
    /// A server may have less than before: it is connected anew, or slots have other owners.
    pub(super) doubt: Notify,
    /// Connections that were made.
    pub(super) connections: Counter,
    /// Connections that were lost.
    pub(super) lost: Counter,
}

/// A server. There is a connection only while it has answered a ping.
pub(super) struct Node {
    /// `HOST:PORT`.
    pub(super) address: String,
    client: Client,
    settings: AsyncConnectionConfig,
    timeout: Duration,
    connection: ArcSwapOption<MultiplexedConnection>,
    breaker: Breaker,
    /// The breaker's clock counts from here.
    epoch: Instant,
    broken: Notify,
    retired: AtomicBool,
    signals: Arc<Signals>,
}

impl Node {
    pub(super) fn new(
        info: ConnectionInfo,
        config: &RedisConfig,
        signals: Arc<Signals>,
    ) -> RedisResult<Arc<Self>> {
        Ok(Arc::new(Self {
            address: info.addr().to_string(),
            client: Client::open(info)?,
            settings: settings(config),
            timeout: config.timeout,
            connection: ArcSwapOption::empty(),
            breaker: Breaker::default(),
            epoch: Instant::now(),
            broken: Notify::new(),
            retired: AtomicBool::new(false),
            signals,
        }))
    }

    pub(super) fn is_up(&self) -> bool {
        self.connection.load().is_some()
    }

    /// Sends commands in one write and returns their answers, errors of single commands among them.
    pub(super) async fn ask(&self, commands: &Pipeline, until: Instant) -> Result<Vec<Value>, StoreError> {
        let current = self.connection.load_full().ok_or(StoreError::Down)?;
        let asked = Instant::now();
        if !self.breaker.admits(self.moment(asked)) {
            return Err(StoreError::Down);
        }
        let mut connection = MultiplexedConnection::clone(&current);
        let sent = connection.send_packed_commands(commands, 0, commands.len());
        match timeout_at(until, sent).await {
            Ok(Ok(answers)) if answers.len() == commands.len() => {
                self.breaker.answered();
                Ok(answers)
            }
            Ok(Ok(_)) => Err(StoreError::Failed("fewer answers than questions".into())),
            Ok(Err(error)) => Err(self.failed(&current, &error)),
            Err(_) => {
                let [asked, until, now] = [asked, until, Instant::now()].map(|at| self.moment(at));
                if self.breaker.missed(asked, until, now) {
                    tracing::warn!(node = self.address, "redis does not answer; left alone");
                    self.signals.trouble.notify_one();
                }
                Err(StoreError::Late)
            }
        }
    }

    fn moment(&self, at: Instant) -> Monotonic {
        Monotonic::default().after(at.saturating_duration_since(self.epoch))
    }

    fn failed(&self, connection: &Arc<MultiplexedConnection>, error: &RedisError) -> StoreError {
        tracing::debug!(node = self.address, %error, "redis failed");
        if error.is_unrecoverable_error() {
            self.drop_connection(connection);
            return StoreError::Down;
        }
        StoreError::Failed(error.to_string())
    }

    fn has(&self, connection: &Arc<MultiplexedConnection>) -> bool {
        let current = self.connection.load();
        current.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection))
    }

    fn drop_connection(&self, broken: &Arc<MultiplexedConnection>) {
        if self.has(broken) {
            self.connection.store(None);
            self.signals.lost.inc();
            self.broken.notify_one();
            self.signals.trouble.notify_one();
        }
    }

    /// Nobody needs it any more.
    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Relaxed);
        self.broken.notify_one();
    }

    fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    /// Keeps the connection up until the node is retired, or the drain has started and the process lets go.
    pub(super) async fn keep_up(self: Arc<Self>, drain: Drain) {
        let mut attempt = 0;
        while !drain.started() && !self.is_retired() {
            match self.connect().await {
                Ok(connection) => {
                    tracing::info!(node = self.address, "connected to redis");
                    attempt = 0;
                    self.watch(&connection, &drain).await;
                    self.drop_connection(&connection);
                }
                Err(error) => {
                    tracing::warn!(node = self.address, %error, attempt, "redis not reachable");
                    attempt += 1;
                }
            }
            let pause = jittered(BACKOFF, attempt, random());
            tokio::select! {
                () = sleep(pause) => {}
                () = drain.wait() => {}
            }
        }
        self.connection.store(None);
    }

    async fn connect(&self) -> RedisResult<Arc<MultiplexedConnection>> {
        let connect = self.client.get_multiplexed_async_connection_with_config(&self.settings);
        let connection = Arc::new(connect.await?);
        self.ping(&connection).await?;
        self.breaker.answered();
        self.connection.store(Some(Arc::clone(&connection)));
        self.signals.connections.inc();
        self.signals.doubt.notify_one();
        self.signals.trouble.notify_one();
        Ok(connection)
    }

    async fn ping(&self, connection: &MultiplexedConnection) -> RedisResult<()> {
        let mut connection = connection.clone();
        let command = redis::cmd("PING");
        match timeout(self.timeout, command.exec_async(&mut connection)).await {
            Ok(answered) => answered,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }

    /// Returns when the connection has broken; during a drain only then, so that what is under way can finish.
    async fn watch(&self, connection: &Arc<MultiplexedConnection>, drain: &Drain) {
        loop {
            tokio::select! {
                () = sleep(HEARTBEAT) => {}
                () = self.broken.notified() => {
                    // The word may be about the connection before this one.
                    if self.has(connection) && !self.is_retired() { continue } else { return }
                }
                () = drain.wait() => return self.linger().await,
            }
            if let Err(error) = self.ping(connection).await {
                tracing::warn!(node = self.address, %error, "redis lost");
                return;
            }
        }
    }

    /// Roles that drain may still look users up for a moment.
    async fn linger(&self) {
        tokio::select! {
            () = sleep(self.timeout) => {}
            () = self.broken.notified() => {}
        }
    }
}

fn settings(config: &RedisConfig) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(config.timeout))
        // Every call has its caller's deadline; a second timer would only cost.
        .set_response_timeout(None)
        .set_concurrency_limit(config.concurrency.max(1))
        .set_pipeline_buffer_size(config.concurrency.clamp(1, 1024))
        .set_write_backpressure_boundary(WRITE_BOUNDARY)
}
