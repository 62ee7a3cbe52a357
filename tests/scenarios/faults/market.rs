//! An exchange that goes on whatever happens to those whom it asks: it sells, remembers what it sold, and bills until it is
//! believed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tagbid_catalog::{Budget, Entity, LineItem};
use tagbid_exchange::Dice;
use tagbid_testkit::wait_until;
use tagbid_types::Nanos;
use tagbid_wire::pb::ledger as pb;
use tagbid_wire::pb::ledger::ledger_service_client::LedgerServiceClient;

use crate::advertiser::{Shop, block_on, create_as, in_the_usa, with_token};
use crate::exchange::{Answer, banner, try_send};
use crate::notices::{spent, try_fetch};
use crate::stack::{OPERATOR, START, Stack};

/// What one impression costs at a CPM of 2 US dollars.
pub(super) const ONE: i64 = 2_000_000;

/// How long notices are sent again before the test gives up.
const INSISTENCE: Duration = Duration::from_secs(60);

/// What the exchange knows.
pub(super) struct Market {
    pub(super) dice: Dice,
    pub(super) item: Arc<LineItem>,
    pub(super) asked: u64,
    pub(super) unanswered: u64,
    /// Billing URLs of bids that were not billed yet.
    pub(super) bids: Vec<String>,
    /// How many were billed, each at its full price.
    pub(super) billed: i64,
}

impl Market {
    /// Opens with one line item that may spend so many bids a day.
    pub(super) fn open(stack: &Stack, bids: i64) -> Self {
        let shop = Shop::open(stack, "shop.example");
        let budget = Budget { daily: Some(Nanos(bids * ONE)), lifetime: None };
        let draft = LineItem { budget, ..shop.draft(in_the_usa(), 2.0) };
        let Entity::LineItem(item) = create_as(OPERATOR, stack.campaigns, Entity::LineItem(draft.into()))
        else {
            panic!("kind")
        };
        let dice = Dice::new(1);
        Self { dice, item, asked: 0, unanswered: 0, bids: Vec::new(), billed: 0 }
    }

    /// One auction; whether there was a bid.
    pub(super) fn auction(&mut self, at: SocketAddr) -> bool {
        let user = format!("user-{}", self.dice.below(1_000));
        self.asked += 1;
        let answer = ask(at, &user);
        self.unanswered += u64::from(answer.is_none());
        let urls = answer.map(|answer| burls(&answer)).unwrap_or_default();
        let bid = !urls.is_empty();
        self.bids.extend(urls);
        bid
    }

    /// Auctions for so long.
    pub(super) fn auctions(&mut self, at: SocketAddr, time: Duration) -> u64 {
        let begun = Instant::now();
        let mut bids = 0;
        while begun.elapsed() < time {
            bids += u64::from(self.auction(at));
        }
        bids
    }

    /// Auctions until there is a bid.
    pub(super) fn wait_for_bid(&mut self, at: SocketAddr) {
        wait_until("a bid", START, || self.auction(at));
    }

    /// Bills some of the bids that there are, in any order.
    pub(super) fn bill(&mut self, most: usize) {
        for _ in 0..most.min(self.bids.len()) {
            let which = self.dice.below(self.bids.len());
            let url = self.bids.swap_remove(which);
            insist(&url);
            self.billed += 1;
        }
    }

    /// Bills all that was sold and compares with what the ledger has: all of it, once, and not above the budget.
    pub(super) fn close(&mut self, stack: &Stack) -> Nanos {
        self.bill(usize::MAX);
        let spent = spent(stack);
        assert_eq!(spent, Nanos(self.billed * ONE), "{} were billed: {:?}", self.billed, tally(stack));
        let budget = self.item.budget.daily.unwrap();
        assert!(spent <= budget, "{spent} of {budget}");
        spent
    }
}

/// What is asked of a bidder that may be away.
pub(super) fn ask(at: SocketAddr, user: &str) -> Option<Answer> {
    let body = banner(user).to_string();
    let headers = [("content-type", "application/json"), ("x-tagbid-debug", "1")];
    try_send(at, "POST", "/openrtb2/demo", &headers, body.as_bytes()).ok()
}

pub(super) fn burls(answer: &Answer) -> Vec<String> {
    answer.bids().iter().map(|bid| bid["burl"].as_str().unwrap().to_owned()).collect()
}

/// Sends a billing notice until it is acknowledged, as exchanges with a queue do; how often.
pub(super) fn insist(url: &str) -> u64 {
    let mut times = 0;
    wait_until("a notice to be acknowledged", INSISTENCE, || {
        times += 1;
        try_fetch(url, "2").is_ok_and(|answer| answer.status == 200)
    });
    times
}

/// The balance of the line item's day: free, leased, held, spent.
pub(super) fn balance(stack: &Stack, market: &Market) -> pb::Balance {
    let asked = pb::GetBalancesRequest {
        owner: Some(pb::get_balances_request::Owner::LineItemId(market.item.id.0)),
        ..pb::GetBalancesRequest::default()
    };
    let answer = block_on(async {
        let mut client = LedgerServiceClient::connect(format!("http://{}", stack.ledger)).await.unwrap();
        client.get_balances(with_token(OPERATOR, asked)).await.unwrap().into_inner()
    });
    answer.balances[0].days.first().and_then(|day| day.balance).unwrap_or_default()
}

/// Waits until nobody has any of the money: how long that took.
pub(super) fn wait_for_all_free(stack: &Stack, market: &Market, within: Duration) -> Duration {
    let begun = Instant::now();
    wait_until("all money to be free or spent", within, || {
        let balance = balance(stack, market);
        balance.leased_nanos == 0 && balance.held_nanos == 0
    });
    begun.elapsed()
}

/// What was billed and not charged, because it would have been above a budget.
pub(super) fn uncovered(stack: &Stack) -> i64 {
    tally(stack).uncovered_nanos
}

/// All that the ledger counts.
fn tally(stack: &Stack) -> pb::Tally {
    let answer = block_on(async {
        let mut client = LedgerServiceClient::connect(format!("http://{}", stack.ledger)).await.unwrap();
        let all = pb::GetSpendRequest::default();
        client.get_spend(with_token(OPERATOR, all)).await.unwrap().into_inner()
    });
    answer.totals.first().and_then(|total| total.tally).unwrap_or_default()
}

/// Any order.
pub(super) fn shuffle<T>(things: &mut [T], dice: &mut Dice) {
    for place in (1..things.len()).rev() {
        things.swap(place, dice.below(place + 1));
    }
}
