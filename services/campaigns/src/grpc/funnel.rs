//! `GetFunnel`: the bidders' counts and the ledger's wins, for one's own line items.

use std::collections::{BTreeMap, BTreeSet};

use tagbid_catalog::schedule::Calendar;
use tagbid_catalog::{Entity, EntityKey, Report};
use tagbid_ports::WinsError;
use tagbid_types::{AdvertiserId, BudgetDay, LineItemId, Principal};
use tagbid_wire::campaigns::funnel_to;
use tagbid_wire::ledger::day_text;
use tagbid_wire::pb::campaigns as pb;

use crate::error::CampaignsError;
use crate::service::Inner;

/// Most line items in one request.
const MAX_LINE_ITEMS: usize = 100;

/// Answers for line items that the caller may see, and refuses all of them when one is not.
pub(super) async fn get_funnel(
    inner: &Inner,
    who: &Principal,
    asked: &pb::GetFunnelRequest,
) -> Result<pb::GetFunnelResponse, CampaignsError> {
    let line_items = line_items(&asked.line_item_ids)?;
    let calendars = calendars(inner, who, &line_items).await?;
    let funnel = inner.funnels()?.funnel(&line_items).await?;
    let mut answer = funnel_to(&funnel);
    let began = funnel.sources.iter().filter_map(|source| source.since).min().unwrap_or_default();
    let days: Vec<BudgetDay> = funnel
        .line_items
        .iter()
        .zip(&calendars)
        .map(|(one, calendar)| calendar.day(one.since.unwrap_or(began)))
        .collect();
    match wins(inner, funnel.line_items.iter().map(|one| one.line_item).zip(days.iter().copied())).await {
        Ok(wins) => {
            for (one, from) in answer.line_items.iter_mut().zip(&days) {
                one.won = Some(wins.get(&LineItemId(one.line_item_id)).copied().unwrap_or(0));
                one.won_from_day = day_text(*from);
            }
        }
        Err(problem) => answer.won_problem = problem.to_string(),
    }
    Ok(answer)
}

/// The calendars of the line items' advertisers, in their order.
async fn calendars(
    inner: &Inner,
    who: &Principal,
    line_items: &[LineItemId],
) -> Result<Vec<Calendar>, CampaignsError> {
    let mut known: BTreeMap<AdvertiserId, Calendar> = BTreeMap::new();
    let mut calendars = Vec::with_capacity(line_items.len());
    for id in line_items {
        let item = inner.core.get(who, EntityKey::from(*id)).await?;
        let owner = item.owner().unwrap_or_default();
        let calendar = match known.get(&owner) {
            Some(calendar) => calendar.clone(),
            None => calendar(inner, who, owner).await?,
        };
        known.insert(owner, calendar.clone());
        calendars.push(calendar);
    }
    Ok(calendars)
}

async fn calendar(inner: &Inner, who: &Principal, owner: AdvertiserId) -> Result<Calendar, CampaignsError> {
    let unknown = |zone: &str| CampaignsError::Internal(format!("{owner} has no time zone {zone:?}"));
    match inner.core.get(who, EntityKey::from(owner)).await? {
        Entity::Advertiser(owner) => {
            Calendar::named(&owner.time_zone).ok_or_else(|| unknown(&owner.time_zone))
        }
        _ => Err(unknown("")),
    }
}

/// Wins of each line item from its day on: one question a day that counting began on.
async fn wins(
    inner: &Inner,
    asked: impl Iterator<Item = (LineItemId, BudgetDay)>,
) -> Result<BTreeMap<LineItemId, u64>, WinsError> {
    let none = || WinsError("this deployment has told the campaigns role of none".into());
    let ledger = inner.wins().ok_or_else(none)?;
    let mut by_day: BTreeMap<BudgetDay, Vec<LineItemId>> = BTreeMap::new();
    for (id, day) in asked {
        by_day.entry(day).or_default().push(id);
    }
    let mut wins = BTreeMap::new();
    for (day, line_items) in by_day {
        wins.extend(ledger.wins(&line_items, day).await?);
    }
    Ok(wins)
}

/// Each once, in the order asked; every problem at once.
fn line_items(asked: &[u64]) -> Result<Vec<LineItemId>, CampaignsError> {
    let mut report = Report::default();
    if asked.is_empty() || asked.len() > MAX_LINE_ITEMS {
        let problem = format!("has {} line items", asked.len());
        report.problem("line_item_ids", problem, format!("ask for 1 to {MAX_LINE_ITEMS}"));
    }
    let zeros = asked.iter().take(MAX_LINE_ITEMS).enumerate().filter(|(_, id)| **id == 0);
    for (position, _) in zeros {
        report.problem(format_args!("line_item_ids[{position}]"), "is no id", "use the id of a line item");
    }
    if !report.is_empty() {
        return Err(CampaignsError::Invalid(report.into_problems()));
    }
    let mut seen = BTreeSet::new();
    Ok(asked.iter().filter(|id| seen.insert(**id)).copied().map(LineItemId).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_item_asked_for_twice_is_answered_once_in_its_first_place() {
        assert_eq!(line_items(&[7, 3, 7]).unwrap(), [LineItemId(7), LineItemId(3)]);
    }
}
