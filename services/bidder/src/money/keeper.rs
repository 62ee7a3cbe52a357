//! The keeper: one task that owns the wallet. Questions to the ledger are under way beside each other, so that one that is slow
//! keeps nothing else waiting.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, FuturesUnordered};
use tagbid_budget::{Ask, Beat, Fund, Grant, Line, Policy, Refusal, Today, Unit, Update, Wallet};
use tagbid_catalog::Pacing;
use tagbid_ports::{Beaten, LeaseError, LeaseSource, Opened};
use tagbid_runtime::{Drain, trace};
use tagbid_types::Monotonic;

use super::Kept;
use crate::book::Entry;
use crate::shared::Shared;

/// Between two looks at what bids want.
const TICK: Duration = Duration::from_millis(100);

/// Between two beats.
const BEAT: Duration = Duration::from_secs(1);

/// Line items in one question.
const ASKS: usize = 1_000;

/// At the end: how long the ledger gets to hear what is given back.
const FAREWELL: Duration = Duration::from_secs(2);

/// Longer than it takes to write an answer after its hold was looked at for the last time.
const ON_ITS_WAY: Duration = Duration::from_millis(200);

/// Something that the ledger answered.
enum Answer {
    Opened(Monotonic, Result<Opened, LeaseError>),
    Beaten(Monotonic, Beat, Result<Beaten, LeaseError>),
    Acquired(Vec<Ask>, Result<Vec<Result<Grant, Refusal>>, LeaseError>),
    Parted,
}

struct Keeper {
    shared: Arc<Shared>,
    source: Arc<dyn LeaseSource>,
    wallet: Wallet,
    under_way: FuturesUnordered<BoxFuture<'static, Answer>>,
    updates: Option<BoxStream<'static, Result<Update, LeaseError>>>,
    /// A session is being begun, a beat, a question for leases is under way.
    opening: bool,
    beating: bool,
    asking: bool,
    last_beat: Monotonic,
    /// The last that was asked for.
    asked: Fund,
    /// The ledger has answered a beat of this session: how long holds have to last is known.
    heard: bool,
    /// Since when the ledger says that the session is over.
    over: Option<Monotonic>,
    /// The ledger did not answer, and the log says so.
    away: bool,
}

/// Keeps money in the pockets until the drain, then gives back what is left.
pub(crate) async fn keep(shared: Arc<Shared>, source: Arc<dyn LeaseSource>, drain: Drain) {
    let wallet = Wallet::new(Policy::default(), Arc::clone(&shared.money.pockets));
    let mut keeper = Keeper {
        shared,
        source,
        wallet,
        under_way: FuturesUnordered::new(),
        updates: None,
        opening: false,
        beating: false,
        asking: false,
        last_beat: Monotonic(0),
        asked: Fund::FIRST,
        heard: false,
        over: None,
        away: false,
    };
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = drain.wait() => return keeper.leave().await,
            _ = ticks.tick() => keeper.tick(),
            Some(answer) = keeper.under_way.next() => keeper.take(answer),
            update = next(&mut keeper.updates) => keeper.hear(update),
        }
    }
}

/// The next update; never, while nothing is followed.
async fn next(
    updates: &mut Option<BoxStream<'static, Result<Update, LeaseError>>>,
) -> Option<Result<Update, LeaseError>> {
    match updates {
        Some(updates) => updates.next().await,
        None => std::future::pending().await,
    }
}

impl Keeper {
    fn now(&self) -> Monotonic {
        self.shared.clock.monotonic()
    }

    fn tick(&mut self) {
        self.record();
        let now = self.now();
        if let Some(over) = self.over {
            if now.since(over) >= ON_ITS_WAY {
                self.part();
            }
            return;
        }
        let Some(epoch) = self.wallet.epoch() else { return self.open(now) };
        let due = self.wallet.due(now);
        let lines = self.lines(due, now);
        let asks = self.wallet.tick(&lines, now);
        if self.heard && !asks.is_empty() && !self.asking {
            self.ask(asks);
        }
        if !self.beating && now.since(self.last_beat) >= BEAT {
            self.beat(now);
        }
        if self.updates.is_none() {
            self.updates = Some(self.source.follow(epoch));
        }
    }

    /// Asks for those that come after the last that was asked for, so that all have their turn when there are many.
    fn ask(&mut self, mut asks: Vec<Ask>) {
        self.asking = true;
        asks.sort_by_key(|ask| (ask.fund() <= self.asked, ask.fund()));
        asks.truncate(ASKS);
        self.asked = asks.last().map_or(self.asked, Ask::fund);
        let source = Arc::clone(&self.source);
        self.under_way.push(Box::pin(async move {
            let asked = [("tagbid.asks", asks.len().into())];
            let answer = trace::call("lease acquire", asked, source.acquire(asks.clone())).await;
            Answer::Acquired(asks, answer)
        }));
    }

    fn open(&mut self, asked: Monotonic) {
        if self.opening {
            return;
        }
        self.opening = true;
        let source = Arc::clone(&self.source);
        self.under_way.push(Box::pin(async move {
            Answer::Opened(asked, trace::call("lease open", [], source.open()).await)
        }));
    }

    fn beat(&mut self, asked: Monotonic) {
        let Some(mut beat) = self.wallet.beat() else { return };
        beat.wants = self.wallet.wants(asked);
        beat.lives = self.shared.lives.version();
        (self.beating, self.last_beat) = (true, asked);
        let source = Arc::clone(&self.source);
        self.under_way.push(Box::pin(async move {
            let answer = source.beat(beat.clone()).await;
            Answer::Beaten(asked, beat, answer)
        }));
    }

    /// These line items on the day that it is there by the ledger's clock; the wallet forgets those that are gone. Whether they are
    /// paced is said before anything is leased for them.
    fn lines(&mut self, mut due: BTreeSet<Fund>, now: Monotonic) -> Vec<Today> {
        let Some(book) = self.shared.books.last() else { return Vec::new() };
        due.retain(|fund| {
            let known = book.holds(fund.line_item);
            if !known {
                self.wallet.forget(*fund);
            }
            known
        });
        let time = self.wallet.time().at(now);
        let today = |(entry, unit): (&Entry, Unit)| Today {
            line: Line {
                advertiser: entry.advertiser.id,
                campaign: entry.campaign.id,
                line_item: entry.item.id,
            },
            unit,
            day: entry.budget_day(time),
            ends: entry.budget_day_ends(time),
        };
        let entry = |fund: Fund| book.find(fund.line_item).map(|(_, entry)| (entry, fund.unit));
        let entries = due.into_iter().filter_map(entry);
        let paced = |entry: &Entry| {
            entry.pocket(&self.shared.money.pockets).set_paced(entry.item.pacing != Pacing::Asap);
        };
        entries.inspect(|(entry, _)| paced(entry)).map(today).collect()
    }

    /// Every hold is taken in before any watermark that it could be over by.
    fn record(&mut self) {
        for kept in self.shared.money.take() {
            match kept {
                Kept::Sent(hold) => self.wallet.record(&hold),
                Kept::Undone(hold) => self.wallet.undo(&hold),
            }
        }
    }

    fn take(&mut self, answer: Answer) {
        self.record();
        let current = self.wallet.epoch();
        let (epoch, problem) = match answer {
            Answer::Parted => return,
            Answer::Opened(asked, opened) => {
                self.opening = false;
                (
                    current,
                    opened.map(|opened| {
                        let Opened { epoch, session_s, told, watermark } = opened;
                        self.wallet.begin(epoch, session_s, asked, told, watermark);
                        self.shared.lives.begin();
                        self.heard = false;
                        self.updates = None;
                    }),
                )
            }
            Answer::Beaten(asked, beat, beaten) => {
                self.beating = false;
                (Some(beat.epoch), beaten.map(|beaten| self.beaten(&beat, asked, &beaten)))
            }
            Answer::Acquired(asks, grants) => {
                self.asking = false;
                self.count(&asks, &grants);
                (asks.first().map(|ask| ask.epoch), grants.map(|grants| self.granted(&asks, grants)))
            }
        };
        match problem {
            Ok(()) => self.back(),
            // That a session is over which is not the one of now is no news.
            Err(LeaseError::Over(_)) if epoch != current => {}
            Err(problem) => self.trouble(&problem),
        }
    }

    fn count(&self, asks: &[Ask], grants: &Result<Vec<Result<Grant, Refusal>>, LeaseError>) {
        let counts = &self.shared.metrics.leases;
        let Ok(grants) = grants else { return counts.failed.add(asks.len() as u64) };
        let granted = grants.iter().filter(|grant| grant.is_ok()).count();
        counts.granted.add(granted as u64);
        counts.refused.add((grants.len() - granted) as u64);
    }

    fn beaten(&mut self, beat: &Beat, asked: Monotonic, beaten: &Beaten) {
        // It was answered before the session was over, which another answer has said since.
        if self.over.is_some() {
            return;
        }
        let now = self.now();
        self.wallet.beaten(beat, beaten.session_s, asked, beaten.told);
        for (line_item, rate) in &beaten.rates {
            self.wallet.pace(*line_item, *rate, now);
        }
        if let Some(lives) = beaten.lives.as_ref().filter(|_| self.wallet.epoch() == Some(beat.epoch)) {
            self.shared.lives.hear(lives);
        }
        if !std::mem::replace(&mut self.heard, true) {
            self.wallet.forget_holds();
        }
    }

    fn granted(&mut self, asks: &[Ask], grants: Vec<Result<Grant, Refusal>>) {
        let now = self.now();
        for (ask, grant) in asks.iter().zip(grants) {
            match grant {
                Ok(grant) => self.wallet.granted(ask, &grant),
                Err(Refusal::Session(_)) if self.wallet.epoch() == Some(ask.epoch) => return self.stop(),
                Err(Refusal::Session(_)) => return,
                Err(Refusal::Empty(_) | Refusal::DayOver | Refusal::Money(_)) => {
                    self.wallet.refused(ask, now)
                }
            }
        }
    }

    fn hear(&mut self, update: Option<Result<Update, LeaseError>>) {
        self.record();
        match update {
            Some(Ok(update)) => {
                for (lease, ends, sums) in &update.buckets {
                    self.wallet.resolved(*lease, *ends, *sums);
                }
                self.wallet.advance(update.watermark);
                for lease in update.recalled {
                    self.wallet.give_back(lease);
                }
            }
            Some(Err(problem)) => {
                self.updates = None;
                self.trouble(&problem);
            }
            None => self.updates = None,
        }
    }

    /// What is leased is bid with until the session ends; then line items with a limit stop.
    fn trouble(&mut self, problem: &LeaseError) {
        if let LeaseError::Over(_) = problem {
            self.stop();
        }
        if !std::mem::replace(&mut self.away, true) {
            tracing::warn!(%problem, "no answer about leases; line items with budgets bid with what is leased");
        }
    }

    /// The session is over, and nothing is bid with any more. Bids that were found valid a moment ago are still on their way.
    fn stop(&mut self) {
        self.wallet.stop();
        self.updates = None;
        self.over.get_or_insert(self.shared.clock.monotonic());
    }

    /// The last words of a session that is over, and the end of it: another is begun.
    fn part(&mut self) {
        self.over = None;
        for beat in self.last_words() {
            let source = Arc::clone(&self.source);
            // What it answers is known. Where it is not heard leases end by themselves, later.
            self.under_way.push(Box::pin(async move {
                let _over = source.beat(beat).await;
                Answer::Parted
            }));
        }
        self.wallet.end();
    }

    /// None where a hold was lost on its way here: then nobody knows when the last one ends, and leases wait for the longest.
    fn last_words(&mut self) -> Vec<Beat> {
        if self.shared.money.lost_holds() { Vec::new() } else { self.wallet.farewell() }
    }

    fn back(&mut self) {
        if std::mem::replace(&mut self.away, false) {
            tracing::info!("the ledger answers about leases again");
        }
    }

    /// Gives back all that no bid holds, and says when the last hold of each lease ends, so that others need not wait for the
    /// end of the session and the longest hold that there might be.
    async fn leave(mut self) {
        self.wallet.stop();
        // A bid whose hold was found valid a moment ago is sent by then, and noted.
        tokio::time::sleep(ON_ITS_WAY).await;
        self.record();
        let source = Arc::clone(&self.source);
        let words = self.last_words().into_iter().map(|beat| source.beat(beat));
        let _heard = tokio::time::timeout(FAREWELL, futures_util::future::join_all(words)).await;
    }
}
