//! From the outbox to the tag store: what was billed is counted for its user.
//!
//! A row is written with its notice and deleted after the tag store has answered for it, so each impression is delivered
//! at least once whatever dies in between, and the store, which knows the last events of each user, counts it once. Of the ledgers
//! of one database one delivers at a time: whoever has the turn, for some seconds that are renewed. A ledger that dies
//! leaves its turn to run out.
//!
//! While the tag store is away rows wait in the database, as many as its disk holds; the oldest go first when it is back.
//! Rows that the store cannot take now, because the part of it that their users are in is away, do not stop the ones behind
//! them.

mod capped;
mod stats;

use std::sync::Arc;
use std::time::Duration;

use tagbid_budget::Line;
use tagbid_clients::Backoff;
use tagbid_ports::{CountError, CountOutcome, Impression, ImpressionCounter, MAX_IMPRESSIONS};
use tagbid_runtime::{Drain, trace};
use tagbid_tagset::frequency::{Counted, Horizon};
use tagbid_types::{Clock, Timestamp};
use tokio::sync::Notify;

pub(crate) use capped::Capped;
pub(crate) use stats::CountingStats;

use crate::limits::Limits;
use crate::queue::Queue;
use crate::store::{Store, Turn, Waiting};
use crate::work::Work;

/// Between two looks while nothing is heard: rows that another ledger wrote, or left.
const POLL: Duration = Duration::from_secs(1);

/// What comes within so long is told, and deleted, together: each deletion is a transaction that notices and leases wait for. A bidder
/// knows of its bids under way meanwhile.
const GATHER: Duration = Duration::from_millis(100);

/// A turn; it is renewed when less than half of it is left.
const TURN: Duration = Duration::from_secs(10);

/// Pauses after a round that left something.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(30));

/// How long a call may take, and the deletion of what it counted.
const WITHIN: Duration = Duration::from_secs(15);

/// What the outbox tells of itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct CountingNews {
    /// There is something new in it.
    pub(crate) news: Arc<Notify>,
    pub(crate) stats: Arc<CountingStats>,
}

/// Delivers what is in the outbox.
pub(crate) struct Delivery {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) queue: Queue,
    pub(crate) counter: Arc<dyn ImpressionCounter>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Knows caps.
    pub(crate) limits: Arc<Limits>,
    pub(crate) news: CountingNews,
}

/// How a round ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Round {
    /// Nothing waits any more.
    Done,
    /// Another ledger delivers.
    NotOurs,
    /// Something is left, and why.
    Left(String),
    /// The drain began.
    Leaving,
}

/// The turn that this ledger has, if it is not over.
struct Held {
    turn: Turn,
    until: Timestamp,
}

impl Delivery {
    /// Delivers until the drain.
    pub(crate) async fn run(self, drain: Drain) {
        let mut seed = [0; 8];
        // Without randomness all ledgers come back together, and no worse.
        let _known = getrandom::fill(&mut seed);
        let mut pauses = Backoff::new(PAUSES.0, PAUSES.1, u64::from_le_bytes(seed));
        let mut held = Held { turn: Turn::NONE, until: Timestamp(0) };
        let mut away = false;
        loop {
            let round = self.round(&mut held, &drain).await;
            if round == Round::Leaving {
                break;
            }
            self.tell(&round, &mut away);
            let left = matches!(round, Round::Left(_));
            if !left {
                pauses.reset();
            }
            let pause = if left { pauses.pause() } else { POLL };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.news.news.notified(), if !left => {}
                () = drain.wait() => break,
            }
            tokio::select! {
                () = tokio::time::sleep(GATHER) => {}
                () = drain.wait() => break,
            }
        }
        // Whoever comes next need not wait for it to run out; if this fails, they do.
        if held.turn != Turn::NONE {
            let _given_up = self.store.take_turn(held.turn, Timestamp(0)).await;
        }
    }

    /// Once an outage: while it lasts every round says the same.
    fn tell(&self, round: &Round, away: &mut bool) {
        let before = std::mem::replace(away, matches!(round, Round::Left(_)));
        match round {
            Round::Left(problem) if !before => {
                tracing::warn!(problem, "impressions wait to be counted for their users");
            }
            Round::Done if before => tracing::info!("all impressions are counted again"),
            _ => {}
        }
    }

    /// Everything that waits, the oldest first. The drain ends it between two statements, never in one: a turn that was taken
    /// and not heard of could not be given up.
    async fn round(&self, held: &mut Held, drain: &Drain) -> Round {
        let (mut after, mut left) = (0, None);
        while !drain.started() {
            let page = match self.store.impressions(after, MAX_IMPRESSIONS as u32).await {
                Ok(page) => page,
                Err(error) => return Round::Left(error.to_string()),
            };
            if after == 0 {
                self.news.stats.oldest(page.first().map(|one| one.seen));
            }
            let Some(last) = page.last() else { return left.map_or(Round::Done, Round::Left) };
            match self.hold_turn(held).await {
                Ok(true) => {}
                Ok(false) => return Round::NotOurs,
                Err(problem) => return Round::Left(problem),
            }
            after = last.seq;
            let delivered = tokio::select! {
                outcomes = self.told(&page) => match outcomes {
                    Ok(outcomes) => self.settle(&page, &outcomes).await,
                    Err(problem) => Err(problem),
                },
                () = drain.wait() => return Round::Leaving,
            };
            match delivered {
                Ok(later) => left = left.or(later),
                Err(problem) => return Round::Left(problem),
            }
        }
        Round::Leaving
    }

    async fn hold_turn(&self, held: &mut Held) -> Result<bool, String> {
        let now = self.clock.now();
        if held.until > now.after(TURN / 2) {
            return Ok(true);
        }
        let until = now.after(TURN);
        let turn = self.store.take_turn(held.turn, until).await.map_err(|error| error.to_string())?;
        *held = turn.map_or(Held { turn: Turn::NONE, until: Timestamp(0) }, |turn| Held { turn, until });
        Ok(turn.is_some())
    }

    /// What the tag store says of a page.
    async fn told(&self, page: &[Waiting]) -> Result<Vec<CountOutcome>, String> {
        let told = self.counter.count(page.iter().map(|one| impression(one, &self.limits)).collect());
        let told = trace::call("impressions count", [("tagbid.impressions", page.len().into())], told);
        match tokio::time::timeout(WITHIN, told).await {
            Ok(Ok(outcomes)) => Ok(outcomes),
            Ok(Err(CountError::Refused(problem) | CountError::Unavailable(problem))) => Err(problem),
            Err(_) => Err(format!("the tags role did not answer within {WITHIN:?}")),
        }
    }

    /// Deletes what is settled of a page. What is left of it, in words.
    async fn settle(&self, page: &[Waiting], outcomes: &[CountOutcome]) -> Result<Option<String>, String> {
        let (mut settled, mut left) = (Vec::with_capacity(page.len()), None);
        for (one, outcome) in page.iter().zip(outcomes) {
            self.news.stats.count(outcome);
            match outcome {
                CountOutcome::Later(why) => {
                    left.get_or_insert_with(|| why.clone());
                    continue;
                }
                CountOutcome::Refused(why) => {
                    tracing::warn!(bid = %one.bid, why, "an impression is never counted for its user");
                }
                CountOutcome::Counted | CountOutcome::Repeated | CountOutcome::Suppressed => {}
            }
            settled.push(one.seq);
        }
        if !settled.is_empty() {
            // Rows that stay by mistake are delivered again, and found to be counted.
            let deleted = self.queue.ask(Work::Counted(settled), WITHIN).await;
            deleted.map_err(|problem| problem.to_string())?;
        }
        Ok(left)
    }
}

/// Its event is the bid's id, which is random and ours: no other impression has it, whichever exchange sold it.
fn impression(one: &Waiting, limits: &Limits) -> Impression {
    let line = Line { advertiser: one.advertiser, campaign: one.campaign, line_item: one.line_item };
    let counted = vec![
        Counted::LineItem(one.line_item),
        Counted::Campaign(one.campaign),
        Counted::Advertiser(one.advertiser),
    ];
    // Before the catalog was read there may be a cap on anything.
    let capped = match limits.read() {
        Some(_) => limits.capped.of(&line),
        None => counted.iter().map(|counted| (*counted, Horizon::Ever)).collect(),
    };
    Impression { user: one.user, event: one.bid.0, at: one.seen, counted, capped }
}
