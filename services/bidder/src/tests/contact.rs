//! Contact rules: whom an advertiser never contacts, and which campaigns come first.

use proptest::collection::vec;
use tagbid_catalog::{EntityKey, EntityKind};
use tagbid_ports::SourceStatus;
use tagbid_tagset::realtime::{self, RealtimeTag};
use tagbid_types::{NoBidReason, TagId};

use super::*;
use crate::explain::explain_line_item;

const NOW: Timestamp = Timestamp::from_secs(1_750_000_000);

fn changed<T>(
    catalog: &mut Catalog,
    kind: EntityKind,
    id: u64,
    change: impl FnOnce(&Entity) -> (Entity, T),
) -> T {
    let key = EntityKey { kind, id };
    let (entity, told) = change(catalog.entities.get(&key).unwrap());
    catalog.entities.insert_mut(key, entity);
    told
}

fn never_contact(catalog: &mut Catalog, tags: &[u32]) {
    changed(catalog, EntityKind::Advertiser, 1, |entity| {
        let Entity::Advertiser(advertiser) = entity else { panic!("{entity:?}") };
        let never_contact = tags.iter().copied().map(TagId).collect();
        (Entity::Advertiser(Arc::new(Advertiser { never_contact, ..Advertiser::clone(advertiser) })), ())
    });
}

/// A user with these real-time tags.
fn carrying(tags: &[u32]) -> TagAnswer {
    let tag =
        |id: &u32| RealtimeTag { id: TagId(*id), weight: 200, event: NOW, half_life_s: 0, ttl_s: 86_400 };
    let tags: Vec<_> = tags.iter().map(tag).collect();
    let blob = realtime::encode(&tags).unwrap();
    TagAnswer { realtime: Some(blob.into()), ..TagAnswer::unknown(SourceStatus::Known) }
}

#[test]
fn who_carries_a_tag_of_the_list_or_may_carry_one_is_not_contacted() {
    let unknown = || TagAnswer::unknown(SourceStatus::Late);
    let no_offline = || TagAnswer { offline_status: SourceStatus::Failed, ..carrying(&[]) };
    let cases = [
        ("another tag", carrying(&[5]), true),
        ("no tag", carrying(&[]), true),
        ("a tag of the list", carrying(&[5, 8]), false),
        ("nothing is known", unknown(), false),
        ("offline tags are not known", no_offline(), false),
    ];
    for (case, answer, bids) in cases {
        let mut catalog = catalog(1);
        never_contact(&mut catalog, &[7, 8]);
        let worker = given_a_world(catalog, Arc::new(FakeClock::at(NOW)), Same(answer), Exchange::default());
        let answer = ask(&worker, REQUEST);
        assert_eq!(matches!(answer, Answer::Bids(_)), bids, "{case}: {answer:?}");
        let incoming = incoming(&worker, REQUEST);
        let explained = explain_line_item(&worker, &incoming, LineItemId(1)).now_or_never().unwrap().unwrap();
        let reasons = &explained.impressions[0].reasons;
        assert_eq!(reasons.is_empty(), bids, "{case}: {reasons:?}");
        for one in reasons {
            assert_eq!(one.code, NoBidReason::NoMatch);
            assert!(one.text.starts_with("the advertiser never contacts users with some tags"), "{one:?}");
        }
    }
}

#[test]
fn a_list_that_changes_holds_for_the_next_request() {
    let before = catalog(1);
    let worker = given_a_world(
        before.clone(),
        Arc::new(FakeClock::at(NOW)),
        Same(carrying(&[8])),
        Exchange::default(),
    );
    assert!(matches!(ask(&worker, REQUEST), Answer::Bids(_)));
    let mut after = before;
    for (tags, bids) in [(&[8_u32][..], false), (&[9][..], true), (&[][..], true)] {
        never_contact(&mut after, tags);
        let changed = [EntityKey { kind: EntityKind::Advertiser, id: 1 }].into_iter().collect();
        let (book, shared) = (worker.last_book().unwrap(), worker.shared());
        let (next, _) = book.with(&Arc::new(after.clone()), &changed, &shared.fx, NOW);
        assert_eq!(next.datasets().is_all(), !tags.is_empty(), "the list's tags are looked up");
        shared.books.swap(next);
        assert_eq!(matches!(ask(&worker, REQUEST), Answer::Bids(_)), bids, "{tags:?}");
    }
}

/// Line items at these prices in micros, each in a campaign of its own in a tier.
fn tiered(line_items: &[(u8, i64)]) -> Catalog {
    let mut catalog = catalog(line_items.len() as u64);
    let Entity::Campaign(first) = catalog.entities[&EntityKey { kind: EntityKind::Campaign, id: 1 }].clone()
    else {
        panic!("a campaign")
    };
    for (id, (tier, price)) in (1..).zip(line_items) {
        let campaign = Campaign { id: CampaignId(id), tier: *tier, ..Campaign::clone(&first) };
        catalog.entities.insert_mut(campaign.id.into(), Entity::Campaign(Arc::new(campaign)));
        changed(&mut catalog, EntityKind::LineItem, id, |entity| {
            let Entity::LineItem(item) = entity else { panic!("{entity:?}") };
            let bid = BidRules { base: Cpm(*price), min: Cpm(1), max: None, ..item.bid.clone() };
            let item = LineItem { campaign: CampaignId(id), bid, ..LineItem::clone(item) };
            (Entity::LineItem(Arc::new(item)), ())
        });
    }
    catalog
}

/// The price that is bid, in micros.
fn bid_price(worker: &Worker, floor: i64) -> Option<i64> {
    let body = REQUEST.replace(r#""bidfloor":0.5"#, &format!(r#""bidfloor":{}"#, floor as f64 / 1e6));
    let Answer::Bids(body) = ask(worker, body) else { return None };
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
    Some((answer["seatbid"][0]["bid"][0]["price"].as_f64().unwrap() * 1e6).round() as i64)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Of all line items that reach the floor one of the highest tier bids, and of those the dearest.
    #[test]
    fn a_higher_tier_bids_first_whatever_the_prices(
        line_items in vec((0..=9_u8, 100_000..3_000_000_i64), 1..12),
        floor in 100_000..3_000_000_i64,
    ) {
        let clock = Arc::new(FakeClock::at(NOW));
        let worker = given_a_world(tiered(&line_items), clock, Same::default(), Exchange::default());
        let best = line_items.iter().filter(|(_, price)| *price >= floor).max();
        prop_assert_eq!(bid_price(&worker, floor), best.map(|(_, price)| *price));
    }
}

#[test]
fn a_tier_that_changes_changes_who_bids() {
    let mut catalog = tiered(&[(0, 1_000_000), (0, 2_000_000)]);
    let worker =
        given_a_world(catalog.clone(), Arc::new(FakeClock::at(NOW)), Same::default(), Exchange::default());
    assert_eq!(bid_price(&worker, 500_000), Some(2_000_000));
    changed(&mut catalog, EntityKind::Campaign, 1, |entity| {
        let Entity::Campaign(campaign) = entity else { panic!("{entity:?}") };
        (Entity::Campaign(Arc::new(Campaign { tier: 3, ..Campaign::clone(campaign) })), ())
    });
    let changed = [EntityKey { kind: EntityKind::Campaign, id: 1 }].into_iter().collect();
    let (next, _) = worker.last_book().unwrap().with(&Arc::new(catalog), &changed, &worker.shared().fx, NOW);
    worker.shared().books.swap(next);
    assert_eq!(bid_price(&worker, 500_000), Some(1_000_000));
    assert_eq!(
        bid_price(&worker, 1_500_000),
        Some(2_000_000),
        "one that bids too little for the floor does not bid"
    );
}
