//! Line items: price and targeting.

use std::collections::BTreeSet;

use tagbid_targeting::{Expr, Leaf};
use tagbid_types::{Cpm, Ratio};

use super::{budget, caps, schedule, text};
use crate::{LineItem, Report};

/// Most creatives of a line item.
const MAX_CREATIVES: usize = 50;

pub(super) fn check(e: &LineItem, report: &mut Report) {
    text::name("name", &e.name, report);
    schedule(&e.schedule, report);
    budget(&e.budget, report);
    caps(&e.caps, report);
    report.within("bid", |report| bid(e, report));
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

/// Every leaf of an expression with its path in the API's words.
pub(super) fn leaves<'e>(expr: &'e Expr, path: &str, visit: &mut dyn FnMut(&str, &'e Leaf)) {
    match expr {
        Expr::All(parts) => each_part(parts, path, "all_of", visit),
        Expr::Any(parts) => each_part(parts, path, "any_of", visit),
        Expr::Not(part) => leaves(part, &format!("{path}.negated"), visit),
        Expr::Leaf(leaf) => visit(&format!("{path}.leaf"), leaf),
    }
}

fn each_part<'e>(parts: &'e [Expr], path: &str, node: &str, visit: &mut dyn FnMut(&str, &'e Leaf)) {
    for (position, part) in parts.iter().enumerate() {
        leaves(part, &format!("{path}.{node}.parts[{position}]"), visit);
    }
}

fn bid(e: &LineItem, report: &mut Report) {
    let rules = &e.bid;
    price("base_cpm_micros", rules.base, report);
    price("max_cpm_micros", rules.max, report);
    if rules.min < Cpm::ZERO {
        report.problem("min_cpm_micros", "is negative", "use 0 or more");
    } else if rules.min > rules.max {
        report.problem("min_cpm_micros", "is above the maximum", "keep min <= max");
    }
    for (position, multiplier) in rules.multipliers.iter().enumerate() {
        if !(0..=100 * Ratio::ONE.0).contains(&multiplier.factor.0) {
            report.problem(
                format_args!("multipliers[{position}].factor_micros"),
                "is not between 0 and 100",
                "use millionths: 1200000 is 1.2",
            );
        }
    }
}
