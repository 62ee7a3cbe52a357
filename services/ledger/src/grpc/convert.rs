//! Requests into queries, rows into answers.

use std::collections::BTreeMap;

use tagbid_notice::NoticeKind;
use tagbid_types::{AdvertiserId, BudgetDay, CampaignId, LineItemId, Timestamp};
use tagbid_wire::ledger::{day_from, day_text};
use tagbid_wire::pb::ledger as pb;

use super::fault::Fault;
use crate::judge::LOST;
use crate::store::{
    NoticeQuery, NoticeRow, QuarantineQuery, QuarantineRow, SpendPlace, SpendQuery, SpendRow, Tally,
};

const MAX_PAGE: i32 = 1_000;
const DEFAULT_PAGE: u32 = 100;
pub(super) const MAX_LINE_ITEMS: usize = 1_000;

/// Gathers what is wrong with a request, so that a caller sees all of it at once.
#[derive(Default)]
pub(super) struct Checks(Vec<(&'static str, String)>);

impl Checks {
    /// The value, or its default and a note of what is wrong.
    pub(super) fn take<T: Default>(&mut self, field: &'static str, value: Result<T, String>) -> T {
        value.unwrap_or_else(|problem| {
            self.0.push((field, problem));
            T::default()
        })
    }

    pub(super) fn finish<T>(self, value: T) -> Result<T, Fault> {
        if self.0.is_empty() { Ok(value) } else { Err(Fault::BadRequest(self.0)) }
    }
}

pub(super) fn spend_query(
    asked: &pb::GetSpendRequest,
    advertiser: Option<AdvertiserId>,
) -> Result<SpendQuery, Fault> {
    let mut checks = Checks::default();
    if asked.line_item_ids.len() > MAX_LINE_ITEMS {
        checks.take("line_item_ids", Err::<(), _>(format!("ask for at most {MAX_LINE_ITEMS}")));
    }
    let query = SpendQuery {
        advertiser,
        campaign: (asked.campaign_id != 0).then_some(CampaignId(asked.campaign_id)),
        line_items: asked.line_item_ids.iter().copied().map(LineItemId).collect(),
        first_day: checks.take("first_day", day(&asked.first_day)),
        last_day: checks.take("last_day", day(&asked.last_day)),
        after: checks.take("page_token", spend_place(&asked.page_token)),
        limit: checks.take("page_size", page_size(asked.page_size)),
    };
    if matches!((query.first_day, query.last_day), (Some(first), Some(last)) if first > last) {
        checks.take("last_day", Err::<(), _>("is before first_day".into()));
    }
    checks.finish(query)
}

pub(super) fn wins_query(asked: &pb::CountWinsRequest) -> Result<SpendQuery, Fault> {
    let mut checks = Checks::default();
    if asked.line_item_ids.is_empty() || asked.line_item_ids.len() > MAX_LINE_ITEMS {
        checks.take("line_item_ids", Err::<(), _>(format!("ask for 1 to {MAX_LINE_ITEMS}")));
    }
    let query = SpendQuery {
        line_items: asked.line_item_ids.iter().copied().map(LineItemId).collect(),
        first_day: checks.take("first_day", day(&asked.first_day)),
        ..SpendQuery::default()
    };
    checks.finish(query)
}

pub(super) fn wins(counts: &BTreeMap<LineItemId, u64>) -> pb::CountWinsResponse {
    let wins = counts.iter().map(|(id, wins)| pb::LineItemWins { line_item_id: id.0, wins: *wins });
    pb::CountWinsResponse { wins: wins.collect() }
}

pub(super) fn notice_query(
    asked: &pb::ListNoticesRequest,
    advertiser: Option<AdvertiserId>,
) -> Result<NoticeQuery, Fault> {
    let mut checks = Checks::default();
    let query = NoticeQuery {
        advertiser,
        campaign: (asked.campaign_id != 0).then_some(CampaignId(asked.campaign_id)),
        line_item: (asked.line_item_id != 0).then_some(LineItemId(asked.line_item_id)),
        kind: checks.take("kind", kind(asked.kind)),
        from: checks.take("received_from", moment(asked.received_from.as_ref())),
        until: checks.take("received_until", moment(asked.received_until.as_ref())),
        before: checks.take("page_token", sequence(&asked.page_token)),
        limit: checks.take("page_size", page_size(asked.page_size)),
    };
    checks.finish(query)
}

pub(super) fn quarantine_query(
    asked: &pb::ListQuarantinedRequest,
    advertiser: Option<AdvertiserId>,
) -> Result<QuarantineQuery, Fault> {
    let mut checks = Checks::default();
    let query = QuarantineQuery {
        advertiser,
        before: checks.take("page_token", sequence(&asked.page_token)),
        limit: checks.take("page_size", page_size(asked.page_size)),
    };
    checks.finish(query)
}

pub(super) fn page_size(asked: i32) -> Result<u32, String> {
    match asked {
        0 => Ok(DEFAULT_PAGE),
        1..=MAX_PAGE => Ok(asked.cast_unsigned()),
        _ => Err(format!("use 1 to {MAX_PAGE}, or 0 for {DEFAULT_PAGE}")),
    }
}

pub(super) fn day(text: &str) -> Result<Option<BudgetDay>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    day_from(text).map(Some).ok_or_else(|| "use YYYY-MM-DD".to_owned())
}

pub(super) const BAD_PAGE: &str = "use next_page_token of the answer before";

fn sequence(token: &str) -> Result<Option<i64>, String> {
    match token {
        "" => Ok(None),
        _ => token.parse().map(Some).map_err(|_| BAD_PAGE.to_owned()),
    }
}

fn spend_place(token: &str) -> Result<Option<SpendPlace>, String> {
    if token.is_empty() {
        return Ok(None);
    }
    let place = || {
        let mut parts = token.splitn(3, ':');
        Some(SpendPlace {
            day: BudgetDay(parts.next()?.parse().ok()?),
            line_item: LineItemId(parts.next()?.parse().ok()?),
            currency: parts.next()?.to_owned(),
        })
    };
    place().map(Some).ok_or_else(|| BAD_PAGE.to_owned())
}

pub(super) fn moment(at: Option<&prost_types::Timestamp>) -> Result<Option<Timestamp>, String> {
    let Some(at) = at else { return Ok(None) };
    if !(0..1_000_000_000).contains(&at.nanos) {
        return Err("nanos: use 0 to 999,999,999".into());
    }
    let micros = at.seconds.checked_mul(1_000_000);
    let micros = micros.and_then(|micros| micros.checked_add(i64::from(at.nanos) / 1_000));
    micros.map(|micros| Some(Timestamp(micros))).ok_or_else(|| "is out of range".into())
}

pub(super) fn timestamp(at: Timestamp) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp {
        seconds: at.secs(),
        nanos: i32::try_from(at.0.rem_euclid(1_000_000) * 1_000).unwrap_or(0),
    })
}

fn kind(asked: i32) -> Result<Option<NoticeKind>, String> {
    match pb::NoticeKind::try_from(asked) {
        Ok(pb::NoticeKind::Unspecified) => Ok(None),
        Ok(pb::NoticeKind::Win) => Ok(Some(NoticeKind::Win)),
        Ok(pb::NoticeKind::Bill) => Ok(Some(NoticeKind::Bill)),
        Ok(pb::NoticeKind::Loss) => Ok(Some(NoticeKind::Loss)),
        Ok(pb::NoticeKind::Impression) => Ok(Some(NoticeKind::Imp)),
        Ok(pb::NoticeKind::Click) => Ok(Some(NoticeKind::Click)),
        Err(_) => {
            Err(format!("{asked} is no kind of notice; use a value of NoticeKind, or leave it out for all"))
        }
    }
}

fn kind_of(name: &str) -> pb::NoticeKind {
    match NoticeKind::from_name(name) {
        Some(NoticeKind::Win) => pb::NoticeKind::Win,
        Some(NoticeKind::Bill) => pb::NoticeKind::Bill,
        Some(NoticeKind::Loss) => pb::NoticeKind::Loss,
        Some(NoticeKind::Imp) => pb::NoticeKind::Impression,
        Some(NoticeKind::Click) => pb::NoticeKind::Click,
        None => pb::NoticeKind::Unspecified,
    }
}

fn outcome_of(name: &str) -> pb::Outcome {
    match name {
        "billed" => pb::Outcome::Billed,
        "not_billing" => pb::Outcome::NotBilling,
        "late" => pb::Outcome::Late,
        "test" => pb::Outcome::Test,
        "audit" => pb::Outcome::Audit,
        "unpriced" => pb::Outcome::Unpriced,
        LOST => pb::Outcome::Lost,
        _ => pb::Outcome::Unspecified,
    }
}

/// The token of the next page: none when this page was not full.
pub(super) fn next<T>(rows: &[T], limit: u32, token: impl Fn(&T) -> String) -> String {
    let full = rows.len() >= limit as usize;
    rows.last().filter(|_| full).map(token).unwrap_or_default()
}

pub(super) fn spend(rows: &[SpendRow], totals: Vec<(String, Tally)>, limit: u32) -> pb::GetSpendResponse {
    let token = |row: &SpendRow| {
        let place = &row.place;
        format!("{}:{}:{}", place.day, place.line_item, place.currency)
    };
    pb::GetSpendResponse {
        next_page_token: next(rows, limit, token),
        rows: rows.iter().map(spend_row).collect(),
        totals: totals
            .into_iter()
            .map(|(currency, sums)| pb::SpendTotal { currency, tally: Some(tally(&sums)) })
            .collect(),
    }
}

fn spend_row(row: &SpendRow) -> pb::Spend {
    pb::Spend {
        advertiser_id: row.advertiser.0,
        campaign_id: row.campaign.0,
        line_item_id: row.place.line_item.0,
        day: day_text(row.place.day),
        currency: row.place.currency.clone(),
        tally: Some(tally(&row.tally)),
    }
}

fn tally(sums: &Tally) -> pb::Tally {
    pb::Tally {
        spent_nanos: sums.spent,
        excess_nanos: sums.excess,
        uncovered_nanos: sums.uncovered,
        over_capacity: sums.over_capacity.cast_unsigned(),
        wins: sums.wins.cast_unsigned(),
        billed: sums.billed.cast_unsigned(),
        losses: sums.losses.cast_unsigned(),
        impressions: sums.imps.cast_unsigned(),
        clicks: sums.clicks.cast_unsigned(),
        unbilled: sums.unbilled.cast_unsigned(),
        late: sums.late.cast_unsigned(),
        duplicates: sums.duplicates.cast_unsigned(),
        quarantined: sums.quarantined.cast_unsigned(),
    }
}

pub(super) fn notices(rows: Vec<NoticeRow>, limit: u32) -> pb::ListNoticesResponse {
    pb::ListNoticesResponse {
        next_page_token: next(&rows, limit, |row| row.seq.to_string()),
        notices: rows.into_iter().map(notice).collect(),
    }
}

fn notice(row: NoticeRow) -> pb::Notice {
    pb::Notice {
        kind: kind_of(&row.kind).into(),
        outcome: outcome_of(&row.outcome).into(),
        exchange: row.exchange,
        bid_id: row.bid,
        advertiser_id: row.advertiser.0,
        campaign_id: row.campaign.0,
        line_item_id: row.line_item.0,
        creative_id: row.creative.0,
        auction_id: row.auction,
        imp_id: row.imp,
        bid_time: timestamp(row.issued),
        received: timestamp(row.received),
        price_micros: row.price.map(|price| price.0),
        max_price_micros: row.max_price.0,
        quantity_millionths: row.quantity.0,
        currency: row.currency,
        charged_nanos: row.charged.0,
        excess_nanos: row.excess.0,
        uncovered_nanos: row.uncovered.0,
        over_capacity: row.over_capacity.cast_unsigned(),
        budget_currency: row.budget_currency,
        budget_day: day_text(row.day),
        loss_reason: row.loss_reason.and_then(|code| u32::try_from(code).ok()),
        min_to_win_micros: row.min_to_win.map(|price| price.0),
    }
}

pub(super) fn quarantined(rows: Vec<QuarantineRow>, limit: u32) -> pb::ListQuarantinedResponse {
    pb::ListQuarantinedResponse {
        next_page_token: next(&rows, limit, |row| row.seq.to_string()),
        quarantined: rows.into_iter().map(suspect).collect(),
    }
}

fn suspect(row: QuarantineRow) -> pb::Quarantined {
    pb::Quarantined {
        kind: kind_of(&row.kind).into(),
        exchange: row.exchange,
        bid_id: row.bid,
        advertiser_id: row.advertiser.0,
        campaign_id: row.campaign.0,
        line_item_id: row.line_item.0,
        reason: row.reason,
        price_micros: row.price.map(|price| price.0),
        said: row.said.unwrap_or_default(),
        times: row.times.cast_unsigned(),
        first_received: timestamp(row.first),
        last_received: timestamp(row.last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_survive_the_wire() {
        for (text, number) in [("1970-01-01", 0), ("2024-02-29", 19_782), ("1969-12-31", -1)] {
            assert_eq!(day(text), Ok(Some(BudgetDay(number))));
            assert_eq!(day_text(BudgetDay(number)), text);
        }
        assert_eq!(day(""), Ok(None));
        for bad in ["2024-2-9", "2023-02-29", "today", "2024-02-29T10:00"] {
            assert!(day(bad).is_err(), "{bad} was accepted");
        }
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let asked = pb::GetSpendRequest {
            first_day: "yesterday".into(),
            page_size: 5_000,
            page_token: "x".into(),
            ..Default::default()
        };
        let Err(Fault::BadRequest(fields)) = spend_query(&asked, None) else { panic!("it was accepted") };
        let names: Vec<&str> = fields.iter().map(|(field, _)| *field).collect();
        assert_eq!(names, ["first_day", "page_token", "page_size"]);
    }

    #[test]
    fn a_page_token_leads_back_to_its_row() {
        let place = SpendPlace { day: BudgetDay(20_000), line_item: LineItemId(7), currency: "EUR".into() };
        assert_eq!(spend_place("20000:7:EUR"), Ok(Some(place)));
    }
}
