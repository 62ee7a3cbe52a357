//! Records of the event log, to and from the plain types of `ports`.

use prost::Message;
use tagbid_ports::{
    Attribution, BidFact, ConversionFact, Event, EventBid, EventSource, EventUser, Fact, NoticeFact, Verdict,
};
use tagbid_tagset::UserKey;
use tagbid_types::{
    AdvertiserId, BidId, BudgetDay, CampaignId, Cpm, CreativeId, Currency, LineItemId, Nanos, Ratio,
    Timestamp,
};
use thiserror::Error;

use crate::pb::events as pb;
use crate::pb::events::event::Fact as PbFact;

/// One record of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// What happened.
    pub event: Event,
    /// Who numbered it and as what; none: a sampled event.
    pub numbered: Option<(EventSource, u64)>,
}

/// Bytes that are no record that this version knows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}: unknown to this version, or no record")]
pub struct NoRecord(&'static str);

/// Appends a record's bytes.
pub fn encode_record(event: &Event, numbered: Option<(&EventSource, u64)>, to: &mut Vec<u8>) {
    let (source, source_position) = match numbered {
        Some((source, position)) => (source.as_str().to_owned(), position),
        None => (String::new(), 0),
    };
    let record = pb::Record { event: Some(event_to(event)), source, source_position };
    to.reserve(record.encoded_len());
    record.encode_raw(to);
}

/// Reads a record's bytes.
pub fn decode_record(bytes: &[u8]) -> Result<EventRecord, NoRecord> {
    let record = pb::Record::decode(bytes).map_err(|_| NoRecord("record"))?;
    let numbered = match record.source.as_str() {
        "" => None,
        source => Some((source.parse().map_err(|_| NoRecord("source"))?, record.source_position)),
    };
    Ok(EventRecord { event: event_from(record.event.ok_or(NoRecord("event"))?)?, numbered })
}

/// The bytes of where each source stands.
pub fn encode_sources<'a>(sources: impl Iterator<Item = (&'a EventSource, u64)>) -> Vec<u8> {
    let one = |(source, position): (&EventSource, u64)| pb::SourcePosition {
        source: source.as_str().to_owned(),
        position,
    };
    pb::Sources { sources: sources.map(one).collect() }.encode_to_vec()
}

/// Where each source stands.
pub fn decode_sources(bytes: &[u8]) -> Result<Vec<(EventSource, u64)>, NoRecord> {
    let sources = pb::Sources::decode(bytes).map_err(|_| NoRecord("sources"))?.sources;
    let one =
        |one: pb::SourcePosition| Ok((one.source.parse().map_err(|_| NoRecord("source"))?, one.position));
    sources.into_iter().map(one).collect()
}

fn event_to(event: &Event) -> pb::Event {
    let fact = match &event.fact {
        Fact::Bid(fact) => PbFact::BidMade(pb::BidMade {
            deal: fact.deal.clone(),
            auction_type: fact.auction_type.into(),
            test: fact.test,
            sample_millionths: fact.sample.0,
        }),
        Fact::Win(notice) => PbFact::Win(notice_to(notice)),
        Fact::Billing(notice) => PbFact::Billing(notice_to(notice)),
        Fact::Loss(notice) => PbFact::Loss(notice_to(notice)),
        Fact::Impression(notice) => PbFact::Impression(notice_to(notice)),
        Fact::Click(notice) => PbFact::Click(notice_to(notice)),
        Fact::Conversion(conversion) => PbFact::Conversion(conversion_to(conversion)),
    };
    pb::Event {
        at_micros: event.at.0,
        bid: event.bid.as_ref().map(bid_to),
        user_key: event.user.map(|user| user.key.0.to_vec()).unwrap_or_default(),
        user_mac: event.user.and_then(|user| user.mac).map(u32::from),
        fact: Some(fact),
    }
}

fn event_from(event: pb::Event) -> Result<Event, NoRecord> {
    let fact = match event.fact.ok_or(NoRecord("fact"))? {
        PbFact::BidMade(fact) => Fact::Bid(BidFact {
            deal: fact.deal,
            auction_type: fact.auction_type.try_into().map_err(|_| NoRecord("auction type"))?,
            test: fact.test,
            sample: Ratio(fact.sample_millionths),
        }),
        PbFact::Win(notice) => Fact::Win(notice_from(notice)?),
        PbFact::Billing(notice) => Fact::Billing(notice_from(notice)?),
        PbFact::Loss(notice) => Fact::Loss(notice_from(notice)?),
        PbFact::Impression(notice) => Fact::Impression(notice_from(notice)?),
        PbFact::Click(notice) => Fact::Click(notice_from(notice)?),
        PbFact::Conversion(conversion) => {
            Fact::Conversion(conversion_from(conversion, event.bid.as_ref().map(|bid| bid.advertiser))?)
        }
    };
    let user = match event.user_key.as_slice() {
        [] => None,
        key => Some(EventUser {
            key: UserKey::from_slice(key).ok_or(NoRecord("user key"))?,
            mac: event.user_mac.map(u8::try_from).transpose().map_err(|_| NoRecord("user mac"))?,
        }),
    };
    let needs_bid =
        !matches!(&fact, Fact::Conversion(ConversionFact { attribution: Attribution::None(_), .. }));
    let bid = event.bid.map(bid_from).transpose()?;
    if bid.is_some() != needs_bid {
        return Err(NoRecord("bid"));
    }
    Ok(Event { at: Timestamp(event.at_micros), bid, user, fact })
}

fn bid_to(bid: &EventBid) -> pb::Bid {
    pb::Bid {
        exchange: bid.exchange.as_str().to_owned(),
        auction: bid.auction.clone(),
        id: bid.id.0.to_be_bytes().to_vec(),
        imp: bid.imp.clone(),
        at_micros: bid.at.0,
        advertiser: bid.advertiser.0,
        campaign: bid.campaign.0,
        line_item: bid.line_item.0,
        creative: bid.creative.0,
        price_micros: bid.price.0,
        currency: bid.currency.as_str().to_owned(),
        quantity_millionths: bid.quantity.0,
    }
}

fn bid_from(bid: pb::Bid) -> Result<EventBid, NoRecord> {
    Ok(EventBid {
        exchange: bid.exchange.parse().map_err(|_| NoRecord("exchange"))?,
        auction: bid.auction,
        id: BidId(u128::from_be_bytes(bid.id.as_slice().try_into().map_err(|_| NoRecord("bid id"))?)),
        imp: bid.imp,
        at: Timestamp(bid.at_micros),
        advertiser: AdvertiserId(bid.advertiser),
        campaign: CampaignId(bid.campaign),
        line_item: LineItemId(bid.line_item),
        creative: CreativeId(bid.creative),
        price: Cpm(bid.price_micros),
        currency: currency(&bid.currency)?,
        quantity: Ratio(bid.quantity_millionths),
    })
}

fn notice_to(notice: &NoticeFact) -> pb::Notice {
    use pb::Verdict as V;
    let (verdict, quarantine) = match &notice.verdict {
        Verdict::Billed => (V::Billed, ""),
        Verdict::NotBilling => (V::NotBilling, ""),
        Verdict::Late => (V::Late, ""),
        Verdict::Test => (V::Test, ""),
        Verdict::Audit => (V::Audit, ""),
        Verdict::Unpriced => (V::Unpriced, ""),
        Verdict::Lost => (V::Lost, ""),
        Verdict::Quarantined(why) => (V::Quarantined, why.as_str()),
    };
    pb::Notice {
        verdict: verdict.into(),
        quarantine: quarantine.to_owned(),
        price_micros: notice.price.map(|price| price.0),
        charged_nanos: notice.charged.0,
        excess_nanos: notice.excess.0,
        uncovered_nanos: notice.uncovered.0,
        over_capacity: notice.over_capacity,
        budget_currency: notice.budget_currency.as_str().to_owned(),
        budget_day: notice.budget_day.0,
        loss_reason: notice.loss_reason.map(u32::from),
        min_to_win_micros: notice.min_to_win.map(|price| price.0),
    }
}

fn notice_from(notice: pb::Notice) -> Result<NoticeFact, NoRecord> {
    use pb::Verdict as V;
    let verdict = match notice.verdict() {
        V::Billed => Verdict::Billed,
        V::NotBilling => Verdict::NotBilling,
        V::Late => Verdict::Late,
        V::Test => Verdict::Test,
        V::Audit => Verdict::Audit,
        V::Unpriced => Verdict::Unpriced,
        V::Lost => Verdict::Lost,
        V::Quarantined => Verdict::Quarantined(notice.quarantine),
        V::Unspecified => return Err(NoRecord("verdict")),
    };
    Ok(NoticeFact {
        verdict,
        price: notice.price_micros.map(Cpm),
        charged: Nanos(notice.charged_nanos),
        excess: Nanos(notice.excess_nanos),
        uncovered: Nanos(notice.uncovered_nanos),
        over_capacity: notice.over_capacity,
        budget_currency: currency(&notice.budget_currency)?,
        budget_day: BudgetDay(notice.budget_day),
        loss_reason: notice
            .loss_reason
            .map(u16::try_from)
            .transpose()
            .map_err(|_| NoRecord("loss reason"))?,
        min_to_win: notice.min_to_win_micros.map(Cpm),
    })
}

fn conversion_to(conversion: &ConversionFact) -> pb::Conversion {
    let (attribution, uncredited) = match &conversion.attribution {
        Attribution::Click => (pb::Attribution::Click, ""),
        Attribution::View => (pb::Attribution::View, ""),
        Attribution::None(why) => (pb::Attribution::None, why.as_str()),
    };
    pb::Conversion {
        name: conversion.name.clone(),
        reference: conversion.reference.clone(),
        value_nanos: conversion.value.map(|(value, _)| value.0),
        value_currency: conversion
            .value
            .map(|(_, currency)| currency.as_str().to_owned())
            .unwrap_or_default(),
        attribution: attribution.into(),
        advertiser: conversion.advertiser.0,
        uncredited: uncredited.to_owned(),
    }
}

fn conversion_from(conversion: pb::Conversion, of_bid: Option<u64>) -> Result<ConversionFact, NoRecord> {
    let attribution = match conversion.attribution() {
        pb::Attribution::Click => Attribution::Click,
        pb::Attribution::View => Attribution::View,
        pb::Attribution::None => Attribution::None(conversion.uncredited),
        pb::Attribution::Unspecified => return Err(NoRecord("attribution")),
    };
    let value = match conversion.value_nanos {
        Some(value) => Some((Nanos(value), currency(&conversion.value_currency)?)),
        None => None,
    };
    let advertiser = match conversion.advertiser {
        0 => of_bid.ok_or(NoRecord("advertiser"))?,
        own => own,
    };
    Ok(ConversionFact {
        advertiser: AdvertiserId(advertiser),
        name: conversion.name,
        reference: conversion.reference,
        value,
        attribution,
    })
}

fn currency(code: &str) -> Result<Currency, NoRecord> {
    code.parse().map_err(|_| NoRecord("currency"))
}

#[cfg(test)]
mod tests;
