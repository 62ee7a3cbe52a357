//! Contact rules: whom an advertiser never contacts, and whose campaigns come first.

use super::Context;
use super::references::Usable;
use crate::{Advertiser, Campaign, MAX_TIER, Report};

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
