//! A store that counts what fails, times what takes long, and says in errors which database it is.

use std::sync::Arc;

use async_trait::async_trait;
use tagbid_types::{Clock, Monotonic};

use super::{Dialect, Row, Session, Store, StoreError, Value};
use crate::metrics::Metrics;

/// What a store is measured with. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Gauge {
    /// The database, in words.
    pub(crate) place: Arc<str>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Gauge {
    fn checked<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        result.map_err(|error| match error {
            StoreError::Database(error) => {
                self.metrics.database_errors.inc();
                StoreError::at(&self.place, &error)
            }
            other => other,
        })
    }

    fn opened(
        &self,
        from: Monotonic,
        session: Result<Box<dyn Session>, StoreError>,
        writes: bool,
    ) -> Result<Box<dyn Session>, StoreError> {
        self.metrics.waits.record(from, self.clock.monotonic());
        let began = writes.then_some(from);
        Ok(Box::new(Timed { session: self.checked(session)?, began, gauge: self.clone() }))
    }
}

/// The store.
pub(crate) struct Measured {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) gauge: Gauge,
}

#[async_trait]
impl Store for Measured {
    async fn read(&self) -> Result<Box<dyn Session>, StoreError> {
        let from = self.gauge.clock.monotonic();
        self.gauge.opened(from, self.store.read().await, false)
    }

    async fn write(&self) -> Result<Box<dyn Session>, StoreError> {
        let from = self.gauge.clock.monotonic();
        self.gauge.opened(from, self.store.write().await, true)
    }
}

struct Timed {
    session: Box<dyn Session>,
    /// When the lock was asked for; none: it only reads.
    began: Option<Monotonic>,
    gauge: Gauge,
}

#[async_trait]
impl Session for Timed {
    async fn execute(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        self.gauge.checked(self.session.execute(sql, values).await)
    }

    async fn rows(&mut self, sql: &'static str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        self.gauge.checked(self.session.rows(sql, values).await)
    }

    fn dialect(&self) -> Dialect {
        self.session.dialect()
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.gauge.checked(self.session.commit().await)?;
        if let Some(began) = self.began {
            self.gauge.metrics.writes.record(began, self.gauge.clock.monotonic());
        }
        Ok(())
    }
}
