//! The rows of notices and their sums, as a batch adds them. Pure; both databases use it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tagbid_notice::NoticeKind;
use tagbid_tagset::UserKey;
use tagbid_types::Nanos;

use super::Tally;
use super::conversions::user_text;
use super::report::{self, ReportSums};
use crate::judge::{LOST, Outcome, Record, Suspicion};
use crate::work::Work;

/// What a notice did to its accounts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Effect {
    /// What is billed.
    pub(super) billed: Nanos,
    /// What would have been above the budget, and is not.
    pub(super) uncovered: Nanos,
    /// Impressions above a capacity: billed, and counted here alone.
    pub(super) over_capacity: i64,
    /// An impression or a click of a bid that was told to be lost: kept, and not counted as one.
    pub(super) lost: bool,
}

/// A notice as the database takes it. Field names are column names.
#[derive(Serialize)]
pub(super) struct NoticeInsert {
    exchange: String,
    bid: String,
    kind: &'static str,
    priced: i64,
    outcome: &'static str,
    advertiser: i64,
    campaign: i64,
    line_item: i64,
    creative: i64,
    auction: String,
    imp: String,
    issued: i64,
    received: i64,
    price: Option<i64>,
    max_price: i64,
    currency: String,
    charged: i64,
    excess: i64,
    uncovered: i64,
    over_capacity: i64,
    budget_currency: String,
    day: i64,
    loss_reason: Option<i64>,
    min_to_win: Option<i64>,
    quantity: i64,
    /// Where consent allows to keep it.
    user_key: Option<String>,
    #[serde(skip)]
    user: Option<UserKey>,
}

impl NoticeInsert {
    /// Drops the user's key if this says so of the key and the bid's moment.
    pub(super) fn forget(&mut self, is_forgotten: impl Fn(UserKey, i64) -> bool) {
        if self.user.is_some_and(|user| is_forgotten(user, self.issued)) {
            self.user_key = None;
        }
    }

    /// A notice and what it did.
    pub(super) fn of(record: &Record, effect: &Effect) -> Self {
        let token = &record.token;
        Self {
            exchange: token.exchange.as_str().to_owned(),
            bid: token.bid.to_string(),
            kind: record.kind.as_str(),
            priced: record.price.is_some().into(),
            outcome: if effect.lost { LOST } else { record.outcome.as_str() },
            advertiser: token.advertiser.0.cast_signed(),
            campaign: token.campaign.0.cast_signed(),
            line_item: token.line_item.0.cast_signed(),
            creative: token.creative.0.cast_signed(),
            auction: storable(token.auction.as_str()),
            imp: storable(token.imp.as_str()),
            issued: token.issued.0,
            received: record.received.0,
            price: record.price.map(|price| price.0),
            max_price: token.max_price.0,
            currency: token.currency.to_string(),
            charged: effect.billed.0,
            excess: record.excess.0,
            uncovered: effect.uncovered.0,
            over_capacity: effect.over_capacity,
            budget_currency: token.budget_currency.to_string(),
            day: token.budget_day.0.into(),
            loss_reason: record.loss_reason.map(i64::from),
            min_to_win: record.min_to_win.map(|price| price.0),
            quantity: token.quantity.0,
            user_key: token.user().map(user_text),
            user: token.user().map(UserKey),
        }
    }
}

/// PostgreSQL takes no NUL in text, and the exchange chose this text: one such auction id must not sink a batch.
pub(super) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A bid as the database takes it.
#[derive(Serialize)]
pub(super) struct BidRow<'a> {
    exchange: &'a str,
    bid: String,
}

impl<'a> BidRow<'a> {
    /// All bids that notices of the batch are about, each once.
    pub(super) fn all(batch: &'a [Work]) -> Vec<Self> {
        let bids = batch.iter().filter_map(|work| match work {
            Work::Notice(record) => Some((record.token.exchange.as_str(), record.token.bid)),
            _ => None,
        });
        let bids: BTreeSet<_> = bids.collect();
        bids.into_iter().map(|(exchange, bid)| Self { exchange, bid: bid.to_string() }).collect()
    }
}

/// What is added to one row of `tallies`.
#[derive(Default, Serialize)]
pub(super) struct TallyDelta {
    line_item: i64,
    currency: String,
    day: i64,
    advertiser: i64,
    campaign: i64,
    #[serde(flatten)]
    tally: Tally,
}

impl Serialize for Tally {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.columns())
    }
}

impl Tally {
    /// Its values by column.
    pub(super) fn columns(&self) -> [(&'static str, i64); 13] {
        [
            ("spent", self.spent),
            ("excess", self.excess),
            ("wins", self.wins),
            ("billed", self.billed),
            ("losses", self.losses),
            ("imps", self.imps),
            ("clicks", self.clicks),
            ("unbilled", self.unbilled),
            ("late", self.late),
            ("duplicates", self.duplicates),
            ("quarantined", self.quarantined),
            ("uncovered", self.uncovered),
            ("over_capacity", self.over_capacity),
        ]
    }

    fn count_recorded(&mut self, record: &Record) {
        match record.outcome {
            Outcome::Late => self.late += 1,
            Outcome::Test | Outcome::Audit | Outcome::Unpriced | Outcome::Suspect(_) => self.unbilled += 1,
            Outcome::Billed | Outcome::NotBilling => {
                self.billed += i64::from(record.outcome == Outcome::Billed);
                match record.kind {
                    NoticeKind::Win => self.wins += 1,
                    NoticeKind::Bill => {}
                    NoticeKind::Loss => self.losses += 1,
                    NoticeKind::Imp => self.imps += 1,
                    NoticeKind::Click => self.clicks += 1,
                }
            }
        }
    }
}

/// What is added to one row of `quarantine`.
#[derive(Serialize)]
pub(super) struct QuarantineDelta {
    exchange: String,
    bid: String,
    kind: &'static str,
    advertiser: i64,
    campaign: i64,
    line_item: i64,
    reason: &'static str,
    price: Option<i64>,
    said: Option<String>,
    times: i64,
    first_at: i64,
    last_at: i64,
    creative: i64,
    auction: String,
    imp: String,
    issued: i64,
    max_price: i64,
    currency: String,
    quantity: i64,
    budget_currency: String,
    day: i64,
}

/// What a batch adds to sums. Rows go to the database in the order of their keys.
#[derive(Default)]
pub(super) struct Sums {
    tallies: BTreeMap<(i64, String, i64), TallyDelta>,
    quarantine: BTreeMap<(String, u128, NoticeKind), QuarantineDelta>,
    /// What reports are made of.
    pub(super) report: ReportSums,
}

impl Sums {
    /// A notice that is kept. Saturating: a sum at the end of i64 is refused by the database, not wrapped here.
    pub(super) fn recorded(&mut self, record: &Record, effect: &Effect) {
        let tally = self.tally(record);
        tally.spent = tally.spent.saturating_add(effect.billed.0);
        tally.excess = tally.excess.saturating_add(record.excess.0);
        tally.uncovered = tally.uncovered.saturating_add(effect.uncovered.0);
        tally.over_capacity = tally.over_capacity.saturating_add(effect.over_capacity);
        if effect.lost {
            tally.unbilled += 1;
            return;
        }
        tally.count_recorded(record);
        self.report.recorded(record, effect.billed);
    }

    /// One that said again what was said before.
    pub(super) fn duplicate(&mut self, record: &Record) {
        self.tally(record).duplicates += 1;
    }

    /// One that is kept aside.
    pub(super) fn quarantined(&mut self, record: &Record, reason: Suspicion) {
        self.tally(record).quarantined += 1;
        let key = (record.token.exchange.as_str().to_owned(), record.token.bid.0, record.kind);
        let delta = self.quarantine.entry(key).or_insert_with(|| QuarantineDelta::of(record));
        delta.times += 1;
        delta.reason = reason.as_str();
        delta.price = record.price.map(|price| price.0);
        delta.said = record.said.as_deref().map(storable);
        delta.last_at = record.received.0;
    }

    fn tally(&mut self, record: &Record) -> &mut Tally {
        let token = &record.token;
        let line_item = token.line_item.0.cast_signed();
        let (currency, day) = (token.budget_currency.to_string(), i64::from(token.budget_day.0));
        let delta = self.tallies.entry((line_item, currency.clone(), day)).or_insert_with(|| TallyDelta {
            line_item,
            currency,
            day,
            advertiser: token.advertiser.0.cast_signed(),
            campaign: token.campaign.0.cast_signed(),
            tally: Tally::default(),
        });
        &mut delta.tally
    }

    /// The rows.
    pub(super) fn finish(self) -> (Vec<TallyDelta>, Vec<QuarantineDelta>, report::Written) {
        let report = self.report.finish();
        (self.tallies.into_values().collect(), self.quarantine.into_values().collect(), report)
    }
}

impl QuarantineDelta {
    fn of(record: &Record) -> Self {
        let token = &record.token;
        Self {
            exchange: token.exchange.as_str().to_owned(),
            bid: token.bid.to_string(),
            kind: record.kind.as_str(),
            advertiser: token.advertiser.0.cast_signed(),
            campaign: token.campaign.0.cast_signed(),
            line_item: token.line_item.0.cast_signed(),
            reason: "",
            price: None,
            said: None,
            times: 0,
            first_at: record.received.0,
            last_at: record.received.0,
            creative: token.creative.0.cast_signed(),
            auction: storable(token.auction.as_str()),
            imp: storable(token.imp.as_str()),
            issued: token.issued.0,
            max_price: token.max_price.0,
            currency: token.currency.to_string(),
            quantity: token.quantity.0,
            budget_currency: token.budget_currency.to_string(),
            day: token.budget_day.0.into(),
        }
    }
}
