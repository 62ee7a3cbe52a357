//! The one connection to Redis: kept up by a task of its own, off the path of every request.
//!
//! The crate's `ConnectionManager` makes requests wait while it reconnects. Here a request without a connection is
//! told so at once, and the bid goes on without tags.

use std::sync::Arc;
use std::time::Duration;

use ahash::RandomState;
use arc_swap::{ArcSwap, ArcSwapOption};
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, IntoConnectionInfo, Pipeline, RedisError, RedisResult, Value};
use tagbid_runtime::Drain;
use tagbid_runtime::metrics::Counter;
use tagbid_types::{DatasetId, Timestamp};
use tokio::sync::Notify;

use super::{RedisConfig, keys};
use crate::store::{MAX_ACTIVE_DATASETS, Sentinel, StoreError};

/// How old the cached pointers to active versions get; each refresh is also the connection's heartbeat.
const REFRESH: Duration = Duration::from_secs(1);

/// First and longest wait before connecting again; doubled each time, jittered by half.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Encoded commands gathered into one write: a frame of 64 users with 8 datasets is about 30 KiB.
const WRITE_BOUNDARY: usize = 64 * 1024;

/// Active version of each dataset, ascending.
pub(super) type Versions = Vec<(DatasetId, u32)>;

/// Latest as-of time of each dataset that has one.
pub(super) type AsOf = Vec<(DatasetId, Timestamp)>;

/// A shared handle. There is a connection only when the versions were read through it.
pub(super) struct Link {
    client: Client,
    settings: AsyncConnectionConfig,
    timeout: Duration,
    connection: ArcSwapOption<MultiplexedConnection>,
    versions: ArcSwap<Versions>,
    as_of: ArcSwap<AsOf>,
    connections: Counter,
    required: ArcSwapOption<Sentinel>,
    broken: Notify,
}

impl Link {
    pub(super) fn new(config: &RedisConfig) -> RedisResult<Arc<Self>> {
        let info = config.url.as_str().into_connection_info()?;
        // Without it Nagle's algorithm holds small commands back for up to 40 ms.
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let settings = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(config.timeout))
            // Every call has its caller's deadline; a second timer would only cost.
            .set_response_timeout(None)
            .set_concurrency_limit(config.concurrency.max(1))
            .set_pipeline_buffer_size(config.concurrency.clamp(1, 1024))
            .set_write_backpressure_boundary(WRITE_BOUNDARY);
        Ok(Arc::new(Self {
            client: Client::open(info)?,
            settings,
            timeout: config.timeout,
            connection: ArcSwapOption::empty(),
            versions: ArcSwap::default(),
            as_of: ArcSwap::default(),
            connections: Counter::default(),
            required: ArcSwapOption::empty(),
            broken: Notify::new(),
        }))
    }

    /// The active versions as last read.
    pub(super) fn versions(&self) -> Arc<Versions> {
        self.versions.load_full()
    }

    pub(super) fn as_of(&self) -> Arc<AsOf> {
        self.as_of.load_full()
    }

    /// Connections that were made after the first.
    pub(super) fn reconnects(&self) -> u64 {
        self.connections.get().saturating_sub(1)
    }

    /// Sends commands in one write and returns their answers. Waits as long as it takes: reads are cut off by their
    /// caller's deadline.
    pub(super) async fn ask(&self, commands: &Pipeline) -> Result<Vec<Value>, StoreError> {
        let current = self.connection.load_full().ok_or(StoreError::Down)?;
        let mut connection = MultiplexedConnection::clone(&current);
        let answers = commands.query_async(&mut connection).await;
        answers.map_err(|error: RedisError| {
            if error.is_unrecoverable_error() {
                self.drop_connection(&current);
            }
            StoreError::Failed(error.to_string())
        })
    }

    /// [`Link::ask`] for writes, which have no deadline of their own.
    pub(super) async fn write(&self, commands: &Pipeline) -> Result<Vec<Value>, StoreError> {
        match tokio::time::timeout(self.timeout, self.ask(commands)).await {
            Ok(answers) => answers,
            Err(_) => Err(StoreError::Failed(format!("no answer in {:?}", self.timeout))),
        }
    }

    /// [`Link::write`] of users' data: an error when Redis lost data up to then. Whether it lost it before the write or
    /// after, the list that is replayed then may erase what was written.
    pub(super) async fn write_kept(&self, mut commands: Pipeline) -> Result<Vec<Value>, StoreError> {
        let required = self.required();
        commands.cmd("GET").arg(keys::SENTINEL);
        let mut answers = self.write(&commands).await?;
        check(required.as_deref(), answers.pop())?;
        Ok(answers)
    }

    /// See [`Store::require`](crate::store::Store::require).
    pub(super) fn require(&self, sentinel: Sentinel) {
        self.required.store(Some(Arc::new(sentinel)));
    }

    /// What an answer to a question that is asked now must have. Not what is required when it comes: other changes of
    /// the list may be applied meanwhile, and the answer is no worse for that.
    pub(super) fn required(&self) -> Option<Arc<Sentinel>> {
        self.required.load_full()
    }

    /// Reads the pointers again, through the current connection.
    pub(super) async fn refresh(&self) -> Result<(), StoreError> {
        let current = self.connection.load_full().ok_or(StoreError::Down)?;
        self.refresh_through(&current).await.map_err(StoreError::from)
    }

    async fn refresh_through(&self, connection: &MultiplexedConnection) -> RedisResult<()> {
        let read = read_versions(connection.clone());
        let Ok(versions) = tokio::time::timeout(self.timeout, read).await else {
            return Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into());
        };
        let (versions, as_of) = versions?;
        self.versions.store(Arc::new(versions));
        self.as_of.store(Arc::new(as_of));
        Ok(())
    }

    fn has(&self, connection: &Arc<MultiplexedConnection>) -> bool {
        let current = self.connection.load();
        current.as_ref().is_some_and(|current| Arc::ptr_eq(current, connection))
    }

    fn drop_connection(&self, broken: &Arc<MultiplexedConnection>) {
        if self.has(broken) {
            self.connection.store(None);
            self.broken.notify_one();
        }
    }

    /// Keeps the connection up and the pointers fresh until the drain has started and the process lets go.
    pub(super) async fn keep_up(self: Arc<Self>, drain: Drain) {
        let mut attempt = 0;
        while !drain.started() {
            match self.connect().await {
                Ok(connection) => {
                    tracing::info!("connected to redis");
                    attempt = 0;
                    self.watch(&connection, &drain).await;
                    self.drop_connection(&connection);
                }
                Err(error) => {
                    tracing::warn!(%error, attempt, "redis not reachable");
                    attempt += 1;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(backoff(attempt)) => {}
                () = drain.wait() => {}
            }
        }
    }

    async fn connect(&self) -> RedisResult<Arc<MultiplexedConnection>> {
        let connect = self.client.get_multiplexed_async_connection_with_config(&self.settings);
        let connection = Arc::new(connect.await?);
        self.refresh_through(&connection).await?;
        self.connection.store(Some(Arc::clone(&connection)));
        self.connections.inc();
        Ok(connection)
    }

    /// Returns when the connection has broken; during a drain only then, so that what is under way can finish.
    async fn watch(&self, connection: &Arc<MultiplexedConnection>, drain: &Drain) {
        loop {
            tokio::select! {
                () = tokio::time::sleep(REFRESH) => {}
                () = self.broken.notified() => {
                    // The word may be about the connection before this one.
                    if self.has(connection) { continue } else { return }
                }
                () = drain.wait() => return self.linger().await,
            }
            if let Err(error) = self.refresh_through(connection).await {
                tracing::warn!(%error, "redis lost");
                return;
            }
        }
    }

    /// Roles that drain may still look users up for a moment.
    async fn linger(&self) {
        tokio::select! {
            () = tokio::time::sleep(self.timeout) => {}
            () = self.broken.notified() => {}
        }
    }
}

async fn read_versions(mut connection: MultiplexedConnection) -> RedisResult<(Versions, AsOf)> {
    let list = redis::cmd("SMEMBERS").arg(keys::DATASETS).to_owned();
    let mut datasets: Vec<u32> = list.query_async(&mut connection).await?;
    if datasets.is_empty() {
        return Ok(Default::default());
    }
    datasets.sort_unstable();
    // Only two writers racing for the last place get here: the later ids are not read.
    datasets.truncate(MAX_ACTIVE_DATASETS);
    let datasets: Vec<_> = datasets.into_iter().map(DatasetId).collect();
    let mut pointers = redis::cmd("MGET");
    for &dataset in &datasets {
        pointers.arg(keys::version(dataset)).arg(keys::as_of(dataset));
    }
    let found: Vec<Option<i64>> = pointers.query_async(&mut connection).await?;
    let (mut versions, mut as_of) = (Versions::new(), AsOf::new());
    for (dataset, found) in datasets.into_iter().zip(found.chunks(2)) {
        let [version, latest] = found else { continue };
        versions.extend(version.and_then(|version| Some((dataset, u32::try_from(version).ok()?))));
        as_of.extend(latest.map(|latest| (dataset, Timestamp(latest))));
    }
    Ok((versions, as_of))
}

/// Whether the sentinel as it was read has all that is required.
pub(super) fn check(required: Option<&Sentinel>, read: Option<Value>) -> Result<(), StoreError> {
    let is = match read {
        Some(Value::BulkString(text)) => Sentinel::parse(&text),
        _ => None,
    };
    match (required, is) {
        (None, _) => Ok(()),
        (Some(required), Some(is)) if required.is_kept_by(is) => Ok(()),
        _ => Err(StoreError::Forgot),
    }
}

/// Jittered, so that a hundred nodes do not come back in one moment.
fn backoff(attempt: u32) -> Duration {
    let (first, longest) = BACKOFF;
    let whole = first.saturating_mul(2_u32.saturating_pow(attempt.min(10))).min(longest);
    let percent = 50 + (RandomState::new().hash_one(attempt) % 51) as u32;
    whole * percent / 100
}
