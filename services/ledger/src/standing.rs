//! How money stands after the last transaction: for people.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use tagbid_budget::Books;
use tagbid_budget::life::{Billed, Known, Learner};
use tagbid_runtime::metrics::{Counter, encode_counter, encode_gauge};
use tagbid_types::Timestamp;

use crate::flows::{CurrencyOf, FlowNews, Flows};

/// What a transaction saw that counts only once it is committed.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// Billings of bids with a hold.
    pub(crate) billed: Vec<Billed>,
    /// Billings of which a budget did not cover all.
    pub(crate) uncovered: u64,
    /// Billings of bidders that have used more than their lease.
    pub(crate) overdrawn: u64,
    /// Money that moved.
    pub(crate) flows: FlowNews,
}

/// Clocks that differ by more are told of, in seconds.
const FAR_AHEAD_S: i64 = 60;

/// Gauges and counters of the books.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    leases: AtomicI64,
    sessions: AtomicI64,
    /// Seconds.
    ahead: AtomicI64,
    uncovered: Counter,
    overdrawn: Counter,
    holds: Mutex<Vec<Known>>,
    flows: Flows,
}

impl Standing {
    /// A transaction is committed.
    pub(crate) fn committed(&self, news: &News, books: &Books, currency: CurrencyOf<'_>, now: Timestamp) {
        self.flows.committed(&news.flows, books, currency, now);
        self.uncovered.add(news.uncovered);
        self.overdrawn.add(news.overdrawn);
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.leases.store(count(books.open_leases()), Ordering::Relaxed);
        self.sessions.store(count(books.live_sessions(now)), Ordering::Relaxed);
    }

    /// How far ledger time is ahead of this ledger's wall clock, in microseconds.
    pub(crate) fn ahead(&self, us: i64) {
        let seconds = us / 1_000_000;
        let before = self.ahead.swap(seconds, Ordering::Relaxed);
        if before < FAR_AHEAD_S && seconds >= FAR_AHEAD_S {
            tracing::warn!(
                seconds,
                "a ledger of this database wrote a later time than this one's clock says: one of the two clocks is wrong; \
                 until they meet days begin early and holds last an eighth longer"
            );
        }
    }

    /// Hold lives were looked at.
    pub(crate) fn learnt(&self, learner: &Learner) {
        *self.holds.lock().unwrap_or_else(PoisonError::into_inner) = learner.known().collect();
    }

    /// For Prometheus.
    pub(crate) fn encode(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let leases = self.leases.load(Ordering::Relaxed);
        encode_gauge(to, "tagbid_ledger_leases", "Leases that are open", leases)?;
        self.flows.encode(to)?;
        let sessions = self.sessions.load(Ordering::Relaxed);
        encode_gauge(
            to,
            "tagbid_ledger_sessions",
            "Bidders that may bid with what they have leased",
            sessions,
        )?;
        let help = "How far ledger time is ahead of the clock: another ledger of the database has written a later one";
        encode_gauge(to, "tagbid_ledger_ahead_seconds", help, self.ahead.load(Ordering::Relaxed))?;
        let help = "Notices whose billing a budget did not cover, or not all of it";
        encode_counter(to, "tagbid_notices_uncovered", help, self.uncovered.get())?;
        let help =
            "Billed notices of bidders that have used more than their lease: never, unless one is wrong";
        encode_counter(to, "tagbid_notices_overdrawn", help, self.overdrawn.get())?;
        let known = self.holds.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lives = known.iter().filter_map(|one| Some((one, i64::from(one.life_s?))));
        let help = "How long a bid holds its money, where that is learnt";
        encode_cells(to, "tagbid_ledger_hold_life_seconds", help, lives)?;
        let samples = known.iter().map(|one| (one, i64::try_from(one.samples).unwrap_or(i64::MAX)));
        let help = "Billed bids that hold lives are learnt from; those of a day ago count half";
        encode_cells(to, "tagbid_ledger_hold_samples", help, samples)
    }
}

fn encode_cells<'a>(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    cells: impl Iterator<Item = (&'a Known, i64)>,
) -> fmt::Result {
    let mut family = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (known, value) in cells {
        let labels = [("exchange", known.cell.exchange.as_str()), ("place", known.cell.place.as_str())];
        family.encode_family(&labels)?.encode_gauge(&value)?;
    }
    Ok(())
}
