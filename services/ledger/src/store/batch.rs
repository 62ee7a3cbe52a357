//! The arithmetic of a batch: what to insert, what came twice, what to add to which sum. Pure; both databases use it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde::Serialize;
use tagbid_notice::NoticeKind;
use tagbid_types::Cpm;

use super::{Key, Tally, Verdict};
use crate::judge::{Outcome, Record, Suspicion};

/// A notice as the database takes it. Field names are column names.
#[derive(Serialize)]
pub(super) struct NoticeInsert<'a> {
    exchange: &'a str,
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
    currency: &'a str,
    charged: i64,
    excess: i64,
    budget_currency: &'a str,
    day: i64,
    loss_reason: Option<i64>,
    min_to_win: Option<i64>,
}

impl<'a> NoticeInsert<'a> {
    fn of(record: &'a Record) -> Self {
        let token = &record.token;
        Self {
            exchange: token.exchange.as_str(),
            bid: token.bid.to_string(),
            kind: record.kind.as_str(),
            priced: record.price.is_some().into(),
            outcome: record.outcome.as_str(),
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
            currency: token.currency.as_str(),
            charged: record.charged.0,
            excess: record.excess.0,
            budget_currency: token.budget_currency.as_str(),
            day: token.budget_day.0.into(),
            loss_reason: record.loss_reason.map(i64::from),
            min_to_win: record.min_to_win.map(|price| price.0),
        }
    }
}

/// PostgreSQL takes no NUL in text, and the exchange chose this text: one such auction id must not sink a batch.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// A key as the database takes it.
#[derive(Serialize)]
pub(super) struct KeyRow<'a> {
    exchange: &'a str,
    bid: String,
    kind: &'static str,
    priced: i64,
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
    pub(super) fn columns(&self) -> [(&'static str, i64); 11] {
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
        ]
    }

    /// Counts one record. Saturating: a sum at the end of i64 is refused by the database, not wrapped here.
    fn count(&mut self, record: &Record, verdict: Verdict) {
        match verdict {
            Verdict::Duplicate => self.duplicates += 1,
            Verdict::Quarantined => self.quarantined += 1,
            Verdict::Recorded => {
                self.spent = self.spent.saturating_add(record.charged.0);
                self.excess = self.excess.saturating_add(record.excess.0);
                self.count_recorded(record);
            }
        }
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
pub(super) struct QuarantineDelta<'a> {
    exchange: &'a str,
    bid: String,
    kind: &'static str,
    advertiser: i64,
    campaign: i64,
    line_item: i64,
    reason: &'static str,
    price: Option<i64>,
    times: i64,
    first_at: i64,
    last_at: i64,
}

/// A batch on its way through one transaction. Rows go to the database in the order of their keys, so that two
/// ledgers on one database wait for each other but never in a circle.
pub(super) struct Plan<'a> {
    batch: &'a [Record],
    keys: Vec<Key>,
    /// Place in the batch of the first record of each key. Suspects are not among them.
    firsts: BTreeMap<Key, usize>,
}

impl<'a> Plan<'a> {
    pub(super) fn of(batch: &'a [Record]) -> Self {
        let keys: Vec<Key> = batch.iter().map(Key::of).collect();
        let mut firsts = BTreeMap::new();
        for (place, (record, key)) in batch.iter().zip(&keys).enumerate() {
            if suspicion(record).is_none() {
                firsts.entry(key.clone()).or_insert(place);
            }
        }
        Self { batch, keys, firsts }
    }

    /// What to insert where its key is free.
    pub(super) fn inserts(&self) -> Vec<NoticeInsert<'a>> {
        let records = self.firsts.values().filter_map(|place| self.batch.get(*place));
        records.map(NoticeInsert::of).collect()
    }

    /// Keys whose kept price decides between duplicate and quarantine.
    pub(super) fn unsettled(&self, inserted: &HashSet<Key>) -> Vec<KeyRow<'_>> {
        let open = (0..self.batch.len()).filter(|place| !self.is_new(*place, inserted));
        let keys: BTreeSet<&Key> = open.filter_map(|place| self.keys.get(place)).collect();
        let known = keys.into_iter().filter(|key| self.firsts.contains_key(key));
        known
            .map(|key| KeyRow {
                exchange: &key.exchange,
                bid: key.bid.to_string(),
                kind: key.kind.as_str(),
                priced: key.priced.into(),
            })
            .collect()
    }

    /// Whether this record is the one that was inserted.
    fn is_new(&self, place: usize, inserted: &HashSet<Key>) -> bool {
        let key = self.keys.get(place);
        key.is_some_and(|key| self.firsts.get(key) == Some(&place) && inserted.contains(key))
    }

    /// The verdict on each record, given what was inserted and what the database keeps for the other keys.
    pub(super) fn verdicts(&self, inserted: &HashSet<Key>, kept: &HashMap<Key, Option<Cpm>>) -> Vec<Verdict> {
        let judge = |(place, (record, key)): (usize, (&Record, &Key))| {
            if suspicion(record).is_some() {
                Verdict::Quarantined
            } else if self.is_new(place, inserted) {
                Verdict::Recorded
            } else if kept.get(key) == Some(&record.price) {
                Verdict::Duplicate
            } else {
                Verdict::Quarantined
            }
        };
        self.batch.iter().zip(&self.keys).enumerate().map(judge).collect()
    }

    /// What to add to the sums, one delta a row, in the order of the rows.
    pub(super) fn tallies(&self, verdicts: &[Verdict]) -> Vec<TallyDelta> {
        let mut deltas: BTreeMap<(i64, String, i64), TallyDelta> = BTreeMap::new();
        for (record, verdict) in self.batch.iter().zip(verdicts) {
            let token = &record.token;
            let line_item = token.line_item.0.cast_signed();
            let (currency, day) = (token.budget_currency.to_string(), i64::from(token.budget_day.0));
            let delta = deltas.entry((line_item, currency.clone(), day)).or_insert_with(|| TallyDelta {
                line_item,
                currency,
                day,
                advertiser: token.advertiser.0.cast_signed(),
                campaign: token.campaign.0.cast_signed(),
                tally: Tally::default(),
            });
            delta.tally.count(record, *verdict);
        }
        deltas.into_values().collect()
    }

    /// What to keep aside, one delta a row, in the order of the rows.
    pub(super) fn quarantine(&self, verdicts: &[Verdict]) -> Vec<QuarantineDelta<'a>> {
        let mut deltas: BTreeMap<(&str, u128, NoticeKind), QuarantineDelta<'a>> = BTreeMap::new();
        for (record, verdict) in self.batch.iter().zip(verdicts) {
            if *verdict != Verdict::Quarantined {
                continue;
            }
            let key = (record.token.exchange.as_str(), record.token.bid.0, record.kind);
            let delta = deltas.entry(key).or_insert_with(|| QuarantineDelta::of(record));
            delta.times += 1;
            delta.price = record.price.map(|price| price.0);
            delta.last_at = record.received.0;
        }
        deltas.into_values().collect()
    }
}

impl<'a> QuarantineDelta<'a> {
    fn of(record: &'a Record) -> Self {
        let token = &record.token;
        Self {
            exchange: token.exchange.as_str(),
            bid: token.bid.to_string(),
            kind: record.kind.as_str(),
            advertiser: token.advertiser.0.cast_signed(),
            campaign: token.campaign.0.cast_signed(),
            line_item: token.line_item.0.cast_signed(),
            // A record without a suspicion of its own is here because the database keeps another price.
            reason: suspicion(record).unwrap_or(Suspicion::Price).as_str(),
            price: None,
            times: 0,
            first_at: record.received.0,
            last_at: record.received.0,
        }
    }
}

fn suspicion(record: &Record) -> Option<Suspicion> {
    match record.outcome {
        Outcome::Suspect(suspicion) => Some(suspicion),
        _ => None,
    }
}
