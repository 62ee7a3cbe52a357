//! How many impressions of a sample an expression matches.

use std::time::Duration;

use bumpalo::Bump;
use tagbid_catalog::{Catalog, EntityKey};
use tagbid_ports::Stratum;
use tagbid_targeting::{Class, Engine, Expr, Item, Leaf, Scan, Slot};
use tagbid_types::{Clock, Cpm, ListId};

use super::Period;
use crate::book::lists;

/// Longest evaluation. Usual ones take some milliseconds.
const LIMIT: Duration = Duration::from_secs(2);

/// Impressions between two looks at the clock.
const LOOK_EVERY: usize = 64;

/// Counts each period's impressions and the matching ones among them. In words why not.
pub(super) fn count(
    targeting: &Expr,
    periods: &[Period],
    catalog: &Catalog,
    clock: &dyn Clock,
) -> Result<Vec<Stratum>, String> {
    if let Some(list) = unknown_list(targeting, catalog) {
        // It would be neither on the list nor off it, and match nothing.
        return Err(format!("the bidder does not know list {list} yet; try again in a moment"));
    }
    let until = clock.monotonic().after(LIMIT);
    let item = Item {
        slot: Slot(0),
        targeting,
        bound: Cpm::ZERO,
        class: Class::default(),
        raises: Vec::new(),
        tests: Vec::new(),
    };
    let (engine, refused) = Scan::build([item], &lists(catalog));
    if !refused.is_empty() {
        return Err("the expression is too large".into());
    }
    let mut arena = Bump::new();
    let mut strata = Vec::with_capacity(periods.len());
    for period in periods {
        let mut counted = Stratum { scale: period.impressions.scale(), ..Stratum::default() };
        for (position, (_, impression)) in period.impressions.iter().enumerate() {
            if position % LOOK_EVERY == LOOK_EVERY - 1 && clock.monotonic() >= until {
                return Err("the expression is too large to be evaluated over all sampled impressions".into());
            }
            arena.reset();
            let probe = engine.probe(&impression.attributes(&arena), &arena);
            counted.sampled += 1;
            counted.matching += u64::from(engine.matches(&probe, Slot(0)));
        }
        strata.push(counted);
    }
    Ok(strata)
}

/// A list of the expression that the catalog does not have.
fn unknown_list(expr: &Expr, catalog: &Catalog) -> Option<ListId> {
    match expr {
        Expr::All(parts) | Expr::Any(parts) => parts.iter().find_map(|part| unknown_list(part, catalog)),
        Expr::Not(part) => unknown_list(part, catalog),
        Expr::Leaf(Leaf::OnList { list, .. }) => {
            (!catalog.entities.contains_key(&EntityKey::from(*list))).then_some(*list)
        }
        Expr::Leaf(_) => None,
    }
}
