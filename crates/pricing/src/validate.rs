//! Checks of bid rules before they are stored.

use tagbid_targeting::{Problem, References, validate_leaf};
use tagbid_types::{Cpm, Currency, Ratio};

use crate::{BidRules, Fx, Multiplier};

/// Most multipliers on one line item.
pub const MAX_MULTIPLIERS: usize = 100;
/// The largest factor of a multiplier: 100.
pub const MAX_FACTOR: Ratio = Ratio(100_000_000);

/// Everything that is wrong with bid rules; paths start with "bid".
pub fn validate(rules: &BidRules, fx: &Fx, known: &dyn References) -> Vec<Problem> {
    let mut problems = Vec::new();
    prices(rules, &mut problems);
    currency(rules.currency, fx, &mut problems);
    let count = rules.multipliers.len();
    if count > MAX_MULTIPLIERS {
        problems.push(Problem::new(
            "bid.multipliers",
            format!("has {count} entries, more than {MAX_MULTIPLIERS}"),
            "merge multipliers of the same factor into one leaf",
        ));
    }
    for (index, each) in rules.multipliers.iter().enumerate().take(MAX_MULTIPLIERS) {
        multiplier(each, &format!("bid.multipliers[{index}]"), known, &mut problems);
    }
    problems
}

fn prices(rules: &BidRules, problems: &mut Vec<Problem>) {
    for (path, price) in [("bid.base", Some(rules.base)), ("bid.max", rules.max)] {
        if let Some(price) = price
            && !(Cpm(1)..=Cpm::MAX).contains(&price)
        {
            let problem = format!("{price} is no price to bid");
            problems.push(Problem::new(path, problem, "use a CPM above 0 and at most 1,000,000"));
        }
    }
    if !(Cpm::ZERO..=Cpm::MAX).contains(&rules.min) {
        let problem = format!("{} is no lowest price", rules.min);
        problems.push(Problem::new("bid.min", problem, "use a CPM from 0 to 1,000,000"));
    }
    bounds(rules, problems);
}

/// The base lies between the bounds, and whoever lets the price rise says how far.
fn bounds(rules: &BidRules, problems: &mut Vec<Problem>) {
    let mut refuse = |path, problem: String, remedy| problems.push(Problem::new(path, problem, remedy));
    match rules.max {
        Some(max) if rules.min > max => {
            let problem = format!("{} is above max {max}", rules.min);
            refuse("bid.min", problem, "lower min or raise max");
        }
        _ if rules.min > rules.base => {
            let problem = format!("{} is above the base price {}", rules.min, rules.base);
            refuse("bid.min", problem, "lower min or raise the base");
        }
        _ => {}
    }
    match rules.max {
        Some(max) if max < rules.base => {
            let problem = format!("{max} is below the base price {}, which would never be bid", rules.base);
            refuse("bid.max", problem, "raise it, lower the base, or leave it out to follow the base");
        }
        None if rules.multipliers.iter().any(|multiplier| multiplier.factor > Ratio::ONE) => {
            let problem = "is missing though a multiplier may raise the price".into();
            refuse("bid.max", problem, "say the most that you would pay");
        }
        _ => {}
    }
}

fn currency(currency: Currency, fx: &Fx, problems: &mut Vec<Problem>) {
    if !fx.knows(currency) {
        problems.push(Problem::new(
            "bid.currency",
            format!("there is no exchange rate for {currency}"),
            "use a currency that the operator has configured",
        ));
    }
}

fn multiplier(multiplier: &Multiplier, path: &str, known: &dyn References, problems: &mut Vec<Problem>) {
    if !(Ratio(0)..=MAX_FACTOR).contains(&multiplier.factor) {
        problems.push(Problem::new(
            format!("{path}.factor"),
            format!("{} millionths is out of range", multiplier.factor.0),
            "use a factor from 0 to 100",
        ));
    }
    problems.extend(validate_leaf(&multiplier.when, &format!("{path}.when"), known));
}
