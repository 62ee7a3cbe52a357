//! What becomes of the conversions of a batch, in memory. Pure.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use tagbid_types::{AdvertiserId, Currency, Nanos};

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

/// The conversions of one batch: what is known, and what is to be written.
#[derive(Default)]
pub(in crate::store) struct Desk {
    pub(super) known: HashMap<Reference, Known>,
    /// Conversions by the bid whose click alone told them.
    pub(super) told: HashMap<String, i64>,
    pub(super) touches: HashMap<Reference, Touches>,
    pub(super) inserts: Vec<ConversionInsert>,
    pub(super) repeats: BTreeMap<Reference, RepeatRow>,
}

impl Desk {
    /// Keeps one, or counts that it came again.
    pub(in crate::store) fn take(&mut self, conversion: &Conversion, sums: &mut ReportSums) -> Converted {
        let key = reference(conversion);
        if let Some(known) = self.known.get(&key) {
            let same = conversion.repeats(&known.name, known.value);
            let credit = known.credit;
            let row = self.repeats.entry(key.clone()).or_insert_with(|| RepeatRow {
                advertiser: key.0,
                reference: key.1,
                ..RepeatRow::default()
            });
            row.repeats += i64::from(same);
            row.conflicts += i64::from(!same);
            return Converted { kept: if same { Kept::Repeat } else { Kept::Conflict }, credit };
        }
        if !self.may_tell(conversion) {
            return Converted { kept: Kept::TooMany, credit: Err(Uncredited::Untouched) };
        }
        let credited = credit(conversion, self.touches.remove(&key).unwrap_or_default());
        let kind = credited.as_ref().map(|(kind, _)| *kind).map_err(|why| *why);
        if let Ok((kind, touch)) = &credited {
            sums.converted(cell(conversion.advertiser, touch), *kind == Kind::View);
        }
        self.inserts.push(insert(conversion, credited.map(|(_, touch)| touch).ok(), kind));
        let known = Known { name: conversion.name.clone(), value: conversion.value, credit: kind };
        self.known.insert(key, known);
        Converted { kept: Kept::New, credit: kind }
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
