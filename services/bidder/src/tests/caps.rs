//! Frequency caps: who has seen enough is not bid for, and where nobody knows the line item says what to do.

use tagbid_catalog::{CapScope, CapWindow, EntityKey, EntityKind, FrequencyCap};
use tagbid_consent::Policy;
use tagbid_notice::{Audience, Opener};
use tagbid_ports::SourceStatus;
use tagbid_tagset::frequency::{Counted, Frequency};
use tagbid_types::{NoBidReason, Permission};

use super::reasons::catalog_with;
use super::*;
use crate::explain::explain_line_item;

const NOW: Timestamp = Timestamp::from_secs(1_750_000_000);
const LINE_ITEM: Counted = Counted::LineItem(LineItemId(1));
const CAMPAIGN: Counted = Counted::Campaign(CampaignId(1));
const ADVERTISER: Counted = Counted::Advertiser(AdvertiserId(1));

fn cap(scope: CapScope, impressions: u16, window: CapWindow) -> FrequencyCap {
    FrequencyCap { scope, impressions, window }
}

/// The catalog of [`catalog`], all of whose line items have caps that nobody ever reaches.
pub(super) fn capped(line_items: u64) -> Catalog {
    let mut catalog = catalog(line_items);
    for entity in catalog.entities.clone().values() {
        if let Entity::LineItem(item) = entity {
            let caps = vec![
                cap(CapScope::LineItem, u16::MAX, CapWindow::Day),
                cap(CapScope::Advertiser, u16::MAX, CapWindow::Lifetime),
            ];
            let item = LineItem { caps, ..LineItem::clone(item) };
            catalog.entities.insert_mut(entity.key(), Entity::LineItem(item.into()));
        }
    }
    catalog
}

/// What the tag store has of a user: impressions of the line item, so many seconds ago, under these ids.
fn shown(impressions: &[(u128, i64)]) -> TagAnswer {
    let mut counts = Frequency::default();
    for (event, ago) in impressions {
        let at = Timestamp::from_secs(NOW.secs() - ago);
        assert!(counts.record(*event, at, &[LINE_ITEM, CAMPAIGN, ADVERTISER]).unwrap());
    }
    let blob = counts.encode(NOW).unwrap();
    TagAnswer { frequency: Some(blob.into()), ..TagAnswer::unknown(SourceStatus::Known) }
}

/// A line item with these caps of its own, shown to users of whom this is known.
fn given(caps: &[FrequencyCap], answer: TagAnswer) -> (Worker, Arc<FakeClock>) {
    let clock = Arc::new(FakeClock::at(NOW));
    let catalog = catalog_with(|item, _| item.caps = caps.to_vec());
    (given_a_world(catalog, Arc::clone(&clock) as _, Same(answer), Exchange::default()), clock)
}

fn reason(answer: &Answer) -> Option<NoBidReason> {
    match answer {
        Answer::NoBid { reason, .. } => Some(*reason),
        Answer::Bids(_) => None,
        Answer::Refused(refusal) => panic!("{refusal:?}"),
    }
}

fn asked(worker: &Worker) -> Option<NoBidReason> {
    reason(&ask(worker, REQUEST))
}

fn explained(worker: &Worker) -> Vec<(NoBidReason, String)> {
    let incoming = incoming(worker, REQUEST);
    let explained = explain_line_item(worker, &incoming, LineItemId(1)).now_or_never().unwrap().unwrap();
    explained.impressions[0].reasons.iter().map(|one| (one.code, one.text.clone())).collect()
}

fn bids(answer: &Answer) -> Vec<serde_json::Value> {
    let Answer::Bids(body) = answer else { return Vec::new() };
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap();
    answer["seatbid"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|seat| seat["bid"].as_array().unwrap().clone())
        .collect()
}

#[test]
fn every_window_of_a_cap_counts_what_lies_in_it() {
    use CapWindow::{Day, Hour, Lifetime, Minute, Week};
    let ages = [5, 600, 7_200, 200_000, 1_000_000];
    let impressions: Vec<_> = (1..).zip(ages).collect();
    for (in_window, window) in [(1, Minute), (2, Hour), (3, Day), (4, Week), (5, Lifetime)] {
        for (most, bids) in [(in_window, false), (in_window + 1, true)] {
            let (worker, _) = given(&[cap(CapScope::LineItem, most, window)], shown(&impressions));
            let expected = (!bids).then_some(NoBidReason::FrequencyCapped);
            // Before the bid, which would be under way then.
            let codes: Vec<_> = explained(&worker).into_iter().map(|(code, _)| code).collect();
            assert_eq!(codes, Vec::from_iter(expected), "{most} in {window:?}");
            assert_eq!(asked(&worker), expected, "{most} in {window:?}");
        }
    }
}

#[test]
fn the_window_that_follows_frees_the_user() {
    let (worker, clock) = given(&[cap(CapScope::LineItem, 1, CapWindow::Hour)], shown(&[(1, 0)]));
    let after = |seconds| {
        clock.advance(Duration::from_secs(seconds));
        worker.shared().books.was_up_to_date(Duration::ZERO, worker.monotonic());
        asked(&worker)
    };
    assert_eq!(after(0), Some(NoBidReason::FrequencyCapped));
    assert_eq!(after(3_599), Some(NoBidReason::FrequencyCapped), "an hour is not over");
    // Counts of an hour are kept by five minutes.
    assert_eq!(after(301), None);
}

#[test]
fn caps_of_campaign_and_advertiser_hold_for_their_line_items() {
    for kind in [EntityKind::Campaign, EntityKind::Advertiser] {
        for (most, expected) in [(2, Some(NoBidReason::FrequencyCapped)), (3, None)] {
            let mut catalog = catalog(1);
            let key = EntityKey { kind, id: 1 };
            let capped = match catalog.entities.get(&key).unwrap() {
                Entity::Campaign(campaign) => Entity::Campaign(Arc::new(Campaign {
                    caps: vec![cap(CapScope::Campaign, most, CapWindow::Day)],
                    ..Campaign::clone(campaign)
                })),
                Entity::Advertiser(advertiser) => Entity::Advertiser(Arc::new(Advertiser {
                    caps: vec![cap(CapScope::Advertiser, most, CapWindow::Day)],
                    ..Advertiser::clone(advertiser)
                })),
                other => panic!("{other:?}"),
            };
            catalog.entities.insert_mut(key, capped);
            let clock = Arc::new(FakeClock::at(NOW));
            let worker = given_a_world(catalog, clock, Same(shown(&[(1, 10), (2, 20)])), Exchange::default());
            assert_eq!(asked(&worker), expected, "{kind:?}");
        }
    }
}

#[test]
fn explain_names_the_cap_what_was_seen_and_until_when() {
    let (worker, _) = given(&[cap(CapScope::Campaign, 2, CapWindow::Hour)], shown(&[(1, 1_805), (2, 5)]));
    let reasons = explained(&worker);
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    let (code, text) = &reasons[0];
    assert_eq!(*code, NoBidReason::FrequencyCapped);
    for part in [
        "the line item's frequency cap is full for 3",
        "if nothing is shown meanwhile: 2 impressions of campaign 1 for a user in an hour",
        "this one had 2, and bids that may still be shown: 0",
    ] {
        assert!(text.contains(part), "{part:?} in {text:?}");
    }
}

#[test]
fn what_is_not_known_is_the_line_items_decision() {
    let late =
        || TagAnswer { frequency_status: SourceStatus::Late, ..TagAnswer::unknown(SourceStatus::Known) };
    let broken =
        || TagAnswer { frequency: Some(Bytes::from_static(b"?")), ..TagAnswer::unknown(SourceStatus::Known) };
    let nobody = REQUEST.replace(r#""buyeruid":"user-1""#, "");
    let no_consent = REQUEST.replacen('{', r#"{"regs":{"coppa":1},"#, 1);
    let suppressed = || TagAnswer { suppressed: true, ..TagAnswer::unknown(SourceStatus::Known) };
    let cases = [
        (late(), REQUEST.to_owned(), "did not tell"),
        (broken(), REQUEST.to_owned(), "did not tell"),
        (TagAnswer::unknown(SourceStatus::Failed), REQUEST.to_owned(), "did not tell"),
        (suppressed(), REQUEST.to_owned(), "suppressed"),
        (shown(&[]), nobody, "no id"),
        (shown(&[]), no_consent, "consent"),
    ];
    for (answer, body, why) in cases {
        for (unknown, expected) in
            [(CapUnknown::NoBid, Some(NoBidReason::FrequencyUnknown)), (CapUnknown::Bid, None)]
        {
            let catalog = catalog_with(|item, _| {
                item.caps = vec![cap(CapScope::LineItem, 1, CapWindow::Day)];
                item.cap_unknown = unknown;
            });
            let clock = Arc::new(FakeClock::at(NOW));
            let worker = given_a_world(catalog, clock, Same(answer.clone()), Exchange::default());
            assert_eq!(reason(&ask(&worker, body.clone())), expected, "{why}");
            let incoming = incoming(&worker, body.clone());
            let explained =
                explain_line_item(&worker, &incoming, LineItemId(1)).now_or_never().unwrap().unwrap();
            let reasons = &explained.impressions[0].reasons;
            assert_eq!(reasons.first().map(|one| one.code), expected, "{reasons:?}");
            assert!(reasons.iter().all(|one| one.text.contains(why)), "{why}: {reasons:?}");
        }
    }
}

#[test]
fn a_bid_under_way_counts_until_it_is_shown_or_its_time_is_over() {
    let caps = [cap(CapScope::LineItem, 2, CapWindow::Day)];
    let (worker, clock) = given(&caps, shown(&[(1, 10)]));
    assert_eq!(asked(&worker), None);
    assert_eq!(asked(&worker), Some(NoBidReason::FrequencyCapped), "one was shown and one may be");
    let text = explained(&worker).remove(0).1;
    assert!(text.contains("this one had 1, and bids that may still be shown: 1"), "{text}");
    assert!(text.contains("until some of these are known not to be shown"), "{text}");
    // On a page a bid is over after 90 s.
    clock.advance(Duration::from_secs(89));
    assert_eq!(asked(&worker), Some(NoBidReason::FrequencyCapped));
    clock.advance(Duration::from_secs(1));
    assert_eq!(asked(&worker), None);
}

#[test]
fn a_bid_that_was_counted_is_not_counted_as_under_way() {
    let answers = Arc::new(std::sync::Mutex::new(shown(&[])));
    let catalog = catalog_with(|item, _| item.caps = vec![cap(CapScope::LineItem, 2, CapWindow::Day)]);
    let worker = given_lookups(catalog, Arc::new(FakeClock::at(NOW)), Arc::new(Told(Arc::clone(&answers))));
    let first = bids(&ask(&worker, REQUEST)).remove(0)["id"].as_str().unwrap().to_owned();
    let event = u128::from_str_radix(&first, 16).unwrap();
    *answers.lock().unwrap() = shown(&[(event, 0)]);
    assert_eq!(asked(&worker), None, "one shown of two, and none under way");
    assert_eq!(asked(&worker), Some(NoBidReason::FrequencyCapped));
}

/// Answers what it was last told to.
struct Told(Arc<std::sync::Mutex<TagAnswer>>);

impl TagLookupSource for Told {
    fn open(&self) -> Arc<dyn TagLookup> {
        Arc::new(Self(Arc::clone(&self.0)))
    }
}

impl TagLookup for Told {
    fn lookup(&self, request: LookupRequest) -> BoxFuture<'_, TagAnswer> {
        assert!(request.frequency, "the book has a cap");
        std::future::ready(self.0.lock().unwrap().clone()).boxed()
    }
}

#[test]
fn impressions_of_one_request_count_each_other_and_others_of_the_advertiser() {
    let imps = |count: usize| {
        let imp = |n| format!(r#"{{"id":"{n}","secure":1,"banner":{{"w":300,"h":250}}}}"#);
        let imps: Vec<_> = (1..=count).map(imp).collect();
        let body = REQUEST
            .replace(r#"{"id":"1","secure":1,"bidfloor":0.5,"banner":{"w":300,"h":250}}"#, &imps.join(","));
        assert_ne!(body, REQUEST);
        body
    };
    let (worker, _) = given(&[cap(CapScope::LineItem, 3, CapWindow::Day)], shown(&[(1, 10)]));
    assert_eq!(bids(&ask(&worker, imps(4))).len(), 2);
    let unknown = catalog_with(|item, _| {
        item.caps = vec![cap(CapScope::LineItem, 1, CapWindow::Day)];
        item.cap_unknown = CapUnknown::Bid;
    });
    let clock = Arc::new(FakeClock::at(NOW));
    let worker =
        given_a_world(unknown, clock, Same(TagAnswer::unknown(SourceStatus::Late)), Exchange::default());
    assert_eq!(bids(&ask(&worker, imps(3))).len(), 1, "what was chosen is known, whatever else is not");

    // The one without caps is worth more and is bid first; the other's cap counts it.
    let mut catalog = catalog_with(|item, _| item.caps = vec![cap(CapScope::Advertiser, 2, CapWindow::Day)]);
    let key = EntityKey { kind: EntityKind::LineItem, id: 1 };
    let Some(Entity::LineItem(first)) = catalog.entities.get(&key).cloned() else { panic!("a line item") };
    let more = BidRules { base: Cpm(3_000_000), max: None, ..first.bid.clone() };
    let second = LineItem { id: LineItemId(2), caps: vec![], bid: more, ..LineItem::clone(&first) };
    catalog
        .entities
        .insert_mut(EntityKey { kind: EntityKind::LineItem, id: 2 }, Entity::LineItem(second.into()));
    let clock = Arc::new(FakeClock::at(NOW));
    let worker = given_a_world(catalog, clock, Same(shown(&[(1, 10)])), Exchange::default());
    assert_eq!(explained(&worker), []);
    assert_eq!(bids(&ask(&worker, REQUEST))[0]["price"], 3.0);
    assert_eq!(explained(&worker)[0].0, NoBidReason::FrequencyCapped, "the dearer one's bid is under way");
}

#[test]
fn the_next_of_the_line_items_bids_for_who_has_seen_the_best_often_enough() {
    let mut catalog = catalog(2);
    let key = EntityKey { kind: EntityKind::LineItem, id: 2 };
    let Some(Entity::LineItem(best)) = catalog.entities.get(&key).cloned() else { panic!("a line item") };
    let best = LineItem { caps: vec![cap(CapScope::LineItem, 1, CapWindow::Day)], ..LineItem::clone(&best) };
    catalog.entities.insert_mut(key, Entity::LineItem(best.into()));
    let worker = given_a_world(catalog, Arc::new(FakeClock::at(NOW)), Same(shown(&[])), Exchange::default());
    assert_eq!(bids(&ask(&worker, REQUEST))[0]["price"], 1.000002);
    assert_eq!(bids(&ask(&worker, REQUEST))[0]["price"], 1.000001);
}

/// Remembers whether counts were asked for, and in how many datasets.
struct Asks(Arc<std::sync::Mutex<Vec<(bool, usize)>>>);

impl TagLookupSource for Asks {
    fn open(&self) -> Arc<dyn TagLookup> {
        Arc::new(Self(Arc::clone(&self.0)))
    }
}

impl TagLookup for Asks {
    fn lookup(&self, request: LookupRequest) -> BoxFuture<'_, TagAnswer> {
        let datasets = if request.datasets.is_all() { usize::MAX } else { request.datasets.named().len() };
        self.0.lock().unwrap().push((request.frequency, datasets));
        std::future::ready(shown(&[])).boxed()
    }
}

/// What is asked of one user of this consent, and whether the bid's token lets them be counted.
fn asks(caps: &[FrequencyCap], allow: Permission) -> (Vec<(bool, usize)>, bool) {
    let asked = Arc::default();
    let catalog = catalog_with(|item, _| item.caps = caps.to_vec());
    let worker = given_lookups(catalog, Arc::new(FakeClock::at(NOW)), Arc::new(Asks(Arc::clone(&asked))));
    let body = if allow == Permission::ALL {
        REQUEST.to_owned()
    } else {
        REQUEST.replace(r#""ua":"#, r#""lmt":1,"ua":"#)
    };
    let answer = ask(&worker, body);
    let counted = bids(&answer).first().is_some_and(|bid| {
        let burl = bid["burl"].as_str().unwrap();
        let token = burl.split(['/', '?']).skip_while(|part| *part != "bill").nth(1).unwrap();
        let opened = Opener::new(&token_keys()).unwrap().open(token, Audience::Exchange).unwrap();
        opened.counted_user().is_some()
    });
    let asked = asked.lock().unwrap().clone();
    (asked, counted)
}

#[test]
fn counts_are_asked_for_where_something_is_capped_and_consent_lets_them_be() {
    let capped = [cap(CapScope::LineItem, 1, CapWindow::Day)];
    let (asked, counted) = asks(&[], Permission::ALL);
    assert!(matches!(asked[..], [(false, _)]) && counted, "{asked:?}");
    let (asked, counted) = asks(&capped, Permission::ALL);
    assert!(matches!(asked[..], [(true, _)]) && counted, "{asked:?}");
    // A device that limits tracking may neither be looked up nor counted, unless the operator says so.
    let (asked, _) = asks(&capped, Permission::NONE);
    assert_eq!(asked, []);
    assert!(!Policy::default().frequency_with_lmt);
}

#[test]
fn counting_may_be_all_that_consent_allows() {
    let asked = Arc::default();
    let catalog = catalog_with(|item, _| item.caps = vec![cap(CapScope::LineItem, 1, CapWindow::Day)]);
    let lookups: Arc<dyn TagLookupSource> = Arc::new(Asks(Arc::clone(&asked)));
    let consent = Policy { frequency_with_lmt: true, ..Policy::default() };
    let worker = given_consent(catalog, Arc::new(FakeClock::at(NOW)), lookups, consent);
    let body = REQUEST.replace(r#""ua":"#, r#""lmt":1,"ua":"#);
    let answer = ask(&worker, body.clone());
    let burl = bids(&answer)[0]["burl"].as_str().unwrap().to_owned();
    let token = burl.split(['/', '?']).skip_while(|part| *part != "bill").nth(1).unwrap();
    let opened = Opener::new(&token_keys()).unwrap().open(token, Audience::Exchange).unwrap();
    assert_eq!(
        (opened.counted_user().is_some(), opened.user()),
        (true, None),
        "for counting and nothing else"
    );
    assert_eq!(*asked.lock().unwrap(), [(true, 0)], "no tags");
    assert_eq!(reason(&ask(&worker, body)), Some(NoBidReason::FrequencyCapped), "its own bid is under way");
}

#[test]
fn workers_together_keep_a_cap_to_the_last_impression() {
    const MOST: u16 = 7;
    let catalog = catalog_with(|item, _| item.caps = vec![cap(CapScope::LineItem, MOST, CapWindow::Day)]);
    let lookups = Arc::new(Same(shown(&[(1, 10), (2, 20)])));
    let shared = shared(catalog, Arc::new(FakeClock::at(NOW)), lookups, Exchange::default());
    let bids: usize = std::thread::scope(|threads| {
        let ask_often = || {
            let worker = Worker::open(Arc::clone(&shared), 0);
            (0..200).filter(|_| matches!(ask(&worker, REQUEST), Answer::Bids(_))).count()
        };
        let asking: Vec<_> = (0..4).map(|_| threads.spawn(ask_often)).collect();
        asking.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(bids, usize::from(MOST) - 2, "of seven two were shown, and the rest is under way");
}
