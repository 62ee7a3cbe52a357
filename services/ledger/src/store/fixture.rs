//! Tokens and records for tests.

use tagbid_notice::{Bills, Label, NoticeKind, Token};
use tagbid_types::{
    AdvertiserId, BidId, BudgetDay, CampaignId, Cpm, CreativeId, Currency, LineItemId, Nanos, Permission,
    PlaceKind, Rate, Ratio, Timestamp,
};

use crate::conversion::Conversion;
use crate::judge::{Outcome, Record};

/// The bid `bid` of line item 3 at a CPM of 2 USD, billed by `burl`.
pub(crate) fn token(bid: u128) -> Token {
    Token {
        bid: BidId(bid),
        exchange: "demo".parse().unwrap(),
        auction: Label::cut("auction"),
        imp: Label::cut("1"),
        advertiser: AdvertiserId(1),
        campaign: CampaignId(2),
        line_item: LineItemId(3),
        creative: CreativeId(4),
        lease: 0,
        capacity_lease: 0,
        epoch: 0,
        issued: Timestamp::from_secs(1_790_000_000),
        hold_until_s: 0,
        hold_s: 0,
        place: Some(PlaceKind::Page),
        max_price: Cpm(2_000_000),
        currency: Currency::USD,
        fx: Rate::ONE,
        budget_currency: Currency::USD,
        budget_day: BudgetDay(20_717),
        quantity: Ratio::ONE,
        auction_type: 1,
        bills: Bills::Bill,
        test: false,
        permission: Permission::NONE,
        user: None,
    }
}

/// The billing notice of bid `bid` at `price` micros.
pub(crate) fn billed(bid: u128, price: i64) -> Record {
    Record {
        token: token(bid),
        kind: NoticeKind::Bill,
        received: Timestamp::from_secs(1_790_000_010),
        price: Some(Cpm(price)),
        said: None,
        outcome: Outcome::Billed,
        charged: Nanos(price),
        excess: Nanos::ZERO,
        loss_reason: None,
        min_to_win: None,
    }
}

/// A notice of another kind for bid `bid`.
pub(crate) fn seen(bid: u128, kind: NoticeKind) -> Record {
    Record { kind, price: None, outcome: Outcome::NotBilling, charged: Nanos::ZERO, ..billed(bid, 0) }
}

/// A conversion of advertiser 1, told at once, that nobody is named for.
pub(crate) fn converted(reference: &str, at: Timestamp) -> Conversion {
    Conversion {
        advertiser: AdvertiserId(1),
        reference: reference.into(),
        claimed: None,
        name: "purchase".into(),
        value: Some((Nanos(19_990_000_000), Currency::USD)),
        at,
        received: at,
        late: false,
        click: None,
        users: Vec::new(),
    }
}
