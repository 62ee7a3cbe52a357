//! One bidder: a wallet, and what it says to the ledger.

use std::sync::Arc;

use tagbid_budget::pace::Controller;
use tagbid_budget::{Books, Hold, Pocket, Policy, Today, Update, Wallet};
use tagbid_types::{LineItemId, Monotonic, Nanos, Timestamp};

/// Between two ticks, in milliseconds.
pub(super) const TICK_MS: u32 = 200;

pub(super) struct Bidder {
    wallet: Wallet,
    pockets: Vec<Arc<Pocket>>,
    /// Sums of holds were heard up to this change.
    heard: u64,
}

impl Bidder {
    pub(super) fn new(books: &mut Books, lines: &[LineItemId], paced: bool, now: Timestamp) -> Self {
        let mut wallet = Wallet::new(Policy::default(), Arc::default());
        let (epoch, _) = books.open_session(now);
        wallet.begin(epoch, books.terms().session_s, clock(now), now, books.watermark());
        let pockets: Vec<Arc<Pocket>> = lines.iter().map(|line| wallet.pocket(*line)).collect();
        pockets.iter().for_each(|pocket| pocket.set_paced(paced));
        Self { wallet, pockets, heard: 0 }
    }

    /// Bids, if there are money and tokens.
    pub(super) fn bid(&mut self, line: usize, amount: Nanos, hold_s: u32, now: Timestamp) -> Option<Hold> {
        let hold = self.pockets.get(line)?.hold(amount, hold_s, clock(now)).ok()?;
        self.wallet.record(&hold);
        Some(hold)
    }

    pub(super) fn tick(&mut self, books: &mut Books, lines: &[Today], now: Timestamp) {
        let due = self.wallet.due(clock(now));
        for ask in self.wallet.tick(lines.iter().filter(|today| due.contains(&today.fund())), clock(now)) {
            match books.grant(&ask, now) {
                Ok(grant) => self.wallet.granted(&ask, &grant),
                Err(_) => self.wallet.refused(&ask, clock(now)),
            }
        }
    }

    pub(super) fn beat(&mut self, books: &mut Books, controller: &mut Controller, now: Timestamp) {
        let Some(beat) = self.wallet.beat() else { return };
        if books.beat(&beat, now).is_err() {
            return;
        }
        controller.hear(beat.epoch, &self.wallet.wants(clock(now)));
        self.wallet.beaten(&beat, books.terms().session_s, clock(now), now);
        for (line_item, rate) in controller.rates(beat.epoch) {
            self.wallet.pace(line_item, rate, clock(now));
        }
    }

    pub(super) fn hear_holds(&mut self, books: &Books) {
        let Some(epoch) = self.wallet.epoch() else { return };
        let (Update { watermark, buckets, recalled }, heard) =
            books.update_since(epoch, self.heard, usize::MAX);
        self.heard = heard;
        for (lease, ends, sums) in buckets {
            self.wallet.resolved(lease, ends, sums);
        }
        self.wallet.advance(watermark);
        for lease in recalled {
            self.wallet.give_back(lease);
        }
    }
}

fn clock(now: Timestamp) -> Monotonic {
    Monotonic(now.0.unsigned_abs())
}
