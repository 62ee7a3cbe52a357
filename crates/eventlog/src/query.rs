//! Which events are wanted.

use tagbid_ports::{Event, EventKind};
use tagbid_types::{AdvertiserId, BidId, CampaignId, CreativeId, ExchangeName, LineItemId, Timestamp};

/// Which events; empty and none mean all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Of this moment and later.
    pub from: Option<Timestamp>,
    /// Before this moment.
    pub to: Option<Timestamp>,
    /// Of one of these kinds.
    pub kinds: Vec<EventKind>,
    /// Of bids to this exchange.
    pub exchange: Option<ExchangeName>,
    /// Of this advertiser.
    pub advertiser: Option<AdvertiserId>,
    /// Of this campaign.
    pub campaign: Option<CampaignId>,
    /// Of this line item.
    pub line_item: Option<LineItemId>,
    /// Of this creative.
    pub creative: Option<CreativeId>,
    /// Of this bid.
    pub bid: Option<BidId>,
    /// Of the auction that its exchange calls so.
    pub auction: Option<String>,
}

impl Query {
    /// Whether an event is wanted.
    pub fn wants(&self, event: &Event) -> bool {
        fn is<T: PartialEq>(wanted: Option<&T>, value: Option<&T>) -> bool {
            wanted.is_none_or(|wanted| value == Some(wanted))
        }
        let bid = event.bid.as_ref();
        self.overlaps(event.at, event.at)
            && (self.kinds.is_empty() || self.kinds.contains(&event.kind()))
            && is(self.exchange.as_ref(), bid.map(|bid| &bid.exchange))
            && is(self.advertiser.as_ref(), event.advertiser().as_ref())
            && is(self.campaign.as_ref(), bid.map(|bid| &bid.campaign))
            && is(self.line_item.as_ref(), bid.map(|bid| &bid.line_item))
            && is(self.creative.as_ref(), bid.map(|bid| &bid.creative))
            && is(self.bid.as_ref(), bid.map(|bid| &bid.id))
            && is(self.auction.as_ref(), bid.map(|bid| &bid.auction))
    }

    /// Whether events from the one to the other moment may be wanted.
    pub(crate) fn overlaps(&self, earliest: Timestamp, latest: Timestamp) -> bool {
        self.from.is_none_or(|from| latest >= from) && self.to.is_none_or(|to| earliest < to)
    }
}
