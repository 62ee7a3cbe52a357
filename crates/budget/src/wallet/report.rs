//! What a bidder tells the ledger of its bids, for it to pace them by, and what it hears back.

use std::time::Duration;

use tagbid_types::{LineItemId, Monotonic, Nanos};

use super::Wallet;
use super::purse::Wanted;
use crate::pace::{Rate, Want};

/// A line item that nobody bid for in so long is not told of: its sums have been heard.
const LATELY: Duration = Duration::from_secs(10);

/// Line items that one beat speaks of: some hundred kilobytes. Others keep the rates that they have.
const WANTS: usize = 10_000;

/// Sums of one line item since the session began. They wrap around: sessions last for months, and only differences are looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Report {
    wanted: i64,
    pub(super) made: i64,
    /// What one bid held last.
    unit: i64,
    last: Monotonic,
}

impl Report {
    pub(super) fn add(&mut self, wanted: Wanted, now: Monotonic) {
        self.wanted = self.wanted.wrapping_add(wanted.sum.max(0));
        if wanted.least <= wanted.most {
            (self.unit, self.last) = (wanted.most, now);
        }
    }
}

impl Wallet {
    /// What the ledger paces line items by: of those that somebody bid for lately. To be sent with each beat.
    pub fn wants(&mut self, now: Monotonic) -> Vec<Want> {
        let lately = self.reports.iter().filter(|(_, report)| now.since(report.last) < LATELY);
        let want = |(line_item, report): (&LineItemId, &Report)| {
            let pocket = self.pockets.of(*line_item);
            Want {
                line_item: *line_item,
                // What was wanted since it was last looked at as well: that may be seconds ago.
                wanted: Nanos(report.wanted.wrapping_add(pocket.untaken())),
                made: Nanos(report.made),
                unit: Nanos(report.unit),
                hold_s: pocket.hold_s(),
            }
        };
        // Beginning after the last one that was told of: where there are more, all have their turn.
        let mut all: Vec<Want> = lately.map(want).collect();
        let next = all.partition_point(|want| want.line_item <= self.told_of);
        all.rotate_left(next);
        all.truncate(WANTS);
        if let Some(last) = all.last() {
            self.told_of = last.line_item;
        }
        all
    }

    /// The ledger's rate for a line item; in force until the next.
    pub fn pace(&self, line_item: LineItemId, rate: Rate, now: Monotonic) {
        self.pockets.of(line_item).tokens.set(rate, now);
    }
}
