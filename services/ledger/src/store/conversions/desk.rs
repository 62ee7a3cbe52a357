//! What becomes of the conversions of a batch, in memory. Pure.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;
use tagbid_types::{AdvertiserId, Currency, Nanos};

use super::claims::{Bid, Claim, bid};
use super::{Reference, reference};
use crate::conversion::{Conversion, Converted, Kept, Kind, MOST_PUBLIC, Touch, Touches, Uncredited, credit};
use crate::store::batch::storable;
use crate::store::report::{Cell, ReportSums, hour};

/// A conversion that is kept.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) name: String,
    pub(super) value: Option<(Nanos, Currency)>,
    pub(super) credit: Result<Kind, Uncredited>,
}

/// Field names are column names, here and below.
#[derive(Serialize)]
pub(super) struct ConversionInsert {
    advertiser: i64,
    reference: String,
    name: String,
    happened: i64,
    received: i64,
    value: Option<i64>,
    value_currency: Option<String>,
    outcome: &'static str,
    attribution: &'static str,
    told_by: Option<String>,
    claimed: Option<String>,
    #[serde(flatten)]
    touch: Option<TouchRow>,
}

#[derive(Serialize)]
struct TouchRow {
    touched: i64,
    exchange: String,
    bid: String,
    campaign: i64,
    line_item: i64,
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

#[derive(Default, Serialize)]
pub(super) struct RepeatRow {
    advertiser: i64,
    reference: String,
    repeats: i64,
    conflicts: i64,
}

/// A conversion that another one takes the place of.
#[derive(Serialize)]
pub(super) struct SupersededRow {
    advertiser: i64,
    reference: String,
}

/// The conversions of one batch: what is known, and what is to be written.
#[derive(Default)]
pub(in crate::store) struct Desk {
    pub(super) known: HashMap<Reference, Known>,
    /// Conversions by the bid whose click alone told them.
    pub(super) told: HashMap<String, i64>,
    pub(super) touches: HashMap<Reference, Touches>,
    /// By what they claim.
    pub(super) claims: HashMap<Reference, Vec<Claim>>,
    /// Of the bids whose clicks are named.
    pub(super) sold: HashSet<Bid>,
    pub(super) inserts: Vec<ConversionInsert>,
    pub(super) repeats: BTreeMap<Reference, RepeatRow>,
    pub(super) superseded: Vec<SupersededRow>,
}

impl Desk {
    /// Keeps one, or counts that it came again.
    pub(in crate::store) fn take(&mut self, conversion: &Conversion, sums: &mut ReportSums) -> Converted {
        if let Some(again) = self.again(conversion) {
            return again;
        }
        if !self.may_tell(conversion) {
            return Converted { kept: Kept::TooMany, credit: Err(Uncredited::Untouched) };
        }
        let key = reference(conversion);
        let mut touches = self.touches.remove(&key).unwrap_or_default();
        touches.sold = bid(conversion).is_some_and(|bid| self.sold.contains(&bid));
        self.supersede(conversion, &mut touches, sums);
        let credited = credit(conversion, touches);
        let kind = credited.as_ref().map(|(kind, _)| *kind).map_err(|why| *why);
        let touch = credited.ok();
        if let Some((kind, touch)) = &touch {
            sums.converted(cell(conversion.advertiser, touch), *kind == Kind::View, 1);
        }
        self.inserts.push(insert(conversion, touch.clone().map(|(_, touch)| touch), kind));
        if let Some(claimed) = &conversion.claimed {
            let claim = Claim { reference: key.1.clone(), touch };
            self.claims.entry((key.0, claimed.clone())).or_default().push(claim);
        }
        let known = Known { name: conversion.name.clone(), value: conversion.value, credit: kind };
        self.known.insert(key, known);
        Converted { kept: Kept::New, credit: kind }
    }

    /// Whether it was told before; without a credential, also whether it was told with one, whatever that said.
    fn again(&mut self, conversion: &Conversion) -> Option<Converted> {
        let own = reference(conversion);
        let claimed = conversion.claimed.as_ref().map(|claimed| (own.0, claimed.clone()));
        let (key, kept, credit) = if let Some(known) = self.known.get(&own) {
            let same = conversion.repeats(&known.name, known.value);
            (own, if same { Kept::Repeat } else { Kept::Conflict }, known.credit)
        } else {
            let told = claimed.filter(|key| self.known.contains_key(key))?;
            (told, Kept::Repeat, Err(Uncredited::Superseded))
        };
        let row = self.repeats.entry(key.clone()).or_insert_with(|| RepeatRow {
            advertiser: key.0,
            reference: key.1,
            ..RepeatRow::default()
        });
        row.repeats += i64::from(kept == Kept::Repeat);
        row.conflicts += i64::from(kept == Kept::Conflict);
        Some(Converted { kept, credit })
    }

    /// A conversion that is told with a credential takes the place of all that claimed its reference without one: what they have got is
    /// taken back, and their last click is evidence where it names none. One that is told too late leaves them as they are.
    fn supersede(&mut self, conversion: &Conversion, touches: &mut Touches, sums: &mut ReportSums) {
        if conversion.late || conversion.claimed.is_some() {
            return;
        }
        let (advertiser, own) = reference(conversion);
        for claim in self.claims.remove(&(advertiser, own)).unwrap_or_default() {
            if let Some((kind, touch)) = claim.touch {
                sums.converted(cell(conversion.advertiser, &touch), kind == Kind::View, -1);
                touches.add_claim(touch);
            }
            if let Some(known) = self.known.get_mut(&(advertiser, claim.reference.clone())) {
                known.credit = Err(Uncredited::Superseded);
            }
            self.superseded.push(SupersededRow { advertiser, reference: claim.reference });
        }
    }
}

impl Desk {
    /// Counts a new one that comes with the id of a click alone.
    fn may_tell(&mut self, conversion: &Conversion) -> bool {
        let Some(teller) = conversion.told_by() else { return true };
        let told = self.told.entry(teller).or_default();
        *told += 1;
        *told <= MOST_PUBLIC
    }
}

/// The bid that gets the credit, in reports.
fn cell(advertiser: AdvertiserId, touch: &Touch) -> Cell {
    Cell {
        line_item: touch.line_item.0.cast_signed(),
        creative: touch.creative.0.cast_signed(),
        exchange: touch.exchange.clone(),
        currency: touch.budget_currency.clone(),
        day: touch.day.0.into(),
        hour: hour(touch.issued),
        advertiser: advertiser.0.cast_signed(),
        campaign: touch.campaign.0.cast_signed(),
    }
}

fn insert(
    conversion: &Conversion,
    touch: Option<Touch>,
    credit: Result<Kind, Uncredited>,
) -> ConversionInsert {
    ConversionInsert {
        advertiser: conversion.advertiser.0.cast_signed(),
        reference: conversion.reference.clone(),
        name: conversion.name.clone(),
        happened: conversion.at.0,
        received: conversion.received.0,
        value: conversion.value.map(|(nanos, _)| nanos.0),
        value_currency: conversion.value.map(|(_, currency)| currency.to_string()),
        outcome: credit.map_or_else(Uncredited::as_str, |_| "credited"),
        attribution: credit.map_or("none", Kind::as_str),
        told_by: conversion.told_by(),
        claimed: conversion.claimed.clone(),
        touch: touch.map(|touch| TouchRow {
            touched: touch.at.0,
            exchange: touch.exchange,
            bid: touch.bid,
            campaign: touch.campaign.0.cast_signed(),
            line_item: touch.line_item.0.cast_signed(),
            creative: touch.creative.0.cast_signed(),
            auction: storable(&touch.auction),
            imp: storable(&touch.imp),
            issued: touch.issued.0,
            max_price: touch.max_price.0,
            currency: touch.currency,
            quantity: touch.quantity.0,
            budget_currency: touch.budget_currency,
            day: touch.day.0.into(),
        }),
    }
}
