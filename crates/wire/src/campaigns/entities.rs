//! Advertisers, campaigns, deals and lists.

use tagbid_catalog::{Advertiser, Campaign, Deal, List, Report};
use tagbid_types::{AdvertiserId, CampaignId, Cpm, DealId, ExchangeName, ListId, TagId};

use super::common::{
    budget_from, budget_to, capacity_from, capacity_to, caps_from, caps_to, currency_from, deal_auction_from,
    deal_auction_to, header_from, header_to, list_kind_from, list_kind_to, narrow, schedule_from,
    schedule_to, status_from, status_to,
};
use crate::pb::campaigns as pb;

pub(super) fn advertiser_from(e: &pb::Advertiser, report: &mut Report) -> Advertiser {
    Advertiser {
        id: AdvertiserId(e.id),
        header: header_from(e.metadata.as_ref()),
        name: e.name.clone(),
        domain: e.domain.trim().to_ascii_lowercase(),
        currency: currency_from(&e.currency, "currency", report),
        time_zone: e.time_zone.clone(),
        budget: budget_from(e.budget.as_ref()),
        capacity: capacity_from(e.capacity.as_ref()),
        caps: caps_from(&e.frequency_caps, report),
        never_contact: tags_from(&e.never_contact_tag_ids),
    }
}

/// Ascending, each once.
fn tags_from(ids: &[u32]) -> Vec<TagId> {
    let mut tags: Vec<TagId> = ids.iter().copied().map(TagId).collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}

pub(super) fn advertiser_to(e: &Advertiser) -> pb::Advertiser {
    pb::Advertiser {
        id: e.id.0,
        metadata: header_to(&e.header),
        name: e.name.clone(),
        domain: e.domain.clone(),
        currency: e.currency.to_string(),
        time_zone: e.time_zone.clone(),
        budget: budget_to(&e.budget),
        capacity: capacity_to(&e.capacity),
        frequency_caps: caps_to(&e.caps),
        never_contact_tag_ids: e.never_contact.iter().map(|tag| tag.0).collect(),
    }
}

pub(super) fn campaign_from(e: &pb::Campaign, report: &mut Report) -> Campaign {
    Campaign {
        id: CampaignId(e.id),
        header: header_from(e.metadata.as_ref()),
        advertiser: AdvertiserId(e.advertiser_id),
        name: e.name.clone(),
        status: status_from(e.status, "status", report),
        schedule: schedule_from(e.schedule.as_ref(), report),
        budget: budget_from(e.budget.as_ref()),
        capacity: capacity_from(e.capacity.as_ref()),
        caps: caps_from(&e.frequency_caps, report),
        tier: narrow(e.tier, "tier", report),
    }
}

pub(super) fn campaign_to(e: &Campaign) -> pb::Campaign {
    pb::Campaign {
        id: e.id.0,
        metadata: header_to(&e.header),
        advertiser_id: e.advertiser.0,
        name: e.name.clone(),
        status: status_to(e.status),
        schedule: schedule_to(&e.schedule),
        budget: budget_to(&e.budget),
        capacity: capacity_to(&e.capacity),
        frequency_caps: caps_to(&e.caps),
        tier: e.tier.into(),
    }
}

pub(super) fn deal_from(e: &pb::Deal, report: &mut Report) -> Option<Deal> {
    let auction = deal_auction_from(e.auction, "auction", report);
    let currency = currency_from(&e.currency, "currency", report);
    Some(Deal {
        id: DealId(e.id),
        header: header_from(e.metadata.as_ref()),
        advertiser: AdvertiserId(e.advertiser_id),
        name: e.name.clone(),
        exchange: exchange_from(&e.exchange, "exchange", report)?,
        code: e.code.trim().to_owned(),
        auction,
        price: Cpm(e.price_cpm_micros),
        currency,
        seat: e.seat.clone(),
    })
}

pub(super) fn deal_to(e: &Deal) -> pb::Deal {
    pb::Deal {
        id: e.id.0,
        metadata: header_to(&e.header),
        advertiser_id: e.advertiser.0,
        name: e.name.clone(),
        exchange: e.exchange.to_string(),
        code: e.code.clone(),
        auction: deal_auction_to(e.auction),
        price_cpm_micros: e.price.0,
        currency: e.currency.to_string(),
        seat: e.seat.clone(),
    }
}

/// An exchange's name; a problem when it cannot be one.
pub(super) fn exchange_from(name: &str, field: &str, report: &mut Report) -> Option<ExchangeName> {
    name.parse()
        .inspect_err(|_| {
            let shown: String = name.chars().take(40).collect();
            report.problem(
                field,
                format!("{shown:?} is not an exchange's name"),
                "use the name that the operator gave the exchange: a-z, 0-9, '-' and '_'",
            );
        })
        .ok()
}

/// Values are kept trimmed, lower-case, sorted, each once.
pub(super) fn list_from(e: &pb::List, report: &mut Report) -> List {
    let mut values: Vec<String> = e.values.iter().map(|value| value.trim().to_lowercase()).collect();
    values.sort_unstable();
    values.dedup();
    List {
        id: ListId(e.id),
        header: header_from(e.metadata.as_ref()),
        advertiser: AdvertiserId(e.advertiser_id),
        name: e.name.clone(),
        kind: list_kind_from(e.kind, "kind", report),
        values,
    }
}

pub(super) fn list_to(e: &List) -> pb::List {
    pb::List {
        id: e.id.0,
        metadata: header_to(&e.header),
        advertiser_id: e.advertiser.0,
        name: e.name.clone(),
        kind: list_kind_to(e.kind),
        values: e.values.clone(),
    }
}
