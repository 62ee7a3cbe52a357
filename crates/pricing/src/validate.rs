//! Checks of bid rules before they are stored.

use tagbid_targeting::{Problem, References, validate_leaf};
use tagbid_types::{Cpm, Ratio};

use crate::{BidRules, Fx};

/// Most multipliers on one line item.
pub const MAX_MULTIPLIERS: usize = 100;
/// The largest factor of a multiplier: 100.
pub const MAX_FACTOR: Ratio = Ratio(100_000_000);

/// Everything that is wrong with bid rules; paths start with "bid".
pub fn validate(rules: &BidRules, fx: &Fx, known: &dyn References) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut report = |path: &str, problem: String, remedy: &str| {
        problems.push(Problem::new(format!("bid.{path}"), problem, remedy));
    };
    for (path, price) in [("base", rules.base), ("max", rules.max)] {
        if !(Cpm(1)..=Cpm::MAX).contains(&price) {
            report(
                path,
                format!("{price} is no price to bid"),
                "use a CPM above 0 and at most 1,000,000",
            );
        }
    }
    if !(Cpm::ZERO..=Cpm::MAX).contains(&rules.min) {
        report(
            "min",
            format!("{} is no lowest price", rules.min),
            "use a CPM from 0 to 1,000,000",
        );
    }
    if rules.min > rules.max {
        report(
            "min",
            format!("{} is above max {}", rules.min, rules.max),
            "lower min or raise max",
        );
    }
    if !fx.knows(rules.currency) {
        report(
            "currency",
            format!("there is no exchange rate for {}", rules.currency),
            "use a currency that the operator has configured",
        );
    }
    if rules.multipliers.len() > MAX_MULTIPLIERS {
        let problem = format!(
            "has {} entries, more than {MAX_MULTIPLIERS}",
            rules.multipliers.len()
        );
        report(
            "multipliers",
            problem,
            "merge multipliers of the same factor into one leaf",
        );
    }
    for (index, multiplier) in rules.multipliers.iter().enumerate().take(MAX_MULTIPLIERS) {
        let path = format!("bid.multipliers[{index}]");
        if !(Ratio(0)..=MAX_FACTOR).contains(&multiplier.factor) {
            problems.push(Problem::new(
                format!("{path}.factor"),
                format!("{} millionths is out of range", multiplier.factor.0),
                "use a factor from 0 to 100",
            ));
        }
        problems.extend(validate_leaf(&multiplier.when, &format!("{path}.when"), known));
    }
    problems
}
