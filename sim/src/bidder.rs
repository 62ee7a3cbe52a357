//! A bidder: a wallet, a clock, and a process that can crash and stand still.

use std::sync::Arc;

use tagbid_budget::life::{Cell, HoldLives};
use tagbid_budget::{
    Ask, Beat, Fund, Funds, Grant, Hold, Holds, LeaseId, Policy, Price, Second, Today, Update, Wallet,
};
use tagbid_types::{Monotonic, Nanos};

use crate::Bug;
use crate::net::{ToBidder, ToLedger};
use crate::setup::{BEGIN, Item};

/// Between two ticks, in milliseconds.
pub(crate) const TICK_MS: u32 = 200;

/// One machine.
#[derive(Debug)]
pub(crate) struct Bidder {
    pub(crate) number: usize,
    pub(crate) wallet: Wallet,
    /// Counts lives: what was under way in an earlier one is lost.
    pub(crate) life: u64,
    pub(crate) up: bool,
    pub(crate) paused_until: i64,
    /// Made and not yet sent.
    pub(crate) on_their_way: usize,
    /// Sent, and not yet recorded.
    journal: Vec<Hold>,
    /// Of sessions that are over, and not yet said.
    last_words: Vec<Beat>,
    /// How long holds last, as far as a ledger has told.
    lives: HoldLives,
    /// How often one did.
    pub(crate) heard_lives: u64,
    /// Its clock runs this much fast, in parts per million, and began so long ago.
    drift_ppm: i64,
    uptime: i64,
    bug: Option<Bug>,
}

impl Bidder {
    pub(crate) fn new(number: usize, drift_ppm: i64, uptime: i64, bug: Option<Bug>) -> Self {
        Self {
            number,
            wallet: Wallet::new(Policy::default(), Arc::default()),
            life: 0,
            up: true,
            paused_until: 0,
            on_their_way: 0,
            journal: Vec::new(),
            last_words: Vec::new(),
            lives: HoldLives::default(),
            heard_lives: 0,
            drift_ppm,
            uptime,
            bug,
        }
    }

    /// The process ends, and all that it knew.
    pub(crate) fn crash(&mut self) {
        *self = Self {
            life: self.life + 1,
            up: false,
            ..Self::new(self.number, self.drift_ppm, self.uptime, self.bug)
        };
    }

    /// The process ends in good order: no bid is on its way any more, and the ledger gets to hear the last words.
    pub(crate) fn leave(&mut self) -> Vec<ToLedger> {
        self.record();
        let bidder = self.number;
        // Nobody waits for the answer.
        let asked = Monotonic(0);
        let beats = self.wallet.farewell().into_iter();
        let words = beats.map(|beat| ToLedger::Beat { bidder, asked, beat }).collect();
        self.crash();
        words
    }

    /// Its boot-time clock.
    pub(crate) fn clock(&self, now: i64) -> Monotonic {
        let since = now - BEGIN;
        Monotonic((self.uptime + since + since * self.drift_ppm / 1_000_000).unsigned_abs())
    }

    fn with_funds<T>(&self, item: &Item, what: impl FnOnce(Funds<'_>) -> T) -> T {
        let id = item.line.line_item;
        let (money, impressions) = (self.wallet.pocket(id), self.wallet.pocket(Fund::impressions(id)));
        what(Funds { money: Some(&money), impressions: item.rationed.then_some(&*impressions) })
    }

    /// How long a hold lasts: as was learnt, else as is usual.
    pub(crate) fn life(&self, cell: &Cell, usual: u32) -> u32 {
        self.lives.lives.get(cell).copied().unwrap_or(usual)
    }

    /// Takes what a bid needs, if it is there.
    pub(crate) fn hold(&mut self, item: &Item, hold_s: u32, now: i64) -> Option<Holds> {
        let clock = self.clock(now);
        let price = Price { hold_s, ..item.price };
        let holds = self.with_funds(item, |funds| {
            funds.has(&price, clock, true).and_then(|()| funds.hold(&price, clock))
        });
        let mut holds = holds.ok()?;
        if self.bug == Some(Bug::OutlivesItsLease) {
            for hold in [&mut holds.money, &mut holds.impressions].into_iter().flatten() {
                let begun = hold.until.0 - i64::from(hold.hold_s);
                (hold.until, hold.hold_s) = (Second(begun + i64::from(hold_s)), hold_s);
            }
        }
        self.on_their_way += 1;
        Some(holds)
    }

    /// Holds whose time to be sent has come; whether the bid is sent.
    pub(crate) fn send(&mut self, item: &Item, holds: &Holds, now: i64) -> bool {
        self.on_their_way -= 1;
        let clock = self.clock(now);
        let valid = self.with_funds(item, |funds| funds.still_valid(holds, clock));
        if valid || self.bug == Some(Bug::IgnoresValidity) {
            self.journal.extend(holds.iter());
            if self.bug == Some(Bug::EndsApart) {
                let impressions = self.journal.last_mut().filter(|_| holds.impressions.is_some());
                impressions.into_iter().for_each(|hold| hold.until.0 += 1);
            }
            return true;
        }
        for hold in self.with_funds(item, |funds| funds.undo(holds)) {
            self.wallet.undo(&hold);
        }
        false
    }

    /// What it says to a ledger at intervals.
    pub(crate) fn tick(&mut self, lines: &[Today], now: i64) -> Vec<ToLedger> {
        self.record();
        let (asked, bidder) = (self.clock(now), self.number);
        let due = self.wallet.due(asked);
        let asks = self.wallet.tick(lines.iter().filter(|today| due.contains(&today.fund())), asked);
        let last_words = std::mem::take(&mut self.last_words);
        let last_words = last_words.into_iter().map(|beat| ToLedger::Beat { bidder, asked, beat });
        let asks = asks.into_iter().map(|ask| ToLedger::Ask { bidder, ask });
        let mut messages: Vec<ToLedger> = last_words.chain(asks).collect();
        messages.push(match self.wallet.beat() {
            Some(mut beat) => {
                beat.lives = self.lives.version;
                ToLedger::Beat { bidder, asked, beat }
            }
            None => ToLedger::Open { bidder, asked },
        });
        messages
    }

    /// Takes in what a ledger says.
    pub(crate) fn hear(&mut self, message: ToBidder, session_s: u32, now: i64) {
        self.record();
        match message {
            ToBidder::Opened { asked, epoch, told, watermark } => {
                if self.wallet.epoch().is_none() {
                    self.wallet.begin(epoch, session_s, asked, told, watermark);
                    self.lives.version = 0;
                }
            }
            ToBidder::Beaten { asked, beat, told, update, lives } => {
                self.wallet.beaten(&beat, session_s, asked, told);
                if self.wallet.epoch() == Some(beat.epoch) {
                    self.update(&update);
                    if let Some(lives) = lives {
                        self.lives = lives;
                        self.heard_lives += 1;
                    }
                }
            }
            ToBidder::Granted { ask, grant: Ok(grant) } => self.granted(&ask, grant),
            ToBidder::Granted { ask, grant: Err(_) } => {
                let clock = self.clock(now);
                self.wallet.refused(&ask, clock);
            }
            ToBidder::Over { epoch } => {
                if self.wallet.epoch() == Some(epoch) {
                    self.wallet.stop();
                    self.last_words.extend(self.wallet.farewell());
                    self.wallet.end();
                }
            }
            ToBidder::Update { epoch, update } => {
                if self.wallet.epoch() == Some(epoch) {
                    self.update(&update);
                }
            }
        }
    }

    fn record(&mut self) {
        for hold in std::mem::take(&mut self.journal) {
            self.wallet.record(&hold);
        }
    }

    fn granted(&mut self, ask: &Ask, mut grant: Grant) {
        if self.bug == Some(Bug::CreditsGrantsTwice) {
            grant.granted = Nanos(grant.granted.0 + (grant.granted.0 - ask.known.0));
        }
        self.wallet.granted(ask, &grant);
    }

    fn update(&mut self, update: &Update) {
        if self.bug != Some(Bug::SkipsResolved) {
            for (lease, ends, sums) in &update.buckets {
                self.wallet.resolved(*lease, *ends, *sums);
            }
        }
        let before = self.wallet.credits();
        self.wallet.advance(update.watermark);
        if self.bug == Some(Bug::RecyclesTwice) {
            self.credit_again(&before);
        }
        for lease in &update.recalled {
            self.wallet.give_back(*lease);
        }
    }

    /// The planted fault: what came free is put back once more.
    fn credit_again(&mut self, before: &[(LeaseId, Fund, Nanos)]) {
        for (lease, fund, after) in self.wallet.credits() {
            let known = before.iter().find(|(id, _, _)| *id == lease);
            let more = known.map_or(0, |(_, _, remaining)| after.0 - remaining.0);
            let hold = Hold {
                lease,
                epoch: tagbid_budget::Epoch(0),
                day: tagbid_types::BudgetDay(0),
                amount: Nanos(more),
                until: Second(0),
                hold_s: 0,
            };
            let _known = self.wallet.pocket(fund).undo(&hold);
        }
    }
}
