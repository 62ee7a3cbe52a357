//! What the event log is told of an answer's bids.

use tagbid_notice::Token;
use tagbid_ports::{BidFact, Event, EventBid, EventUser, Fact};
use tagbid_tagset::UserKey;
use tagbid_types::BidId;

use super::Choice;
use crate::shared::SampledBids;
use crate::worker::Worker;

/// The ids of an answer's bids, and the bids as events if its auction is in the sample. Otherwise it allocates nothing.
pub(super) struct BidLog<'w> {
    /// First half of the ids of all its bids: by it alone they are in the sample or not.
    auction: u64,
    sample: Option<&'w SampledBids>,
    /// Version of the key that makes user keys.
    mac: u8,
    events: Vec<Event>,
}

impl<'w> BidLog<'w> {
    pub(super) fn new(worker: &'w Worker) -> Self {
        let auction = worker.random_u64();
        let one = BidId(u128::from(auction) << 64);
        let sample = worker.shared().bid_log.as_ref().filter(|log| log.sample.takes(one));
        Self { auction, sample, mac: worker.mac_keys().current.version(), events: Vec::new() }
    }

    /// A fresh id: 64 random bits of the answer and 64 of the bid, from a generator seeded by the operating system.
    pub(super) fn new_bid_id(&self, worker: &Worker) -> BidId {
        BidId(u128::from(self.auction) << 64 | u128::from(worker.random_u64()))
    }

    /// A bid of the answer.
    pub(super) fn bid(&mut self, token: &Token, choice: &Choice<'_>) {
        let Some(log) = self.sample else { return };
        let fact = BidFact {
            deal: choice.deal.map(|deal| deal.id.chars().take(MAX_DEAL).collect()),
            auction_type: token.auction_type,
            test: token.test,
            sample: log.sample.share(),
        };
        let user = token.user().map(|key| EventUser { key: UserKey(key), mac: Some(self.mac) });
        self.events.push(Event {
            at: token.issued,
            bid: Some(event_bid(token)),
            user,
            fact: Fact::Bid(fact),
        });
    }

    /// What the log is told.
    pub(super) fn events(self) -> Vec<Event> {
        self.events
    }
}

/// Letters of a deal's id that are logged: of four bytes each they fit.
const MAX_DEAL: usize = tagbid_ports::MAX_EVENT_TEXT / 4;

/// As the bid's notices name it.
fn event_bid(token: &Token) -> EventBid {
    EventBid {
        exchange: token.exchange.clone(),
        auction: token.auction.as_str().to_owned(),
        id: token.bid,
        imp: token.imp.as_str().to_owned(),
        at: token.issued,
        advertiser: token.advertiser,
        campaign: token.campaign,
        line_item: token.line_item,
        creative: token.creative,
        price: token.max_price,
        currency: token.currency,
        quantity: token.quantity,
    }
}
