//! Conversions in a transaction: what is known before it, what becomes of them, and their rows.

mod claims;
mod desk;

use std::collections::{BTreeSet, HashMap};

use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};
use tagbid_types::{BudgetDay, CampaignId, Cpm, CreativeId, LineItemId, Nanos, Ratio, Timestamp};

use super::StoreError;
use super::sql::{failed, fetch, write};
use super::statements::{Column, Dialect, names};
use crate::conversion::{CLICK_COUNTS, Conversion, Kind, Touch, Touches, Uncredited, VIEW_COUNTS};
use crate::work::Work;
pub(super) use desk::Desk;
use desk::{Known, RepeatRow};

/// An advertiser and its reference: the key.
type Reference = (i64, String);

const KEY: [Column; 2] = [("advertiser", false), ("reference", true)];

const SOUGHT: [Column; 6] = [
    ("n", false),
    ("advertiser", false),
    ("user_key", true),
    ("clicked_from", false),
    ("seen_from", false),
    ("until", false),
];

const FOUND: [Column; 1] = [("seq", false)];

/// What a touch is read from.
const TOUCH: &str = "seq, kind, received, exchange, bid, campaign, line_item, creative, auction, imp, issued, max_price, currency, \
     quantity, budget_currency, day";

const CONVERSION: [Column; 25] = [
    ("advertiser", false),
    ("reference", true),
    ("name", true),
    ("happened", false),
    ("received", false),
    ("value", false),
    ("value_currency", true),
    ("outcome", true),
    ("attribution", true),
    ("touched", false),
    ("exchange", true),
    ("bid", true),
    ("campaign", false),
    ("line_item", false),
    ("creative", false),
    ("auction", true),
    ("imp", true),
    ("issued", false),
    ("max_price", false),
    ("currency", true),
    ("quantity", false),
    ("budget_currency", true),
    ("day", false),
    ("told_by", true),
    ("claimed", true),
];

const TELLER: [Column; 1] = [("told_by", true)];

const REPEAT: [Column; 4] =
    [("advertiser", false), ("reference", true), ("repeats", false), ("conflicts", false)];

/// The columns that a conversion is read from.
pub(super) fn conversion_columns() -> String {
    names(&CONVERSION)
}

/// The statements; each takes one JSON array as `$1`.
#[derive(Debug)]
pub(super) struct Statements {
    /// What is kept under these references.
    known: String,
    /// How many were told by these bids' clicks alone.
    tellers: String,
    /// The last click and the last view of these users before these moments.
    last: String,
    /// Notices by number.
    touches: String,
    insert: String,
    repeat: String,
    claims: claims::Statements,
}

impl Statements {
    pub(super) fn new(dialect: Dialect) -> Self {
        // Of sold bids, and none that is a test or came late.
        let last = |kind: &str, from: &str| {
            format!(
                "(SELECT n.seq FROM notices n WHERE n.user_key = r.user_key AND n.advertiser = r.advertiser \
                 AND n.kind = '{kind}' AND n.received >= r.{from} AND n.received <= r.until \
                 AND n.outcome IN ('billed', 'not_billing') AND {} ORDER BY n.received DESC, n.seq DESC LIMIT 1)",
                claims::is_sold("n")
            )
        };
        let touch: Vec<String> = TOUCH.split(", ").map(|column| format!("n.{column}")).collect();
        let (insert, repeat) = (names(&CONVERSION), dialect.rows(&REPEAT));
        Self {
            known: known(dialect),
            tellers: format!(
                "SELECT c.told_by, COUNT(*) AS told FROM {} JOIN conversions c ON c.told_by = r.told_by \
                 GROUP BY c.told_by",
                dialect.rows(&TELLER)
            ),
            last: format!(
                "SELECT r.n AS n, {} AS click, {} AS seen FROM {}",
                last("click", "clicked_from"),
                last("imp", "seen_from"),
                dialect.rows(&SOUGHT)
            ),
            touches: format!(
                "SELECT {} FROM {} JOIN notices n ON n.seq = r.seq",
                touch.join(", "),
                dialect.rows(&FOUND)
            ),
            insert: format!(
                "INSERT INTO conversions ({insert}) SELECT {insert} FROM {}",
                dialect.rows(&CONVERSION)
            ),
            repeat: format!(
                "UPDATE conversions SET repeats = conversions.repeats + r.repeats, \
                 conflicts = conversions.conflicts + r.conflicts FROM {repeat} \
                 WHERE conversions.advertiser = r.advertiser AND conversions.reference = r.reference"
            ),
            claims: claims::Statements::new(dialect),
        }
    }

    /// All that there is to know before the conversions of a batch are kept.
    pub(super) async fn before(
        &self,
        from: &mut Transaction<'_, Any>,
        batch: &[Work],
    ) -> Result<Desk, StoreError> {
        let conversions: Vec<&Conversion> = batch
            .iter()
            .filter_map(|work| match work {
                Work::Conversion(conversion) => Some(&**conversion),
                _ => None,
            })
            .collect();
        if conversions.is_empty() {
            return Ok(Desk::default());
        }
        // What is claimed too: it may have been told with a credential.
        let references = conversions.iter().flat_map(|one| {
            [Some(&one.reference), one.claimed.as_ref()].into_iter().flatten().map(|text| Key::new(one, text))
        });
        let keys: Vec<Key<'_>> = references.collect();
        let known = fetch(from, &self.known, &keys).await?;
        let known = known.iter().map(known_row).collect::<Result<_, _>>()?;
        let told = self.told(from, &conversions).await?;
        let touches = self.touches(from, &conversions).await?;
        let claims = self.claims.claims(from, &conversions).await?;
        let sold = self.claims.sold(from, &conversions).await?;
        Ok(Desk { known, told, touches, claims, sold, ..Desk::default() })
    }

    /// How many conversions each click that tells one without a credential has told.
    async fn told(
        &self,
        from: &mut Transaction<'_, Any>,
        conversions: &[&Conversion],
    ) -> Result<HashMap<String, i64>, StoreError> {
        let tellers: BTreeSet<String> = conversions.iter().filter_map(|one| one.told_by()).collect();
        if tellers.is_empty() {
            return Ok(HashMap::new());
        }
        let tellers: Vec<Teller> = tellers.into_iter().map(|told_by| Teller { told_by }).collect();
        let rows = fetch(from, &self.tellers, &tellers).await?;
        let count = |row: &AnyRow| Ok((row.try_get("told_by")?, row.try_get("told")?));
        rows.iter().map(|row| count(row).map_err(failed)).collect()
    }

    /// Of each conversion that names a user, what that user was shown.
    async fn touches(
        &self,
        from: &mut Transaction<'_, Any>,
        conversions: &[&Conversion],
    ) -> Result<HashMap<Reference, Touches>, StoreError> {
        let sought: Vec<Sought> = sought(conversions).collect();
        if sought.is_empty() {
            return Ok(HashMap::new());
        }
        // Which conversion each notice was found for; a notice may be found for several.
        let mut found: Vec<(usize, i64)> = Vec::new();
        for row in fetch(from, &self.last, &sought).await? {
            let n: i64 = row.try_get("n").map_err(failed)?;
            let clicked: Option<i64> = row.try_get("click").map_err(failed)?;
            let seen: Option<i64> = row.try_get("seen").map_err(failed)?;
            let n = usize::try_from(n).unwrap_or(usize::MAX);
            found.extend([clicked, seen].into_iter().flatten().map(|seq| (n, seq)));
        }
        let seqs: Vec<Found> = found.iter().map(|(_, seq)| Found { seq: *seq }).collect();
        let mut notices = HashMap::new();
        for row in fetch(from, &self.touches, &seqs).await? {
            let (seq, kind, touch) = touch_row(&row).map_err(failed)?;
            notices.insert(seq, (kind, touch));
        }
        let mut touches: HashMap<Reference, Touches> = HashMap::new();
        for (n, seq) in found {
            if let (Some(conversion), Some((kind, touch))) = (conversions.get(n), notices.get(&seq)) {
                touches.entry(reference(conversion)).or_default().add(*kind, touch.clone());
            }
        }
        Ok(touches)
    }

    /// Writes what the batch made of them.
    pub(super) async fn write(&self, to: &mut Transaction<'_, Any>, desk: Desk) -> Result<(), StoreError> {
        write(to, &self.insert, &desk.inserts).await?;
        let repeats: Vec<RepeatRow> = desk.repeats.into_values().collect();
        write(to, &self.repeat, &repeats).await?;
        write(to, &self.claims.supersede, &desk.superseded).await
    }
}

fn known(dialect: Dialect) -> String {
    format!(
        "SELECT c.advertiser, c.reference, c.name, c.value, c.value_currency, c.outcome, c.attribution \
         FROM {} JOIN conversions c ON c.advertiser = r.advertiser AND c.reference = r.reference",
        dialect.rows(&KEY)
    )
}

fn reference(conversion: &Conversion) -> Reference {
    (conversion.advertiser.0.cast_signed(), conversion.reference.clone())
}

/// Field names are column names, here and below.
#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Key<'a> {
    advertiser: i64,
    reference: &'a str,
}

impl<'a> Key<'a> {
    fn new(conversion: &Conversion, reference: &'a str) -> Self {
        Self { advertiser: conversion.advertiser.0.cast_signed(), reference }
    }
}

#[derive(Serialize)]
struct Teller {
    told_by: String,
}

#[derive(Serialize)]
struct Sought {
    n: usize,
    advertiser: i64,
    user_key: String,
    clicked_from: i64,
    seen_from: i64,
    until: i64,
}

#[derive(Serialize)]
struct Found {
    seq: i64,
}

fn sought(conversions: &[&Conversion]) -> impl Iterator<Item = Sought> {
    let each = |(n, conversion): (usize, &&Conversion)| {
        let (advertiser, until) = (conversion.advertiser.0.cast_signed(), conversion.at.0);
        let ago = |span: std::time::Duration| {
            until.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX))
        };
        let (clicked_from, seen_from) = (ago(CLICK_COUNTS), ago(VIEW_COUNTS));
        let of = move |key: &tagbid_tagset::UserKey| {
            let user_key = user_text(key.0);
            Sought { n, advertiser, user_key, clicked_from, seen_from, until }
        };
        conversion.users.iter().map(of).collect::<Vec<_>>()
    };
    conversions.iter().enumerate().flat_map(each)
}

/// A user's key as notices keep it.
pub(super) fn user_text(key: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(key))
}

/// The inverse of [`user_text`].
pub(super) fn user_from(text: &str) -> Option<[u8; 16]> {
    u128::from_str_radix(text, 16).ok().map(u128::to_be_bytes)
}

fn touch_row(row: &AnyRow) -> Result<(i64, Kind, Touch), sqlx::Error> {
    let kind: String = row.try_get("kind")?;
    let id = |name: &str| row.try_get::<i64, _>(name).map(i64::cast_unsigned);
    let day: i64 = row.try_get("day")?;
    let touch = Touch {
        at: Timestamp(row.try_get("received")?),
        exchange: row.try_get("exchange")?,
        bid: row.try_get("bid")?,
        campaign: CampaignId(id("campaign")?),
        line_item: LineItemId(id("line_item")?),
        creative: CreativeId(id("creative")?),
        auction: row.try_get("auction")?,
        imp: row.try_get("imp")?,
        issued: Timestamp(row.try_get("issued")?),
        max_price: Cpm(row.try_get("max_price")?),
        currency: row.try_get("currency")?,
        quantity: Ratio(row.try_get("quantity")?),
        budget_currency: row.try_get("budget_currency")?,
        day: BudgetDay(i32::try_from(day).map_err(|error| sqlx::Error::Decode(error.into()))?),
    };
    let kind = if kind == "click" { Kind::Click } else { Kind::View };
    Ok((row.try_get("seq")?, kind, touch))
}

fn known_row(row: &AnyRow) -> Result<(Reference, Known), StoreError> {
    let text = |name: &str| row.try_get::<String, _>(name).map_err(failed);
    let value: Option<i64> = row.try_get("value").map_err(failed)?;
    let currency: Option<String> = row.try_get("value_currency").map_err(failed)?;
    let currency = currency.and_then(|code| code.parse().ok());
    let (outcome, attribution) = (text("outcome")?, text("attribution")?);
    let credit = match attribution.as_str() {
        "click" => Ok(Kind::Click),
        "view" => Ok(Kind::View),
        _ => {
            let why = Uncredited::ALL.into_iter().find(|why| why.as_str() == outcome);
            Err(why.unwrap_or(Uncredited::Untouched))
        }
    };
    let known = Known { name: text("name")?, value: value.map(Nanos).zip(currency), credit };
    Ok(((row.try_get("advertiser").map_err(failed)?, text("reference")?), known))
}
