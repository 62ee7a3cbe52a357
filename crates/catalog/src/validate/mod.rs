//! Whether an entity can be accepted. Problems name fields in the API's words and come all at once.

mod codes;
mod contact;
mod creative;
mod dataset;
mod html;
mod line_item;
mod paths;
mod policy;
mod references;
mod text;

#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeSet;
use std::fmt::Display;

use tagbid_pricing::Fx;
use tagbid_targeting::Expr;
use tagbid_types::{AdvertiserId, Currency, ExchangeName, Nanos};

use crate::{
    Advertiser, Budget, Campaign, Deal, Entity, EntityKind, FrequencyCap, List, ListKind, Report, Schedule,
    schedule::Calendar,
};

pub use paths::api_path;
pub use policy::CreativePolicy;
use references::Usable;
pub use references::{References, references_of, references_of_targeting};
pub use text::{is_domain, is_name};

/// Most values of a shared list.
pub const MAX_LIST_VALUES: usize = 100_000;
/// Longest banner HTML in bytes.
const MAX_HTML: usize = 64 * 1024;
/// Longest value of a list, keyword or other short text, in bytes: that of a domain name (RFC 1035).
const MAX_VALUE: usize = 253;
/// Most frequency caps of one entity.
const MAX_CAPS: usize = 8;

/// What a check needs to know besides the entity.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The other entities.
    pub references: &'a dyn References,
    /// Where creatives may load from.
    pub creatives: &'a CreativePolicy,
    /// The operator's exchange rates; none: money may be in any currency.
    pub fx: Option<&'a Fx>,
    /// The exchanges that the operator has configured; none: any name will do.
    pub exchanges: Option<&'a BTreeSet<ExchangeName>>,
}

/// Everything that is wrong with an entity: what it says and what it refers to.
pub fn validate(entity: &Entity, context: &Context<'_>, report: &mut Report) {
    let usable = Usable { known: context.references, owner: entity.owner(), exchanges: context.exchanges };
    let shared = entity.owner().is_none() && matches!(entity.kind(), EntityKind::Dataset | EntityKind::Tag);
    match entity {
        Entity::LineItem(item) => usable.check_line_item(item, report),
        Entity::Advertiser(_) => {}
        Entity::Tag(tag) if tag.dataset.is_some() => usable.check_tag(tag, report),
        _ if shared => {}
        _ => usable.check_owner(report),
    }
    match entity {
        Entity::Advertiser(e) => advertiser(e, context, report),
        Entity::Campaign(e) => campaign(e, report),
        Entity::LineItem(e) => line_item::check(e, context, report),
        Entity::Creative(e) => creative::check(e, context, report),
        Entity::Deal(e) => deal(e, context, report),
        Entity::List(e) => list(e, report),
        Entity::Dataset(e) => dataset::dataset(e, report),
        Entity::Tag(e) => dataset::tag(e, report),
    }
}

/// Everything that is wrong with a targeting expression of this advertiser: what a line item would be refused for.
pub fn validate_targeting(targeting: &Expr, owner: AdvertiserId, context: &Context<'_>, report: &mut Report) {
    let usable = Usable { known: context.references, owner: Some(owner), exchanges: context.exchanges };
    usable.check_owner(report);
    line_item::targeting(targeting, &usable, report);
}

fn advertiser(e: &Advertiser, context: &Context<'_>, report: &mut Report) {
    text::name("name", &e.name, report);
    text::domain("domain", &e.domain, report);
    currency("currency", e.currency, context, report);
    if Calendar::named(&e.time_zone).is_none() {
        report.problem(
            "time_zone",
            format!("{:?} is not a time zone", text::excerpt(&e.time_zone)),
            "use an IANA name such as \"Europe/Berlin\"",
        );
    }
    budget(&e.budget, report);
    contact::capacity(&e.capacity, report);
    caps(&e.caps, report);
    contact::never_contact(e, context, report);
}

fn campaign(e: &Campaign, report: &mut Report) {
    text::name("name", &e.name, report);
    schedule(&e.schedule, report);
    budget(&e.budget, report);
    contact::capacity(&e.capacity, report);
    caps(&e.caps, report);
    contact::tier(e, report);
}

fn deal(e: &Deal, context: &Context<'_>, report: &mut Report) {
    text::name("name", &e.name, report);
    exchange("exchange", &e.exchange, context, report);
    currency("currency", e.currency, context, report);
    text::token("code", &e.code, report);
    if !e.seat.is_empty() {
        text::token("seat", &e.seat, report);
    }
    line_item::price("price_cpm_micros", e.price, report);
}

fn list(e: &List, report: &mut Report) {
    text::name("name", &e.name, report);
    if e.values.len() > MAX_LIST_VALUES {
        let problem = format!("has {} values", e.values.len());
        return report.problem("values", problem, format!("use at most {MAX_LIST_VALUES}"));
    }
    for (position, value) in e.values.iter().enumerate() {
        let field = format_args!("values[{position}]");
        if e.kind == ListKind::Domain {
            text::domain(field, value, report);
        } else {
            text::token(field, value, report);
        }
    }
}

/// A currency in which money is paid and, where the operator's rates are known, one that they have.
fn currency(field: &str, currency: Currency, context: &Context<'_>, report: &mut Report) {
    if !currency.is_active() {
        let problem = format!("{currency} is not an active currency of ISO 4217");
        report.problem(field, problem, "use one such as \"USD\" or \"EUR\"");
    } else if context.fx.is_some_and(|fx| !fx.knows(currency)) {
        let problem = format!("there is no exchange rate for {currency}");
        report.problem(field, problem, "use a currency that the operator has configured");
    }
}

/// An exchange that the operator has configured.
fn exchange(field: impl Display, name: &ExchangeName, context: &Context<'_>, report: &mut Report) {
    if context.exchanges.is_some_and(|known| !known.contains(name)) {
        let problem = format!("there is no exchange {:?}", name.as_str());
        report.problem(field, problem, "use the name of an exchange that the operator has configured");
    }
}

fn budget(budget: &Budget, report: &mut Report) {
    if let (Some(daily), Some(lifetime)) = (budget.daily, budget.lifetime)
        && daily > lifetime
        && lifetime >= Nanos::ZERO
    {
        report.problem(
            "budget.daily_nanos",
            "is above the lifetime budget",
            "use at most budget.lifetime_nanos, or leave one of them out",
        );
    }
    let fields = [("budget.daily_nanos", budget.daily), ("budget.lifetime_nanos", budget.lifetime)];
    for (field, amount) in fields {
        if amount.is_some_and(|nanos| nanos.0 < 0) {
            report.problem(field, "is negative", "use 0 or more, or leave it out for no limit");
        }
    }
}

fn schedule(schedule: &Schedule, report: &mut Report) {
    if let (Some(start), Some(end)) = (schedule.start, schedule.end)
        && start >= end
    {
        report.problem("schedule.end_time", "is not after the start", "end the flight after it starts");
    }
    if schedule.dayparts.is_some_and(|hours| hours.is_empty()) {
        report.problem(
            "schedule.hours_of_week",
            "has no hour",
            "give hours from 0 to 167, or leave it out for always",
        );
    }
}

fn caps(caps: &[FrequencyCap], report: &mut Report) {
    if caps.len() > MAX_CAPS {
        let problem = format!("has {} caps", caps.len());
        report.problem("frequency_caps", problem, format!("use at most {MAX_CAPS}"));
    }
    let mut seen = BTreeSet::new();
    for (position, cap) in caps.iter().enumerate() {
        report.within(format_args!("frequency_caps[{position}]"), |report| {
            if cap.impressions == 0 {
                report.problem("impressions", "is 0", "use 1 to 65535; to stop bidding, pause");
            }
            if !seen.insert((cap.scope as u8, cap.window as u8)) {
                report.problem(
                    "",
                    "repeats the scope and window of an earlier cap",
                    "keep the lower of the two",
                );
            }
        });
    }
}
