//! Frequency caps in words: which cap, how many impressions the user has had, and until when.

use std::time::Duration;

use tagbid_catalog::{CapUnknown, EntityKind};
use tagbid_ports::Reason;
use tagbid_tagset::frequency::{Counted, Counts, Window};
use tagbid_types::{NoBidReason, Timestamp, Use};

use super::{Case, reason};
use crate::caps::{Cap, Seen, Told};
use crate::path::Suppressed;

impl Case<'_, '_> {
    /// Every cap that has no room for this user, or that nobody knows whether there is any.
    pub(super) fn capped(&self) -> Vec<Reason> {
        let (entry, room) = (self.entry, &self.context.room);
        let Some(seen) = &room.seen else {
            let silent = !entry.caps.is_empty() && entry.item.cap_unknown == CapUnknown::NoBid;
            return silent.then(|| self.unknown()).into_iter().collect();
        };
        let full = entry.caps.iter().filter(|cap| !room.has_room(cap));
        full.map(|cap| reason(NoBidReason::FrequencyCapped, self.full(cap, seen))).collect()
    }

    fn unknown(&self) -> Reason {
        let why = if !self.context.permission.allows(Use::Frequency) {
            "consent does not allow to count what the user is shown"
        } else if self.known.suppressed == Suppressed::Yes {
            "the user is suppressed"
        } else if !self.identified {
            "the request has no id that stands for its user"
        } else {
            "the tag store did not tell it"
        };
        let text = format!(
            "the line item is under frequency caps, and how often this user saw it is not known: {why}; such users are bid \
             for where the line item's cap_unknown is CAP_UNKNOWN_BID"
        );
        reason(NoBidReason::FrequencyUnknown, text)
    }

    fn full(&self, cap: &Cap, seen: &Seen<'_>) -> String {
        let setter = match cap.of {
            EntityKind::Advertiser => "the advertiser's",
            EntityKind::Campaign => "the campaign's",
            _ => "the line item's",
        };
        let (shown, under_way) = (seen.shown(cap), seen.under_way(cap));
        let until = match (cap.window, shown >= cap.most) {
            (_, false) => "until some of these are known not to be shown".into(),
            (None, true) => "for ever".into(),
            (Some(window), true) => self.until(cap, window),
        };
        format!(
            "{setter} frequency cap is full {until}: {most} impressions of {what} for a user {window}; this one had {shown}, and \
             bids that may still be shown: {under_way}",
            most = cap.most,
            what = name(cap.counted),
            window = words(cap.window),
        )
    }

    fn until(&self, cap: &Cap, window: Window) -> String {
        let now = self.context.now;
        let Told::Counts(Some(blob)) = self.known.told else { return "now".into() };
        let free = Counts::parse(blob).and_then(|counts| counts.frees(cap.counted, window, cap.most, now));
        free.map_or("now".into(), |free| format!("for {}, if nothing is shown meanwhile", span(free, now)))
    }
}

fn name(counted: Counted) -> String {
    match counted {
        Counted::LineItem(id) => format!("line item {id}"),
        Counted::Campaign(id) => format!("campaign {id}"),
        Counted::Advertiser(id) => format!("advertiser {id}"),
    }
}

fn words(window: Option<Window>) -> &'static str {
    match window {
        Some(Window::Minute) => "in a minute",
        Some(Window::Hour) => "in an hour",
        Some(Window::Day) => "in 24 hours",
        Some(Window::Week) => "in 7 days",
        None => "ever",
    }
}

/// In the two largest units that say something.
fn span(until: Timestamp, now: Timestamp) -> String {
    let left = until.since(now).max(Duration::from_secs(1)).as_secs();
    let (days, hours, minutes, seconds) = (left / 86_400, left / 3_600 % 24, left / 60 % 60, left % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {seconds} s"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} days {hours} h"),
    }
}
