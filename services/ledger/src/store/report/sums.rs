//! What a batch adds. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use tagbid_notice::{NoticeKind, Token};
use tagbid_types::{Cpm, Nanos, Timestamp};

use crate::judge::{Outcome, Record};
use crate::store::statements::Column;

/// The key of `report_tallies`. Advertiser and campaign go with the line item; they are in it because a statement that meets one row twice
/// fails, and with it the whole batch, however odd the tokens are.
pub(in crate::store) const TALLY_KEY: [Column; 8] = [
    ("line_item", false),
    ("creative", false),
    ("exchange", true),
    ("currency", true),
    ("day", false),
    ("hour", false),
    ("advertiser", false),
    ("campaign", false),
];

/// Columns of `report_losses`; all but the last are the key.
pub(in crate::store) const LOSS: [Column; 9] = [
    ("line_item", false),
    ("exchange", true),
    ("day", false),
    ("hour", false),
    ("reason", false),
    ("needed", false),
    ("advertiser", false),
    ("campaign", false),
    ("losses", false),
];

/// Steps of what would have won, in percent of what was bid: at most so much; the last: more.
const NEEDED: [i64; 7] = [100, 110, 125, 150, 200, 300, 1_000_000];

const HOUR: i64 = 3_600_000_000;

/// Sums of one row of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sold {
    pub(crate) spent: i64,
    pub(crate) wins: i64,
    pub(crate) billed: i64,
    pub(crate) losses: i64,
    pub(crate) imps: i64,
    pub(crate) clicks: i64,
    /// All that are attributed.
    pub(crate) conversions: i64,
    /// Those of them that are attributed to a view.
    pub(crate) by_view: i64,
}

impl Sold {
    /// Its values by column.
    pub(in crate::store) fn columns(&self) -> [(&'static str, i64); 8] {
        [
            ("spent", self.spent),
            ("wins", self.wins),
            ("billed", self.billed),
            ("losses", self.losses),
            ("imps", self.imps),
            ("clicks", self.clicks),
            ("conversions", self.conversions),
            ("by_view", self.by_view),
        ]
    }
}

impl Serialize for Sold {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.columns())
    }
}

/// Where a bid counts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(in crate::store) struct Cell {
    pub(in crate::store) line_item: i64,
    pub(in crate::store) creative: i64,
    pub(in crate::store) exchange: String,
    pub(in crate::store) currency: String,
    pub(in crate::store) day: i64,
    pub(in crate::store) hour: i64,
    pub(in crate::store) advertiser: i64,
    pub(in crate::store) campaign: i64,
}

impl Cell {
    fn of(token: &Token) -> Self {
        Self {
            line_item: token.line_item.0.cast_signed(),
            creative: token.creative.0.cast_signed(),
            exchange: token.exchange.as_str().to_owned(),
            currency: token.budget_currency.to_string(),
            day: token.budget_day.0.into(),
            hour: hour(token.issued),
            advertiser: token.advertiser.0.cast_signed(),
            campaign: token.campaign.0.cast_signed(),
        }
    }
}

/// The whole hours since 1970 before this moment.
pub(in crate::store) fn hour(at: Timestamp) -> i64 {
    at.0.div_euclid(HOUR)
}

/// A row of `report_tallies` to add.
#[derive(Serialize)]
pub(in crate::store) struct TallyRow {
    #[serde(flatten)]
    cell: Cell,
    #[serde(flatten)]
    sold: Sold,
}

/// A row of `report_losses` to add. Field names are column names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(in crate::store) struct LossCell {
    line_item: i64,
    exchange: String,
    day: i64,
    hour: i64,
    reason: i64,
    needed: i64,
    advertiser: i64,
    campaign: i64,
}

/// The same with its count.
#[derive(Serialize)]
pub(in crate::store) struct LossRow {
    #[serde(flatten)]
    cell: LossCell,
    losses: i64,
}

/// What a batch adds, in the order of the keys.
#[derive(Default)]
pub(in crate::store) struct ReportSums {
    tallies: BTreeMap<Cell, Sold>,
    losses: BTreeMap<LossCell, i64>,
}

/// Its rows.
#[derive(Default)]
pub(in crate::store) struct Written {
    pub(in crate::store) tallies: Vec<TallyRow>,
    pub(in crate::store) losses: Vec<LossRow>,
}

impl ReportSums {
    /// A notice that is kept, and what of it is billed. Late ones, tests and audits are not in reports.
    pub(in crate::store) fn recorded(&mut self, record: &Record, billed: Nanos) {
        let is_billed = record.outcome == Outcome::Billed;
        if !is_billed && record.outcome != Outcome::NotBilling {
            return;
        }
        let sold = self.tallies.entry(Cell::of(&record.token)).or_default();
        sold.spent = sold.spent.saturating_add(billed.0);
        sold.billed += i64::from(is_billed);
        match record.kind {
            NoticeKind::Win => sold.wins += 1,
            NoticeKind::Bill => {}
            NoticeKind::Loss => {
                sold.losses += 1;
                *self.losses.entry(loss(record)).or_default() += 1;
            }
            NoticeKind::Imp => sold.imps += 1,
            NoticeKind::Click => sold.clicks += 1,
        }
    }

    /// So many conversions that are attributed to the bid of this cell; fewer than none: they were, and are not any more.
    pub(in crate::store) fn converted(&mut self, cell: Cell, by_view: bool, more: i64) {
        let sold = self.tallies.entry(cell).or_default();
        sold.conversions += more;
        sold.by_view += i64::from(by_view) * more;
    }

    pub(in crate::store) fn finish(self) -> Written {
        let tallies = self.tallies.into_iter().map(|(cell, sold)| TallyRow { cell, sold });
        let losses = self.losses.into_iter().map(|(cell, losses)| LossRow { cell, losses });
        Written { tallies: tallies.collect(), losses: losses.collect() }
    }
}

fn loss(record: &Record) -> LossCell {
    let Cell { line_item, exchange, day, hour, advertiser, campaign, .. } = Cell::of(&record.token);
    LossCell {
        line_item,
        exchange,
        day,
        hour,
        reason: record.loss_reason.map_or(0, i64::from),
        needed: needed(record.min_to_win, record.token.max_price),
        advertiser,
        campaign,
    }
}

/// The step of what would have won; 0: nobody said.
fn needed(to_win: Option<Cpm>, bid: Cpm) -> i64 {
    let Some(to_win) = to_win.filter(|_| bid > Cpm::ZERO) else { return 0 };
    let within = |percent: &&i64| i128::from(to_win.0) * 100 <= i128::from(bid.0) * i128::from(**percent);
    let [.., more] = NEEDED;
    NEEDED.iter().find(within).copied().unwrap_or(more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_have_won_falls_into_steps_of_what_was_bid() {
        let step = |to_win| needed(Some(Cpm(to_win)), Cpm(1_000_000));
        assert_eq!([0, 1_000_000, 1_000_001, 1_100_000].map(step), [100, 100, 110, 110]);
        assert_eq!([1_250_000, 1_500_001, 3_000_000, 3_000_001].map(step), [125, 200, 300, 1_000_000]);
        assert_eq!(step(i64::MAX), 1_000_000);
        assert_eq!((needed(None, Cpm(1)), needed(Some(Cpm(1)), Cpm(0))), (0, 0));
    }
}
