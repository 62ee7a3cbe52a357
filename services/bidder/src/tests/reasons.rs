//! Why there is no bid: the same for the same request, however creatives rotate and the clock runs, and the same that
//! Explain says.

use std::sync::atomic::{AtomicU64, Ordering};

use tagbid_catalog::{Deal, DealAuction, EntityKey, EntityKind};
use tagbid_ports::{ExplainError, Explanation};
use tagbid_types::{DealId, Monotonic, NoBidReason};

use super::*;
use crate::explain::explain_line_item;

fn reason(answer: Answer) -> Option<NoBidReason> {
    match answer {
        Answer::NoBid { reason, .. } => Some(reason),
        Answer::Bids(_) => None,
        Answer::Refused(refusal) => panic!("{refusal:?}"),
    }
}

fn with(members: &str) -> String {
    REQUEST.replacen('{', &format!("{{{members},"), 1)
}

fn clock() -> Arc<dyn Clock> {
    Arc::new(FakeClock::at(Timestamp::from_secs(1_750_000_000)))
}

/// The catalog of [`catalog`] with one line item, changed.
pub(super) fn catalog_with(change: impl FnOnce(&mut LineItem, &mut Vec<Entity>)) -> Catalog {
    let mut catalog = catalog(1);
    let key = EntityKey { kind: EntityKind::LineItem, id: 1 };
    let Some(Entity::LineItem(item)) = catalog.entities.get(&key) else { panic!("a line item") };
    let (mut item, mut more) = (LineItem::clone(item), Vec::new());
    change(&mut item, &mut more);
    more.push(Entity::LineItem(Arc::new(item)));
    more.into_iter().for_each(|entity| catalog.entities.insert_mut(entity.key(), entity));
    catalog
}

fn explain(worker: &Worker, body: &str, line_item: u64) -> Result<Explanation, ExplainError> {
    let incoming = incoming(worker, body.to_owned());
    explain_line_item(worker, &incoming, LineItemId(line_item)).now_or_never().expect("nothing waits here")
}

/// Three creatives: one is blocked, one has another size, and one is refused by the exchange.
fn given_three_creatives() -> Worker {
    let catalog = catalog_with(|item, more| {
        let plain = banner(AdvertiserId(1), CreativeId(1));
        let other = Creative { categories: vec!["IAB25-3".into()], ..plain.clone() };
        let size = Markup::Banner(BannerMarkup {
            width: 728,
            height: 90,
            html: "<a href=\"{CLICK_URL}\">Buy</a>{IMPRESSION_PIXEL}".into(),
            banner_type: 2,
        });
        let insecure = Creative { secure: false, ..plain.clone() };
        let creatives = [other, Creative { markup: size, ..plain }, insecure];
        for (id, creative) in (1..).map(CreativeId).zip(creatives) {
            more.push(Entity::Creative(Arc::new(Creative { id, ..creative })));
        }
        item.creatives = (1..=3).map(CreativeId).collect();
    });
    given_a_catalog(catalog, clock())
}

#[test]
fn the_reason_is_that_of_the_creative_that_came_nearest_whichever_was_tried_first() {
    let worker = given_three_creatives();
    for _ in 0..64 {
        assert_eq!(reason(ask(&worker, REQUEST)), Some(NoBidReason::NotSecure));
    }
    let explained = explain(&worker, REQUEST, 1).unwrap();
    let codes: Vec<_> = explained.impressions[0].reasons.iter().map(|reason| reason.code).collect();
    assert_eq!(codes, [NoBidReason::NotSecure, NoBidReason::NoCreative, NoBidReason::BlockedCategory]);
}

/// Goes on by a step at each look, so that time runs out at any place on the path.
#[derive(Debug)]
struct Ticking {
    now: AtomicU64,
    step: u64,
}

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        Timestamp::from_secs(1_750_000_000)
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(self.now.fetch_add(self.step, Ordering::Relaxed))
    }
}

#[test]
fn a_search_that_the_clock_cuts_short_names_no_other_reason_than_time() {
    // The 60 that could pay most are blocked; the 61st bids, if there is time to come to it.
    let catalog = || {
        let mut catalog = catalog(61);
        let blocked = banner(AdvertiserId(1), CreativeId(2));
        let blocked = Entity::Creative(Arc::new(Creative { categories: vec!["IAB25-3".into()], ..blocked }));
        for entity in catalog.entities.clone().values() {
            if let Entity::LineItem(item) = entity
                && item.id > LineItemId(1)
            {
                let item = LineItem { creatives: vec![CreativeId(2)], ..LineItem::clone(item) };
                catalog.entities.insert_mut(entity.key(), Entity::LineItem(Arc::new(item)));
            }
        }
        catalog.entities.insert_mut(blocked.key(), blocked);
        catalog
    };
    let answer = |step| {
        let worker = given_a_catalog(catalog(), Arc::new(Ticking { now: AtomicU64::new(0), step }));
        reason(ask(&worker, REQUEST))
    };
    let answers: Vec<_> = (0..400).map(|step| answer(step * 500)).collect();
    assert!(answers.iter().all(|reason| matches!(reason, None | Some(NoBidReason::NoTime))), "{answers:?}");
    assert_eq!((answers.first(), answers.last()), (Some(&None), Some(&Some(NoBidReason::NoTime))));
}

#[test]
fn a_block_list_that_cannot_be_read_whole_gets_no_bid_for_what_it_blocks() {
    let worker = given_a_worker(1);
    let unreadable = Some(NoBidReason::UnreadableBlockList);
    for members in [r#""bapp":[{}]"#, r#""bseat":{"0":"a"}"#, r#""acat":["IAB22",["IAB1"]],"cattax":6"#] {
        assert_eq!(reason(ask(&worker, with(members))), unreadable, "{members}");
    }
    assert_eq!(reason(ask(&worker, with(r#""bapp":["x",null,"",7,true]"#))), None);
    let told = explain(&worker, &with(r#""bapp":[{}]"#), 1).unwrap().request_reasons;
    assert!(told[0].text.starts_with("bapp cannot be read whole"), "{told:?}");

    let blocks = REQUEST.replace(r#""w":300"#, r#""battr":[{}],"w":300"#);
    assert_eq!(reason(ask(&worker, blocks.clone())), unreadable);
    assert_eq!(Some(explain(&worker, &blocks, 1).unwrap().impressions[0].reasons[0].code), unreadable);
    let second = r#""imp":[{"id":"2","banner":{"w":300,"h":250}},"#;
    let Answer::Bids(body) = ask(&worker, blocks.replace(r#""imp":["#, second)) else { panic!("no bid") };
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let bids = answer["seatbid"][0]["bid"].as_array().unwrap();
    assert_eq!((bids.len(), &bids[0]["impid"]), (1, &"2".into()));
}

/// A worker whose line item is for the deal "d", agreed at 0.9 USD.
fn given_a_deal(auction: DealAuction) -> Worker {
    let deal_with_us = Deal {
        id: DealId(1),
        header: Header::default(),
        advertiser: AdvertiserId(1),
        name: "Deal".into(),
        exchange: "demo".parse().unwrap(),
        code: "d".into(),
        auction,
        price: Cpm(900_000),
        currency: Currency::USD,
        seat: String::new(),
    };
    let catalog = catalog_with(|item, more| {
        item.targeting = Expr::Leaf(Leaf::In { dimension: Dimension::Deal, values: vec!["d".into()] });
        more.push(Entity::Deal(Arc::new(deal_with_us)));
    });
    given_a_catalog(catalog, clock())
}

fn with_deal(deal: &str) -> String {
    REQUEST.replace(r#""secure":1"#, &format!(r#""secure":1,"pmp":{{"deals":[{deal}]}}"#))
}

#[test]
fn a_deal_without_a_floor_of_its_own_is_under_the_impressions() {
    let under = |auction, deal: &str, floor: &str| {
        let request = with_deal(deal).replace(r#""bidfloor":0.5"#, floor);
        let worker = given_a_deal(auction);
        let explained = explain(&worker, &request, 1).unwrap().impressions[0].clone();
        match ask(&worker, request) {
            Answer::Bids(body) => {
                let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
                assert!(explained.reasons.is_empty(), "{explained:?}");
                Ok(answer["seatbid"][0]["bid"][0]["price"].as_f64().unwrap())
            }
            answer => {
                assert_eq!(reason(answer), Some(explained.reasons[0].code));
                Err(explained.reasons[0].text.clone())
            }
        }
    };
    let high = r#""bidfloor":0.95"#;
    let fixed = under(DealAuction::Fixed, r#"{"id":"d"}"#, high).unwrap_err();
    assert!(fixed.contains("asks 0.95") && fixed.contains("price of 0.9"), "{fixed}");
    assert_eq!(under(DealAuction::Fixed, r#"{"id":"d"}"#, r#""bidfloor":0.9"#), Ok(0.9));
    assert_eq!(under(DealAuction::Fixed, r#"{"id":"d","bidfloor":0.8}"#, high), Ok(0.8), "its own floor");
    assert_eq!(under(DealAuction::FirstPrice, r#"{"id":"d"}"#, high), Ok(1.000001));
    let auction = under(DealAuction::FirstPrice, r#"{"id":"d"}"#, r#""bidfloor":7"#).unwrap_err();
    assert!(auction.contains("below the floor of deal \"d\" (7"), "{auction}");
    let unknown = r#""bidfloor":0.1,"bidfloorcur":"JPY""#;
    assert!(under(DealAuction::Fixed, r#"{"id":"d"}"#, unknown).unwrap_err().contains("no rate"));
}

#[test]
fn the_floor_explained_is_that_of_the_terms_refused() {
    let words = |auction: DealAuction, deal: &str| {
        let worker = given_a_deal(auction);
        let request = with_deal(deal);
        assert_eq!(reason(ask(&worker, request.clone())), Some(NoBidReason::BelowFloor));
        explain(&worker, &request, 1).unwrap().impressions[0].reasons[0].text.clone()
    };
    let auction = words(DealAuction::FirstPrice, r#"{"id":"d","at":1,"bidfloor":7}"#);
    assert!(auction.contains("below the floor of deal \"d\" (7"), "{auction}");
    let fixed = words(DealAuction::Fixed, r#"{"id":"d","at":3,"bidfloor":5}"#);
    assert!(fixed.contains("deal \"d\" asks 5") && fixed.contains("price of 0.9"), "{fixed}");
}

#[test]
fn a_line_item_that_the_bidder_leaves_out_or_has_not_received_is_told_so() {
    let told = |change: fn(&mut LineItem, &mut Vec<Entity>)| {
        let explained = explain(&given_a_catalog(catalog_with(change), clock()), REQUEST, 1).unwrap();
        (explained.request_reasons[0].code, explained.request_reasons[0].text.clone())
    };
    let archived = told(|item, _| item.header.archived = true);
    assert_eq!(archived, (NoBidReason::NotLive, "the line item is archived".into()));
    let bare = told(|item, _| item.creatives.clear());
    assert!(bare.0 == NoBidReason::NoCreative && bare.1.contains("no creative"), "{bare:?}");

    let worker = given_a_worker(1);
    let error = explain(&worker, REQUEST, 2).unwrap_err();
    assert_eq!(error, ExplainError::UnknownLineItem { line_item: LineItemId(2), revision: Revision(1) });
    assert!(error.to_string().contains("revision 1"), "{error}");
}

#[test]
fn a_line_item_that_cannot_be_priced_or_whose_campaign_is_archived_is_told_so() {
    let first = |change: fn(&mut LineItem, &mut Vec<Entity>)| {
        let explained = explain(&given_a_catalog(catalog_with(change), clock()), REQUEST, 1).unwrap();
        let first = &explained.impressions[0].reasons[0];
        (first.code, first.text.clone())
    };
    let (code, text) = first(|item, _| item.bid.currency = "JPY".parse().unwrap());
    assert!(code == NoBidReason::Currency && text.contains("JPY"), "{text}");
    let (code, text) = first(|item, more| {
        let campaign = Campaign {
            id: item.campaign,
            header: Header { archived: true, ..Header::default() },
            advertiser: item.advertiser,
            name: "Autumn".into(),
            status: Status::Active,
            schedule: Schedule::default(),
            budget: Budget::default(),
            capacity: tagbid_catalog::Capacity::default(),
            caps: vec![],
            tier: 0,
        };
        more.push(Entity::Campaign(Arc::new(campaign)));
    });
    assert_eq!((code, text.as_str()), (NoBidReason::NotLive, "the campaign is archived"));
}

/// More creatives than verdicts are remembered, a third of them blocked; line items share them in turn. Creatives 1 and
/// 513 would be remembered at the same place.
#[test]
fn verdicts_remembered_for_one_line_item_are_those_of_the_next() {
    const CREATIVES: u64 = 600;
    let mut catalog = catalog(2 * CREATIVES);
    for id in 1..=CREATIVES {
        let mut creative = banner(AdvertiserId(1), CreativeId(id));
        if id % 3 == 0 {
            creative.categories = vec!["IAB25-3".into()];
        }
        let creative = Entity::Creative(Arc::new(creative));
        catalog.entities.insert_mut(creative.key(), creative);
    }
    for entity in catalog.clone().entities.values() {
        if let Entity::LineItem(item) = entity {
            // The dearest half has blocked creatives only; the next one has the first.
            let blocked = item.id.0 > CREATIVES + 1;
            let creative = if blocked { item.id.0 % 200 * 3 + 3 } else { (item.id.0 % CREATIVES).max(1) };
            let item = LineItem { creatives: vec![CreativeId(creative)], ..LineItem::clone(item) };
            catalog.entities.insert_mut(entity.key(), Entity::LineItem(Arc::new(item)));
        }
    }
    let Answer::Bids(body) = ask(&given_a_catalog(catalog, clock()), REQUEST) else { panic!("no bid") };
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
    let bid = &answer["seatbid"][0]["bid"][0];
    assert_eq!((&bid["price"], &bid["crid"]), (&1.000601.into(), &"1".into()));
}
