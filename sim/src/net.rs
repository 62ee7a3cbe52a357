//! Messages, and what the network makes of them.

use tagbid_budget::life::HoldLives;
use tagbid_budget::{Ask, Beat, Epoch, Grant, Refusal, Second, Update};
use tagbid_exchange::Dice;
use tagbid_types::{Monotonic, Timestamp};

use crate::setup::Weather;

/// To a ledger.
#[derive(Clone, Debug)]
pub(crate) enum ToLedger {
    /// A bidder begins.
    Open { bidder: usize, asked: Monotonic },
    /// A bidder lives.
    Beat { bidder: usize, asked: Monotonic, beat: Beat },
    /// A bidder wants money.
    Ask { bidder: usize, ask: Ask },
    /// The exchange says what became of a bid.
    Notice(Notice),
}

/// A notice as it is sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notice {
    pub(crate) bid: u64,
    pub(crate) says: Says,
}

/// What it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    Lost,
    /// Billed at this price, in nanos.
    Billed(i64),
}

/// To a bidder.
#[derive(Clone, Debug)]
pub(crate) enum ToBidder {
    Opened {
        asked: Monotonic,
        epoch: Epoch,
        told: Timestamp,
        watermark: Second,
    },
    Beaten {
        asked: Monotonic,
        beat: Beat,
        told: Timestamp,
        update: Update,
        lives: Option<HoldLives>,
    },
    Granted {
        ask: Ask,
        grant: Result<Grant, Refusal>,
    },
    /// The session is over.
    Over {
        epoch: Epoch,
    },
    /// Between two beats.
    Update {
        epoch: Epoch,
        update: Update,
    },
}

/// After how long each copy of a message arrives, in microseconds: none when it is lost.
pub(crate) fn copies(weather: &Weather, dice: &mut Dice) -> Vec<i64> {
    let mut copies = Vec::new();
    if !dice.chance(weather.loss) {
        copies.push(delay(weather, dice));
    }
    if dice.chance(weather.repeat) {
        copies.push(delay(weather, dice));
    }
    copies
}

/// Most are quick.
fn delay(weather: &Weather, dice: &mut Dice) -> i64 {
    let longest = if dice.chance(0.1) { weather.delay } else { weather.delay / 20 };
    dice.between(100, longest.max(200))
}
