//! An event as a row: the one list of what JSON and Parquet have of it.

use std::borrow::Cow;

use tagbid_eventlog::Logged;
use tagbid_ports::{Attribution, BidFact, ConversionFact, Fact, NoticeFact, Verdict};
use tagbid_types::{BudgetDay, Timestamp};

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// An id or a position.
    Id(u64),
    /// Money, in the unit that the column's name says; or a code.
    Number(i64),
    Text(Cow<'a, str>),
    Time(Timestamp),
    Day(BudgetDay),
    Flag(bool),
}

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Id,
    Number,
    Text,
    Time,
    Day,
    Flag,
}

/// One column; a row that has no such thing has none.
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) get: for<'a> fn(&'a Logged) -> Option<Value<'a>>,
}

const fn column(name: &'static str, kind: Kind, get: for<'a> fn(&'a Logged) -> Option<Value<'a>>) -> Column {
    Column { name, kind, get }
}

/// All columns. Prices are CPM in micros and amounts are nanos of the currency beside them.
pub(super) const COLUMNS: [Column; 40] = [
    column("position", Kind::Id, |row| Some(Value::Id(row.position))),
    column("at", Kind::Time, |row| Some(Value::Time(row.event.at))),
    column("kind", Kind::Text, |row| text(row.event.kind().as_str())),
    column("exchange", Kind::Text, |row| text(row.event.bid.as_ref()?.exchange.as_str())),
    column("auction", Kind::Text, |row| text(&row.event.bid.as_ref()?.auction)),
    column("imp", Kind::Text, |row| text(&row.event.bid.as_ref()?.imp)),
    column("bid", Kind::Text, |row| written(row.event.bid.as_ref()?.id)),
    column("bid_at", Kind::Time, |row| Some(Value::Time(row.event.bid.as_ref()?.at))),
    column("advertiser", Kind::Id, |row| Some(Value::Id(row.event.advertiser()?.0))),
    column("campaign", Kind::Id, |row| Some(Value::Id(row.event.bid.as_ref()?.campaign.0))),
    column("line_item", Kind::Id, |row| Some(Value::Id(row.event.bid.as_ref()?.line_item.0))),
    column("creative", Kind::Id, |row| Some(Value::Id(row.event.bid.as_ref()?.creative.0))),
    column("bid_price_micros", Kind::Number, |row| Some(Value::Number(row.event.bid.as_ref()?.price.0))),
    column("currency", Kind::Text, |row| written(row.event.bid.as_ref()?.currency)),
    column("quantity_millionths", Kind::Number, |row| {
        Some(Value::Number(row.event.bid.as_ref()?.quantity.0))
    }),
    column("user", Kind::Text, |row| written(row.event.user?.key)),
    column("user_mac", Kind::Number, |row| Some(Value::Number(row.event.user?.mac?.into()))),
    column("deal", Kind::Text, |row| text(made(row)?.deal.as_deref()?)),
    column("auction_type", Kind::Number, |row| Some(Value::Number(made(row)?.auction_type.into()))),
    column("test", Kind::Flag, |row| Some(Value::Flag(made(row)?.test))),
    column("sample_millionths", Kind::Number, |row| Some(Value::Number(made(row)?.sample.0))),
    column("verdict", Kind::Text, |row| text(notice(row)?.verdict.as_str())),
    column("quarantine", Kind::Text, |row| match &notice(row)?.verdict {
        Verdict::Quarantined(why) => text(why),
        _ => None,
    }),
    column("price_micros", Kind::Number, |row| Some(Value::Number(notice(row)?.price?.0))),
    column("charged_nanos", Kind::Number, |row| Some(Value::Number(notice(row)?.charged.0))),
    column("excess_nanos", Kind::Number, |row| Some(Value::Number(notice(row)?.excess.0))),
    column("uncovered_nanos", Kind::Number, |row| Some(Value::Number(notice(row)?.uncovered.0))),
    column("over_capacity", Kind::Number, |row| Some(Value::Number(notice(row)?.over_capacity))),
    column("budget_currency", Kind::Text, |row| written(notice(row)?.budget_currency)),
    column("budget_day", Kind::Day, |row| Some(Value::Day(notice(row)?.budget_day))),
    column("loss_reason", Kind::Number, |row| Some(Value::Number(notice(row)?.loss_reason?.into()))),
    column("min_to_win_micros", Kind::Number, |row| Some(Value::Number(notice(row)?.min_to_win?.0))),
    column("conversion", Kind::Text, |row| text(&conversion(row)?.name)),
    column("reference", Kind::Text, |row| text(&conversion(row)?.reference)),
    column("value_nanos", Kind::Number, |row| Some(Value::Number(conversion(row)?.value?.0.0))),
    column("value_currency", Kind::Text, |row| written(conversion(row)?.value?.1)),
    column("attribution", Kind::Text, |row| text(conversion(row)?.attribution.as_str())),
    column("uncredited", Kind::Text, |row| match &conversion(row)?.attribution {
        Attribution::None(why) => text(why),
        Attribution::Click | Attribution::View => None,
    }),
    column("source", Kind::Text, |row| text(row.numbered.as_ref()?.0.as_str())),
    column("source_position", Kind::Id, |row| Some(Value::Id(row.numbered.as_ref()?.1))),
];

fn text(text: &str) -> Option<Value<'_>> {
    Some(Value::Text(Cow::Borrowed(text)))
}

fn written(value: impl std::fmt::Display) -> Option<Value<'static>> {
    Some(Value::Text(Cow::Owned(value.to_string())))
}

fn made(row: &Logged) -> Option<&BidFact> {
    match &row.event.fact {
        Fact::Bid(made) => Some(made),
        _ => None,
    }
}

fn notice(row: &Logged) -> Option<&NoticeFact> {
    match &row.event.fact {
        Fact::Win(notice)
        | Fact::Billing(notice)
        | Fact::Loss(notice)
        | Fact::Impression(notice)
        | Fact::Click(notice) => Some(notice),
        Fact::Bid(_) | Fact::Conversion(_) => None,
    }
}

fn conversion(row: &Logged) -> Option<&ConversionFact> {
    match &row.event.fact {
        Fact::Conversion(conversion) => Some(conversion),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use tagbid_ports::{Event, EventBid, EventUser};
    use tagbid_tagset::UserKey;
    use tagbid_types::{
        AdvertiserId, BidId, CampaignId, Cpm, CreativeId, Currency, LineItemId, Nanos, Ratio,
    };

    use super::*;

    /// An event of each shape, at 2026-11-22T09:00:00.25Z.
    pub(crate) fn rows() -> [Logged; 4] {
        let at = Timestamp(1_795_338_000_250_000);
        let bid = || {
            Some(EventBid {
                exchange: "acme".parse().unwrap(),
                auction: "a \"quoted\" id".into(),
                id: BidId(255),
                imp: "1".into(),
                at: Timestamp(at.0 - 1_000_000),
                advertiser: AdvertiserId(u64::MAX),
                campaign: CampaignId(2),
                line_item: LineItemId(3),
                creative: CreativeId(4),
                price: Cpm(1_500_000),
                currency: Currency::USD,
                quantity: Ratio::ONE,
            })
        };
        let made = Fact::Bid(BidFact { deal: None, auction_type: 1, test: true, sample: Ratio(10_000) });
        let billed = Fact::Billing(NoticeFact {
            verdict: Verdict::Quarantined("price".into()),
            price: Some(Cpm(1_250_000)),
            charged: Nanos(0),
            excess: Nanos(-7),
            uncovered: Nanos(40),
            over_capacity: 2,
            budget_currency: "EUR".parse().unwrap(),
            budget_day: BudgetDay(20_779),
            loss_reason: None,
            min_to_win: None,
        });
        let converted = |attribution| {
            Fact::Conversion(ConversionFact {
                advertiser: AdvertiserId(u64::MAX),
                name: "purchase".into(),
                reference: "order-7".into(),
                value: Some((Nanos(19_990_000_000), Currency::USD)),
                attribution,
            })
        };
        let bought = converted(Attribution::Click);
        let nobodys = converted(Attribution::None("click_expired".into()));
        let user = Some(EventUser { key: UserKey([1; 16]), mac: Some(2) });
        let row = |position, bid, fact, user, numbered| {
            let event = Event { at, bid, user, fact };
            Logged { position, event, numbered }
        };
        let numbered = || Some(("ledger.1".parse().unwrap(), 41));
        [
            row(1, bid(), made, user, None),
            row(2, bid(), billed, None, numbered()),
            row(3, bid(), bought, None, numbered()),
            row(4, None, nobodys, None, numbered()),
        ]
    }

    #[test]
    fn every_column_holds_what_it_says_and_is_filled_by_some_event() {
        let kind = |value: &Value<'_>| match value {
            Value::Id(_) => Kind::Id,
            Value::Number(_) => Kind::Number,
            Value::Text(_) => Kind::Text,
            Value::Time(_) => Kind::Time,
            Value::Day(_) => Kind::Day,
            Value::Flag(_) => Kind::Flag,
        };
        let never = ["deal", "loss_reason", "min_to_win_micros"];
        for column in &COLUMNS {
            let rows = rows();
            let found: Vec<_> = rows.iter().filter_map(|row| (column.get)(row)).collect();
            assert_eq!(found.is_empty(), never.contains(&column.name), "{}", column.name);
            assert!(found.iter().all(|value| kind(value) == column.kind), "{}", column.name);
        }
    }
}
