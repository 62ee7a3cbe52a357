//! Bidders, the exchange, and the links between all machines.

use tagbid_budget::{Hold, Line, Today};
use tagbid_types::{Nanos, Timestamp};

use super::{Event, World};
use crate::bidder::TICK_MS;
use crate::net::{Notice, Says, ToBidder, ToLedger, copies};
use crate::setup::{BEGIN, Item, SECOND};

impl World {
    pub(super) fn auction(&mut self) {
        if self.is_over() {
            return;
        }
        let wait = self.dice.between(1, 2 * self.setup.auctions_every);
        self.after(wait, Event::Auction);
        let number = self.dice.below(self.bidders.len());
        let item = self.dice.pick(&self.setup.items).clone();
        let bidder = &mut self.bidders[number];
        if !bidder.up || bidder.paused_until > self.now {
            return;
        }
        let line = item.line;
        let life = bidder.life(&item.cell(), item.hold_s);
        // Some impressions say that they may be shown later than others.
        let hold_s = if item.slow_s > life && self.dice.chance(0.05) { item.slow_s } else { life };
        if let Ok(hold) = bidder.hold(line.line_item, Nanos(item.bid), hold_s, self.now) {
            bidder.on_their_way += 1;
            let life = bidder.life;
            let thinking = self.dice.between(10, 200_000);
            self.after(thinking, Event::Send { bidder: number, life, line, hold });
        }
    }

    pub(super) fn send(&mut self, number: usize, life: u64, line: Line, hold: Hold) {
        let bidder = &mut self.bidders[number];
        if bidder.life != life {
            return;
        }
        if bidder.paused_until > self.now {
            let wait = bidder.paused_until - self.now;
            return self.after(wait, Event::Send { bidder: number, life, line, hold });
        }
        if bidder.send(line.line_item, &hold, self.now) {
            self.totals.bids += 1;
            self.check_session(&hold);
            let notices = self.exchange.take(line, hold, (&self.setup, self.now), &mut self.dice);
            for planned in notices {
                self.after(planned.after, Event::Notice { notice: planned.notice, attempt: 0 });
            }
        }
    }

    /// A bidder stops before its session is over, where the ledgers' clocks are right.
    fn check_session(&mut self, hold: &Hold) {
        let now = Timestamp(self.now);
        let over = self.database.session(hold.epoch).is_none_or(|session| session.valid_until <= now);
        if over && self.setup.weather.clocks_off == 0 {
            self.check(Err(format!("a bid was sent although the session of {hold:?} is over")));
        }
    }

    pub(super) fn tick(&mut self, number: usize, life: u64) {
        let bidder = &mut self.bidders[number];
        // After the end nobody beats: what is left has to come back by itself.
        if bidder.life != life || self.now >= BEGIN + self.setup.duration {
            return;
        }
        let paused = bidder.paused_until - self.now;
        if paused > 0 {
            return self.after(paused, Event::Tick { bidder: number, life });
        }
        let told = bidder.wallet.time().at(bidder.clock(self.now));
        let today = |item: &Item| {
            let today = self.setup.today(item, told);
            Today { longest_hold_s: bidder.longest(today.longest_hold_s), ..today }
        };
        let lines: Vec<Today> = self.setup.items.iter().map(today).collect();
        for message in bidder.tick(&lines, self.now) {
            self.post_to_ledger(number, message);
        }
        self.after(i64::from(TICK_MS) * 1_000, Event::Tick { bidder: number, life });
    }

    pub(super) fn at_bidder(&mut self, number: usize, life: u64, message: ToBidder) {
        let bidder = &mut self.bidders[number];
        if bidder.life != life || !bidder.up {
            return;
        }
        let paused = bidder.paused_until - self.now;
        if paused > 0 {
            return self.after(paused, Event::ToBidder { bidder: number, life, message });
        }
        let heard = bidder.heard_lives;
        bidder.hear(message, self.setup.terms.session_s, self.now);
        self.totals.lives += bidder.heard_lives - heard;
        if bidder.on_their_way == 0 {
            let result = bidder.wallet.audit();
            self.check(result);
        }
    }

    pub(super) fn start_bidder(&mut self, number: usize) {
        let bidder = &mut self.bidders[number];
        bidder.up = true;
        let life = bidder.life;
        self.after(1, Event::Tick { bidder: number, life });
    }

    pub(super) fn notice(&mut self, notice: Notice, attempt: u32) {
        let done = self.exchange.bids.get(&notice.bid).is_some_and(|bid| bid.acknowledged);
        if (done && attempt > 0) || attempt > 6 {
            return;
        }
        let ledger = self.dice.below(self.ledgers.len());
        for wait in copies(&self.setup.weather, &mut self.dice) {
            self.after(wait, Event::ToLedger { ledger, message: ToLedger::Notice(notice) });
        }
        let again = (2 * SECOND) << attempt.min(4);
        self.after(again, Event::Notice { notice, attempt: attempt + 1 });
    }

    pub(super) fn acknowledged(&mut self, notice: Notice) {
        if let (Some(bid), Says::Billed(price)) = (self.exchange.bids.get_mut(&notice.bid), notice.says) {
            bid.acknowledged |= bid.price == Some(price);
        }
    }

    pub(super) fn post_to_ledger(&mut self, bidder: usize, message: ToLedger) {
        let ledger = self.dice.below(self.ledgers.len());
        if self.cut.contains(&(bidder, ledger)) {
            return;
        }
        for wait in copies(&self.setup.weather, &mut self.dice) {
            self.after(wait, Event::ToLedger { ledger, message: message.clone() });
        }
    }

    pub(super) fn post_to_bidder(&mut self, ledger: usize, bidder: usize, message: ToBidder) {
        if self.cut.contains(&(bidder, ledger)) {
            return;
        }
        let life = self.bidders[bidder].life;
        for wait in copies(&self.setup.weather, &mut self.dice) {
            self.after(wait, Event::ToBidder { bidder, life, message: message.clone() });
        }
    }
}
