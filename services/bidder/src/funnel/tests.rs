//! The funnel tells of the same request what the path did with it and what Explain says of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use bumpalo::Bump;
use futures_util::FutureExt;
use proptest::prelude::*;
use tagbid_catalog::{
    Campaign, CapScope, CapUnknown, CapWindow, Catalog, Creative, Deal, DealAuction, Entity, EntityKey,
    EntityKind, FrequencyCap, Header, LineItem, Status,
};
use tagbid_ports::{LineItemFunnel, Loss};
use tagbid_targeting::{Dimension, Expr, Leaf};
use tagbid_testkit::FakeClock;
use tagbid_types::{
    AdvertiserId, CampaignId, Cpm, CreativeId, Currency, DealId, LineItemId, NoBidReason, Timestamp,
};

use super::pass::{Fate, pass};
use super::take;
use crate::explain::explain_line_item;
use crate::path::{Encoding, Format};
use crate::settings::NoBidStyle;
use crate::tests::{banner, catalog, given_a_catalog};
use crate::worker::{Answer, Incoming, Worker};

/// One of each thing that can stop a line item, by chance.
#[derive(Clone, Debug)]
struct Plan {
    price: i64,
    country: &'static str,
    deal: bool,
    paused: bool,
    yen: bool,
    /// Under a cap of one impression; nobody knows the user.
    cap: Option<CapUnknown>,
    tier: u8,
    creatives: Vec<u64>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let creatives = prop::collection::vec(1_u64..=5, 1..4);
    let country = prop::sample::select(vec!["usa", "usa", "deu"]);
    let chance = |weight| prop::bool::weighted(weight);
    let cap = prop::sample::select(vec![None, None, Some(CapUnknown::NoBid), Some(CapUnknown::Bid)]);
    (1_i64..8, country, chance(0.2), chance(0.2), chance(0.1), cap, 0..3_u8, creatives).prop_map(
        |(price, country, deal, paused, yen, cap, tier, creatives)| Plan {
            price: price * 500_000,
            country,
            deal,
            paused,
            yen,
            cap,
            tier,
            creatives,
        },
    )
}

/// Five creatives: plain, of a category, of another size, insecure, of a seat.
fn creatives() -> Vec<Creative> {
    let plain = || banner(AdvertiserId(1), CreativeId(1));
    let mut large = plain();
    if let tagbid_catalog::Markup::Banner(markup) = &mut large.markup {
        (markup.width, markup.height) = (728, 90);
    }
    let other = Creative { categories: vec!["IAB25-3".into()], ..plain() };
    let insecure = Creative { secure: false, ..plain() };
    let seated = Creative { seat: "seat-2".into(), ..plain() };
    let all = [plain(), other, large, insecure, seated];
    (1..).map(CreativeId).zip(all).map(|(id, creative)| Creative { id, ..creative }).collect()
}

fn deal() -> Deal {
    Deal {
        id: DealId(1),
        header: Header::default(),
        advertiser: AdvertiserId(1),
        name: "Deal".into(),
        exchange: "demo".parse().unwrap(),
        code: "d".into(),
        auction: DealAuction::Fixed,
        price: Cpm(900_000),
        currency: Currency::USD,
        seat: String::new(),
    }
}

fn catalog_of(plans: &[Plan]) -> Catalog {
    let mut all = catalog(plans.len() as u64);
    let mut entities: Vec<Entity> =
        creatives().into_iter().map(|one| Entity::Creative(Arc::new(one))).collect();
    entities.push(Entity::Deal(Arc::new(deal())));
    for entity in all.entities.clone().values() {
        let Entity::LineItem(item) = entity else { continue };
        let plan = &plans[usize::try_from(item.id.0).unwrap() - 1];
        let mut item = LineItem::clone(item);
        let wants = |dimension, value: &str| Expr::Leaf(Leaf::In { dimension, values: vec![value.into()] });
        let country = wants(Dimension::Country, plan.country);
        let wanted = if plan.deal { vec![country, wants(Dimension::Deal, "d")] } else { vec![country] };
        item.targeting = Expr::All(wanted);
        item.status = if plan.paused { Status::Paused } else { Status::Active };
        (item.bid.base, item.bid.max) = (Cpm(plan.price), Some(Cpm(plan.price)));
        if plan.yen {
            item.bid.currency = "JPY".parse().unwrap();
        }
        if let Some(unknown) = plan.cap {
            let cap = FrequencyCap { scope: CapScope::LineItem, impressions: 1, window: CapWindow::Day };
            (item.caps, item.cap_unknown) = (vec![cap], unknown);
        }
        // A campaign each: bids name it, and so the line item.
        item.campaign = CampaignId(item.id.0);
        let campaign = all.entities.get(&EntityKey { kind: EntityKind::Campaign, id: 1 });
        let Some(Entity::Campaign(campaign)) = campaign else { panic!("a campaign") };
        let campaign = Campaign { id: item.campaign, tier: plan.tier, ..Campaign::clone(campaign) };
        entities.push(Entity::Campaign(Arc::new(campaign)));
        item.creatives = plan.creatives.iter().copied().map(CreativeId).collect();
        entities.push(Entity::LineItem(Arc::new(item)));
    }
    entities.into_iter().for_each(|entity| all.entities.insert_mut(entity.key(), entity));
    all
}

/// A request of one to three impressions.
fn request() -> impl Strategy<Value = String> {
    let imp =
        (0_i64..8, prop::bool::weighted(0.3), prop::bool::weighted(0.1), prop::bool::ANY, any::<bool>());
    let imps = prop::collection::vec(imp, 1..4);
    let country = prop::sample::select(vec!["USA", "USA", "DEU"]);
    let blocks = prop::sample::select(vec![r#""bcat":[]"#, r#""bcat":["IAB25"]"#, r#""wseat":["tagbid"]"#]);
    (imps, country, blocks).prop_map(|(imps, country, blocks)| {
        let imps = imps.into_iter().enumerate().map(|(at, (floor, deals, broken, private, secure))| {
            let pmp = format!(
                r#""pmp":{{"private_auction":{},"deals":[{{"id":"d","bidfloor":0.8}}]}},"#,
                u8::from(private)
            );
            let (pmp, battr) = (if deals { pmp.as_str() } else { "" }, if broken { r#","battr":[{}]"# } else { "" });
            let (floor, secure) = (floor as f64 / 2.0, u8::from(secure));
            format!(r#"{{"id":"{at}","secure":{secure},"bidfloor":{floor},{pmp}"banner":{{"w":300,"h":250{battr}}}}}"#)
        });
        let imps = imps.collect::<Vec<_>>().join(",");
        format!(
            r#"{{"id":"a","at":1,"imp":[{imps}],"site":{{"id":"s"}},{blocks},"device":{{"geo":{{"country":"{country}"}}}}}}"#
        )
    })
}

fn given(plans: &[Plan]) -> Worker {
    let clock = Arc::new(FakeClock::at(Timestamp::from_secs(1_750_000_000)));
    given_a_catalog(catalog_of(plans), clock)
}

fn incoming(worker: &Worker, body: &str) -> Incoming {
    Incoming {
        exchange: "demo".parse().unwrap(),
        body: body.to_owned().into(),
        format: Format::Json,
        encoding: Encoding::Identity,
        arrival: worker.monotonic(),
        trace: None,
    }
}

/// Line items that were bid, in the order of their impressions.
fn bids(answer: &Answer) -> Vec<LineItemId> {
    let Answer::Bids(body) = answer else { return Vec::new() };
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap();
    let seats = answer["seatbid"].as_array().unwrap().iter();
    let bids = seats.flat_map(|seat| seat["bid"].as_array().unwrap());
    let text = |bid: &serde_json::Value, key: &str| bid[key].as_str().unwrap().to_owned();
    let sent: BTreeMap<_, _> = bids.map(|bid| (text(bid, "impid"), text(bid, "cid"))).collect();
    sent.into_values().map(|campaign| LineItemId(campaign.parse().unwrap())).collect()
}

/// Asks the worker once and passes what it sampled: of each line item its fates in the order of the impressions.
fn fates(worker: &Worker, body: &str) -> (Answer, Vec<(LineItemId, Fate)>) {
    let answer = worker.answer(&incoming(worker, body), NoBidStyle::Empty).now_or_never().unwrap();
    let shared = worker.shared();
    let sample = shared.funnel.sampled().expect("every request is sampled here");
    shared.funnel.tally.follow(&sample, &shared.fx);
    let arena = Bump::new();
    let passed = pass(shared, &sample, &shared.funnel.tally.scope(), &arena).unwrap();
    take(shared, &sample, &arena);
    (answer, passed.fates)
}

fn explained(worker: &Worker, body: &str, id: LineItemId) -> Vec<Option<NoBidReason>> {
    let told = explain_line_item(worker, &incoming(worker, body), id).now_or_never().unwrap().unwrap();
    assert!(told.request_reasons.is_empty(), "{told:?}");
    let unmatched = |one: &tagbid_ports::ImpressionExplanation| {
        one.reasons.iter().any(|reason| reason.code == NoBidReason::NoMatch)
    };
    let matching = told.impressions.iter().filter(|one| !unmatched(one));
    matching.map(|one| one.reasons.first().map(|reason| reason.code)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    /// What the funnel calls bid is what the path bids, impression by impression; and where it bids nothing, nobody could.
    #[test]
    fn what_is_counted_as_bid_was_bid(plans in prop::collection::vec(plan(), 1..8), body in request()) {
        let worker = given(&plans);
        let (answer, fates) = fates(&worker, &body);
        let bid: Vec<_> = fates.iter().filter(|(_, fate)| *fate == Fate::Bid).map(|(id, _)| *id).collect();
        prop_assert_eq!(&bid, &bids(&answer), "{:?}", fates);
        let outbid = fates.iter().any(|(_, fate)| *fate == Fate::Outbid);
        prop_assert!(!outbid || !bid.is_empty(), "{fates:?}");
    }

    /// A line item is lost to the first thing that Explain says against it, and was priced when Explain says nothing.
    #[test]
    fn losses_are_what_explain_says(plans in prop::collection::vec(plan(), 1..8), body in request()) {
        // Explain tells of each impression by itself: what was chosen for another does not count there.
        let alone = |plan: &Plan| Plan { cap: plan.cap.filter(|cap| *cap == CapUnknown::NoBid), ..plan.clone() };
        let plans: Vec<_> = plans.iter().map(alone).collect();
        let worker = given(&plans);
        let (_, fates) = fates(&worker, &body);
        for id in (1..=plans.len() as u64).map(LineItemId) {
            let own = fates.iter().filter(|(of, _)| *of == id);
            let told: Vec<_> = own
                .map(|(_, fate)| match fate {
                    Fate::Lost(reason) => Some(*reason),
                    Fate::Outbid | Fate::Bid | Fate::Unsent(_) => None,
                })
                .collect();
            prop_assert_eq!(told, explained(&worker, &body, id), "{}", id);
        }
    }

    /// Of each line item all that matched was lost to something or bid, and what did not match is the rest of what was
    /// considered.
    #[test]
    fn counts_add_up(plans in prop::collection::vec(plan(), 1..6), bodies in prop::collection::vec(request(), 1..5)) {
        let worker = given(&plans);
        let mut matched: BTreeMap<LineItemId, u64> = BTreeMap::new();
        let mut impressions = 0;
        for body in &bodies {
            for (id, _) in fates(&worker, body).1 {
                *matched.entry(id).or_default() += 1;
            }
            impressions += body.matches("\"banner\"").count() as u64;
        }
        let ids: Vec<_> = (1..=plans.len() as u64).map(LineItemId).collect();
        for funnel in worker.shared().funnel_report(&ids).unwrap().line_items {
            prop_assert_eq!(funnel.considered, impressions);
            prop_assert_eq!(funnel.matched, matched.get(&funnel.line_item).copied().unwrap_or(0));
            prop_assert_eq!(funnel.matched, funnel.losses.values().sum::<u64>() + funnel.bid);
            let outbid = funnel.losses.get(&Loss::Outbid).copied().unwrap_or(0);
            prop_assert_eq!(funnel.priced, outbid + funnel.bid);
        }
    }
}

fn plain(price: i64) -> Plan {
    Plan {
        price,
        country: "usa",
        deal: false,
        paused: false,
        yen: false,
        cap: None,
        tier: 0,
        creatives: vec![1],
    }
}

const PLAIN: &str = r#"{"id":"a","at":1,"imp":[{"id":"1","bidfloor":0.5,"banner":{"w":300,"h":250}}],"site":{"id":"s"},
    "device":{"geo":{"country":"USA"}}}"#;

fn funnel(worker: &Worker, id: u64) -> LineItemFunnel {
    worker.shared().funnel_report(&[LineItemId(id)]).unwrap().line_items.remove(0)
}

#[test]
fn what_would_have_been_bid_but_came_too_late_is_lost_to_time() {
    let worker = given(&[plain(1_000_000), plain(2_000_000)]);
    let answer = worker.answer(&incoming(&worker, PLAIN), NoBidStyle::Empty).now_or_never().unwrap();
    assert!(matches!(answer, Answer::Bids(_)));
    let mut sample = worker.shared().funnel.sampled().unwrap();
    sample.stopped = Some(NoBidReason::NoTime);
    take(worker.shared(), &sample, &Bump::new());
    assert_eq!(funnel(&worker, 1).losses, [(Loss::Outbid, 1)].into());
    let best = funnel(&worker, 2);
    assert_eq!((best.priced, best.bid, best.losses), (1, 0, [(Loss::Reason(NoBidReason::NoTime), 1)].into()));
}

#[test]
fn a_line_item_that_leaves_the_book_is_forgotten_and_a_new_one_begins_where_it_comes() {
    let worker = given(&[plain(1_000_000)]);
    fates(&worker, PLAIN);
    assert_eq!(funnel(&worker, 1).considered, 1);
    let shared = worker.shared();
    let mut next = catalog_of(&[plain(1_000_000), plain(2_000_000)]);
    next.entities.remove_mut(&LineItemId(1).into());
    let book = crate::book::Book::build(&Arc::new(next), &shared.fx, &Default::default());
    book.refresh(worker.now());
    shared.books.swap(book);
    // Books are gone through in strides of twenty times what that took: a few microseconds here.
    tagbid_testkit::wait_until("the new book", std::time::Duration::from_secs(10), || {
        fates(&worker, PLAIN);
        funnel(&worker, 1).since.is_none()
    });
    let (gone, new) = (funnel(&worker, 1), funnel(&worker, 2));
    assert_eq!(gone, LineItemFunnel::empty(LineItemId(1)));
    assert!(new.since.is_some() && new.considered == new.bid && new.bid >= 1, "{new:?}");
}

#[test]
fn what_waits_is_bounded_and_the_rest_is_dropped_and_counted() {
    let worker = given(&[plain(1_000_000)]);
    for _ in 0..super::WAITING + 3 {
        worker.answer(&incoming(&worker, PLAIN), NoBidStyle::Empty).now_or_never().unwrap();
    }
    let told = worker.shared().funnel_report(&[]).unwrap().sources.remove(0);
    assert_eq!((told.requests, told.sampled, told.dropped), (super::WAITING as u64 + 3, 0, 3));
}
