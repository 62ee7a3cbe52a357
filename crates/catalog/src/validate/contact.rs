//! Contact rules: whom an advertiser never contacts, whose campaigns come first, and how many impressions are enough.

use super::Context;
use super::references::Usable;
use crate::{Advertiser, Campaign, Capacity, MAX_CAPACITY, MAX_TIER, Report};

/// Most tags of users who are never to be contacted. Each is looked for in every search for the advertiser's line items.
const MAX_NEVER_CONTACT: usize = 100;

/// Tags that there are and that the advertiser may use.
pub(super) fn never_contact(e: &Advertiser, context: &Context<'_>, report: &mut Report) {
    const FIELD: &str = "never_contact_tag_ids";
    if e.never_contact.len() > MAX_NEVER_CONTACT {
        let problem = format!("has {} tags", e.never_contact.len());
        let remedy =
            format!("use at most {MAX_NEVER_CONTACT}: one tag may be carried by everybody of several lists");
        return report.problem(FIELD, problem, remedy);
    }
    let usable = Usable { known: context.references, owner: Some(e.id), exchanges: context.exchanges };
    for (position, id) in e.never_contact.iter().enumerate() {
        if !tagbid_targeting::References::tag(&usable, *id) {
            let problem = format!("there is no tag {id} that this advertiser may use");
            report.problem(
                format_args!("{FIELD}[{position}]"),
                problem,
                "use one of its own or one that is shared",
            );
        }
    }
}

/// One of the tiers that there are.
pub(super) fn tier(e: &Campaign, report: &mut Report) {
    if e.tier > MAX_TIER {
        report.problem(
            "tier",
            format!("is {}", e.tier),
            format!("use 0 to {MAX_TIER}; the higher one bids first"),
        );
    }
}

/// Limits that do not contradict each other, and that accounts can count.
pub(super) fn capacity(capacity: &Capacity, report: &mut Report) {
    const DAILY: &str = "capacity.daily_impressions";
    const LIFETIME: &str = "capacity.lifetime_impressions";
    if let (Some(daily), Some(lifetime)) = (capacity.daily, capacity.lifetime)
        && daily > lifetime
    {
        let remedy = "use at most capacity.lifetime_impressions, or leave one of them out";
        report.problem(DAILY, "is above the lifetime capacity", remedy);
    }
    for (field, impressions) in [(DAILY, capacity.daily), (LIFETIME, capacity.lifetime)] {
        if let Some(impressions) = impressions.filter(|impressions| *impressions > MAX_CAPACITY) {
            let remedy = format!("use at most {MAX_CAPACITY}, or leave it out for no limit");
            report.problem(field, format!("is {impressions}"), remedy);
        }
    }
}
