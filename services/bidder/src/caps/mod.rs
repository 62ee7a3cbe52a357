//! Frequency caps: how often a user may be shown something, and how often they were or soon may be.
//!
//! A line item bids when each of its caps has room for one more: the impressions that were billed (counted in the tag
//! store, told with the lookup), the bids of this bidder that may still be shown ([`Flights`]), and those chosen for
//! earlier impressions of the same request. Bids that other bidders have under way nobody counts here: a user whose requests
//! come to several at once may see it once more for each of them.

mod flights;
mod seen;

use tagbid_catalog::{Advertiser, Campaign, CapScope, CapWindow, EntityKind, FrequencyCap, LineItem};
use tagbid_tagset::frequency::{Counted, Window};

pub(crate) use flights::{Flight, Flights};
pub(crate) use seen::{Room, Seen, Told};

/// A cap as a bid of one line item meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cap {
    /// What is counted together.
    pub(crate) counted: Counted,
    /// Over which time; none: for ever.
    pub(crate) window: Option<Window>,
    /// Most impressions.
    pub(crate) most: u32,
    /// Who set it: the line item, its campaign or its advertiser.
    pub(crate) of: EntityKind,
}

/// All caps that a line item's bids are under. Of several on the same count the lowest says all.
pub(crate) fn caps_of(item: &LineItem, campaign: &Campaign, advertiser: &Advertiser) -> Box<[Cap]> {
    let sources = [
        (EntityKind::LineItem, &item.caps),
        (EntityKind::Campaign, &campaign.caps),
        (EntityKind::Advertiser, &advertiser.caps),
    ];
    let cap = |of: EntityKind, cap: &FrequencyCap| Cap {
        counted: match cap.scope {
            CapScope::LineItem => Counted::LineItem(item.id),
            CapScope::Campaign => Counted::Campaign(item.campaign),
            CapScope::Advertiser => Counted::Advertiser(item.advertiser),
        },
        window: match cap.window {
            CapWindow::Minute => Some(Window::Minute),
            CapWindow::Hour => Some(Window::Hour),
            CapWindow::Day => Some(Window::Day),
            CapWindow::Week => Some(Window::Week),
            CapWindow::Lifetime => None,
        },
        most: cap.impressions.into(),
        of,
    };
    let all = sources.into_iter().flat_map(|(of, caps)| caps.iter().map(move |one| cap(of, one)));
    let mut caps: Vec<Cap> = all.collect();
    let window = |cap: &Cap| cap.window.map_or(usize::MAX, |window| window as usize);
    caps.sort_by_key(|cap| (cap.counted, window(cap), cap.most));
    caps.dedup_by_key(|cap| (cap.counted, window(cap)));
    caps.into_boxed_slice()
}

/// What an impression of a line item counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts(pub(crate) [Counted; 3]);

impl Counts {
    pub(crate) fn of(item: &LineItem) -> Self {
        Self([
            Counted::LineItem(item.id),
            Counted::Campaign(item.campaign),
            Counted::Advertiser(item.advertiser),
        ])
    }

    pub(crate) fn has(&self, entity: Counted) -> bool {
        self.0.contains(&entity)
    }
}
