//! Conversions that were told with the id of a click and no credential, and those that are told with one and take their place; and which
//! bids were sold.

use std::collections::{BTreeSet, HashMap, HashSet};

use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{Any, Row, Transaction};

use super::{KEY, Key, Reference, StoreError, TOUCH, touch_row};
use crate::conversion::{Conversion, Kind, Touch};
use crate::store::sql::{failed, fetch};
use crate::store::statements::{Column, Dialect};

/// An exchange and a bid of it.
pub(super) type Bid = (String, String);

const BID: [Column; 2] = [("exchange", true), ("bid", true)];

/// A conversion that was told without a credential and stands.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) reference: String,
    /// What it is credited to.
    pub(super) touch: Option<(Kind, Touch)>,
}

/// The statements; each takes one JSON array as `$1`.
#[derive(Debug)]
pub(super) struct Statements {
    /// Claims to these references that stand.
    claims: String,
    /// Those of these bids that were sold.
    sold: String,
    /// Takes what these conversions have got.
    pub(super) supersede: String,
}

impl Statements {
    pub(super) fn new(dialect: Dialect) -> Self {
        let of_touch = TOUCH.split(", ").map(|column| match column {
            "kind" => "c.attribution AS kind".to_owned(),
            "received" => "c.touched AS received".to_owned(),
            column => format!("c.{column}"),
        });
        let touch: Vec<String> = of_touch.collect();
        let keys = dialect.rows(&KEY);
        Self {
            claims: format!(
                "SELECT c.advertiser, c.claimed, c.reference, {} FROM {keys} JOIN conversions c \
                 ON c.advertiser = r.advertiser AND c.claimed = r.reference WHERE c.outcome <> 'superseded'",
                touch.join(", ")
            ),
            sold: format!("SELECT r.exchange, r.bid FROM {} WHERE {}", dialect.rows(&BID), is_sold("r")),
            supersede: format!(
                "UPDATE conversions SET outcome = 'superseded', attribution = 'none' FROM {keys} \
                 WHERE conversions.advertiser = r.advertiser AND conversions.reference = r.reference"
            ),
        }
    }

    /// Of each conversion that is told with a credential, those that claimed its reference.
    pub(super) async fn claims(
        &self,
        from: &mut Transaction<'_, Any>,
        conversions: &[&Conversion],
    ) -> Result<HashMap<Reference, Vec<Claim>>, StoreError> {
        let known = conversions.iter().filter(|one| one.claimed.is_none());
        // Each once, or what a claim has got would be taken back twice.
        let keys: BTreeSet<Key<'_>> = known.map(|one| Key::new(one, &one.reference)).collect();
        let keys: Vec<Key<'_>> = keys.into_iter().collect();
        let mut claims: HashMap<Reference, Vec<Claim>> = HashMap::new();
        if keys.is_empty() {
            return Ok(claims);
        }
        for row in fetch(from, &self.claims, &keys).await? {
            let (reference, claim) = claim_row(&row).map_err(failed)?;
            claims.entry(reference).or_default().push(claim);
        }
        Ok(claims)
    }

    /// Of the bids whose clicks are named, those that were sold.
    pub(super) async fn sold(
        &self,
        from: &mut Transaction<'_, Any>,
        conversions: &[&Conversion],
    ) -> Result<HashSet<Bid>, StoreError> {
        let named: BTreeSet<Bid> = conversions.iter().filter_map(|one| bid(one)).collect();
        if named.is_empty() {
            return Ok(HashSet::new());
        }
        let rows: Vec<BidRow> = named.into_iter().map(|(exchange, bid)| BidRow { exchange, bid }).collect();
        let read = |row: &AnyRow| Ok((row.try_get(0)?, row.try_get(1)?));
        let sold = fetch(from, &self.sold, &rows).await?;
        sold.iter().map(|row| read(row).map_err(failed)).collect()
    }
}

/// Whether the bid of this row was sold: it was billed, and no loss was told.
pub(super) fn is_sold(row: &str) -> String {
    let told = |what: &str| {
        format!(
            "EXISTS (SELECT 1 FROM notices o WHERE o.exchange = {row}.exchange AND o.bid = {row}.bid AND {what})"
        )
    };
    let (billed, lost) =
        (told("o.outcome = 'billed'"), told("o.kind = 'loss' AND o.outcome = 'not_billing'"));
    format!("{billed} AND NOT {lost}")
}

/// The bid whose click a conversion names.
pub(super) fn bid(conversion: &Conversion) -> Option<Bid> {
    let token = &conversion.click.as_ref()?.token;
    Some((token.exchange.as_str().to_owned(), token.bid.to_string()))
}

fn claim_row(row: &AnyRow) -> Result<(Reference, Claim), sqlx::Error> {
    let credited = row.try_get::<String, _>("kind")? != "none";
    let touch = if credited { Some(touch_row(row).map(|(_, kind, touch)| (kind, touch))?) } else { None };
    let reference = (row.try_get("advertiser")?, row.try_get("claimed")?);
    Ok((reference, Claim { reference: row.try_get("reference")?, touch }))
}

#[derive(Serialize)]
struct BidRow {
    exchange: String,
    bid: String,
}
