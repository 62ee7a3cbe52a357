//! Line items: price and targeting.

use std::collections::BTreeSet;

use tagbid_pricing::Fx;
use tagbid_targeting::Expr;
use tagbid_types::Cpm;

use super::paths::api_path;
use super::references::Usable;
use super::{Context, budget, caps, contact, schedule, text};
use crate::{LineItem, Report};

/// Most creatives of a line item.
const MAX_CREATIVES: usize = 50;

pub(super) fn check(e: &LineItem, context: &Context<'_>, report: &mut Report) {
    text::name("name", &e.name, report);
    schedule(&e.schedule, report);
    budget(&e.budget, report);
    contact::capacity(&e.capacity, report);
    caps(&e.caps, report);
    rules(e, context, report);
    creatives(e, report);
}

/// A price that may be paid: more than nothing, at most [`Cpm::MAX`].
pub(super) fn price(field: &str, price: Cpm, report: &mut Report) {
    if price <= Cpm::ZERO {
        report.problem(field, "is not positive", "use a CPM in micros: 1500000 is 1.50");
    } else if price > Cpm::MAX {
        report.problem(field, "is above a CPM of one million", "is the unit micros?");
    }
}

fn creatives(e: &LineItem, report: &mut Report) {
    let count = e.creatives.len();
    if count == 0 {
        report.problem("creative_ids", "is empty", "give at least one creative");
    } else if count > MAX_CREATIVES {
        let problem = format!("has {count} creatives");
        report.problem("creative_ids", problem, format!("use at most {MAX_CREATIVES}"));
    }
    let mut seen = BTreeSet::new();
    for (position, id) in e.creatives.iter().enumerate() {
        if !seen.insert(id) {
            let field = format_args!("creative_ids[{position}]");
            report.problem(field, format!("repeats creative {id}"), "name each creative once");
        }
    }
}

/// What targeting says, and the lists and tags that it refers to.
pub(super) fn targeting(targeting: &Expr, usable: &Usable<'_>, report: &mut Report) {
    for found in tagbid_targeting::validate(targeting, usable) {
        report.problem(api_path(&found.path), found.problem, found.remedy);
    }
}

/// What targeting and multipliers say, and the lists and tags that they refer to.
fn rules(e: &LineItem, context: &Context<'_>, report: &mut Report) {
    let usable =
        Usable { known: context.references, owner: Some(e.advertiser), exchanges: context.exchanges };
    super::currency("bid.currency", e.bid.currency, context, report);
    // Said above; the rules are checked as if there were rates for every currency.
    let any_currency = Fx::new(e.bid.currency);
    targeting(&e.targeting, &usable, report);
    for found in tagbid_pricing::validate(&e.bid, &any_currency, &usable) {
        report.problem(api_path(&found.path), found.problem, found.remedy);
    }
}
