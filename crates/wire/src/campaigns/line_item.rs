//! Line items.

use tagbid_catalog::{LineItem, Report};
use tagbid_pricing::{BidRules, Multiplier};
use tagbid_types::{AdvertiserId, CampaignId, Cpm, CreativeId, Currency, LineItemId, Ratio};

use super::common::{
    budget_from, budget_to, cap_unknown_from, cap_unknown_to, capacity_from, capacity_to, caps_from, caps_to,
    currency_from, header_from, header_to, pacing_from, pacing_to, schedule_from, schedule_to, status_from,
    status_to,
};
use super::targeting::{expr_from, expr_to, leaf_from, leaf_to};
use crate::pb::campaigns as pb;

pub(super) fn line_item_from(e: &pb::LineItem, report: &mut Report) -> LineItem {
    LineItem {
        id: LineItemId(e.id),
        header: header_from(e.metadata.as_ref()),
        advertiser: AdvertiserId(e.advertiser_id),
        campaign: CampaignId(e.campaign_id),
        name: e.name.clone(),
        status: status_from(e.status, "status", report),
        targeting: report.within("targeting", |r| expr_from(e.targeting.as_ref(), r)),
        bid: bid_from(e.bid.as_ref(), report),
        schedule: schedule_from(e.schedule.as_ref(), report),
        budget: budget_from(e.budget.as_ref()),
        capacity: capacity_from(e.capacity.as_ref()),
        pacing: pacing_from(e.pacing, "pacing", report),
        caps: caps_from(&e.frequency_caps, report),
        cap_unknown: cap_unknown_from(e.cap_unknown, "cap_unknown", report),
        creatives: e.creative_ids.iter().map(|id| CreativeId(*id)).collect(),
    }
}

pub(super) fn line_item_to(e: &LineItem) -> pb::LineItem {
    pb::LineItem {
        id: e.id.0,
        metadata: header_to(&e.header),
        advertiser_id: e.advertiser.0,
        campaign_id: e.campaign.0,
        name: e.name.clone(),
        status: status_to(e.status),
        targeting: Some(expr_to(&e.targeting)),
        bid: Some(bid_to(&e.bid)),
        schedule: schedule_to(&e.schedule),
        budget: budget_to(&e.budget),
        capacity: capacity_to(&e.capacity),
        pacing: pacing_to(e.pacing),
        frequency_caps: caps_to(&e.caps),
        cap_unknown: cap_unknown_to(e.cap_unknown),
        creative_ids: e.creatives.iter().map(|id| id.0).collect(),
    }
}

fn bid_from(bid: Option<&pb::BidRules>, report: &mut Report) -> BidRules {
    let Some(bid) = bid else {
        report.problem("bid", "is missing", "say what to pay: base_cpm_micros and currency");
        return BidRules {
            base: Cpm(1),
            currency: Currency::USD,
            min: Cpm::ZERO,
            max: None,
            multipliers: Vec::new(),
        };
    };
    report.within("bid", |report| {
        let multipliers = multipliers_from(&bid.multipliers, report);
        BidRules {
            base: Cpm(bid.base_cpm_micros),
            currency: currency_from(&bid.currency, "currency", report),
            min: Cpm(bid.min_cpm_micros.unwrap_or_default()),
            max: bid.max_cpm_micros.map(Cpm),
            multipliers,
        }
    })
}

fn multipliers_from(multipliers: &[pb::Multiplier], report: &mut Report) -> Vec<Multiplier> {
    let each = multipliers.iter().enumerate().filter_map(|(position, multiplier)| {
        report.within(format_args!("multipliers[{position}].when"), |report| {
            let Some(leaf) = &multiplier.when else {
                report.problem("", "is missing", "give the test that the factor depends on");
                return None;
            };
            leaf_from(leaf, report).map(|when| Multiplier { when, factor: Ratio(multiplier.factor_micros) })
        })
    });
    each.collect()
}

fn bid_to(bid: &BidRules) -> pb::BidRules {
    let multipliers = bid.multipliers.iter().map(|multiplier| pb::Multiplier {
        when: Some(leaf_to(&multiplier.when)),
        factor_micros: multiplier.factor.0,
    });
    pb::BidRules {
        base_cpm_micros: bid.base.0,
        currency: bid.currency.to_string(),
        min_cpm_micros: Some(bid.min.0),
        max_cpm_micros: bid.max.map(|max| max.0),
        multipliers: multipliers.collect(),
    }
}
