//! Bidders, the exchange, and the links between all machines.

use tagbid_budget::{Hold, Holds, Today, Unit};
use tagbid_types::Timestamp;

use super::{Event, World};
use crate::bidder::TICK_MS;
use crate::net::{Notice, Says, ToBidder, ToLedger, copies};
use crate::setup::{BEGIN, SECOND};

impl World {
    pub(super) fn auction(&mut self) {
        if self.is_over() {
            return;
        }
        let wait = self.dice.between(1, 2 * self.setup.auctions_every);
        self.after(wait, Event::Auction);
        let number = self.dice.below(self.bidders.len());
        let item = self.dice.below(self.setup.items.len());
        let bidder = &mut self.bidders[number];
        if !bidder.up || bidder.paused_until > self.now {
            return;
        }
        let drawn = &self.setup.items[item];
        let life = bidder.life(&drawn.cell(), drawn.hold_s);
        // Some impressions say that they may be shown later than others.
        let hold_s = if drawn.slow_s > life && self.dice.chance(0.05) { drawn.slow_s } else { life };
        if let Some(holds) = bidder.hold(drawn, hold_s, self.now) {
            let life = bidder.life;
            let thinking = self.dice.between(10, 200_000);
            self.after(thinking, Event::Send { bidder: number, life, item, holds });
        }
    }

    pub(super) fn send(&mut self, number: usize, life: u64, item: usize, holds: Holds) {
        let bidder = &mut self.bidders[number];
        if bidder.life != life {
            return;
        }
        if bidder.paused_until > self.now {
            let wait = bidder.paused_until - self.now;
            return self.after(wait, Event::Send { bidder: number, life, item, holds });
        }
        let item = &self.setup.items[item];
        if bidder.send(item, &holds, self.now) {
            self.totals.bids += 1;
            let notices = self.exchange.take(item, holds, (&self.setup, self.now), &mut self.dice);
            holds.any().iter().for_each(|hold| self.check_session(hold));
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
        let items = self.setup.items.iter();
        let of = |unit| move |item| (item, unit);
        let rationed = items.clone().filter(|item| item.rationed).map(of(Unit::Impressions));
        let today = |(item, unit)| self.setup.today(item, unit, told);
        let lines: Vec<Today> = items.map(of(Unit::Money)).chain(rationed).map(today).collect();
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
