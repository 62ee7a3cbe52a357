//! Billed impressions are told to the tag store until it has them, whatever fails in between.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use http::StatusCode;
use tagbid_ledger::Needs;
use tagbid_notice::Token;
use tagbid_ports::{
    CountError, CountOutcome, FeedError, Impression, ImpressionCounter, SuppressionChange, SuppressionEvent,
    SuppressionFeed,
};
use tagbid_tagset::UserKey;
use tagbid_tagset::frequency::Counted;
use tagbid_testkit::{FakeClock, postgres, wait_until_async};
use tagbid_types::{AdvertiserId, CampaignId, LineItemId, Permission, Revision};

use crate::harness::{File, Ledger, PATIENCE, bid, needs, options};

/// A tag store in the hands of a test.
#[derive(Default)]
struct Counter {
    /// How often each event was told and counted.
    told: Mutex<BTreeMap<u128, (Impression, usize)>>,
    /// How the next calls fail.
    failures: Mutex<Vec<Failure>>,
    /// It does not answer at all.
    away: AtomicBool,
    /// It cannot take these users now.
    apart: Mutex<BTreeSet<UserKey>>,
}

/// How a call fails.
#[derive(Clone, Copy)]
enum Failure {
    /// Nothing of it was done.
    NotDone,
    /// All of it was done, and the answer was lost.
    Unheard,
}

#[async_trait]
impl ImpressionCounter for Counter {
    async fn count(&self, impressions: Vec<Impression>) -> Result<Vec<CountOutcome>, CountError> {
        let unavailable = || Err(CountError::Unavailable("it is away".into()));
        let failure = self.failures.lock().unwrap().pop();
        if self.away.load(Ordering::SeqCst) || matches!(failure, Some(Failure::NotDone)) {
            return unavailable();
        }
        let outcomes = impressions.into_iter().map(|one| self.take(one)).collect();
        if failure.is_some() { unavailable() } else { Ok(outcomes) }
    }
}

impl Counter {
    fn take(&self, one: Impression) -> CountOutcome {
        if self.apart.lock().unwrap().contains(&one.user) {
            return CountOutcome::Later("its part of the store is away".into());
        }
        let mut told = self.told.lock().unwrap();
        let (_, times) = told.entry(one.event).or_insert((one, 0));
        *times += 1;
        if *times == 1 { CountOutcome::Counted } else { CountOutcome::Repeated }
    }

    fn events(&self) -> Vec<u128> {
        self.told.lock().unwrap().keys().copied().collect()
    }

    async fn has(&self, events: &[u128]) {
        wait_until_async("the impressions to be counted", PATIENCE, async || self.events() == events).await;
    }
}

/// A list of people that says this from its beginning, and then nothing more.
struct People {
    changes: Vec<SuppressionChange>,
    /// All of it was taken in.
    heard: Arc<AtomicBool>,
}

impl SuppressionFeed for People {
    fn subscribe(&self, _: Revision) -> BoxStream<'static, Result<SuppressionEvent, FeedError>> {
        let (changes, heard) = (self.changes.clone(), Arc::clone(&self.heard));
        let users = (!changes.is_empty()).then_some(Ok(SuppressionEvent::Users(changes)));
        let rest = futures_util::stream::once(async move {
            heard.store(true, Ordering::SeqCst);
            std::future::pending().await
        });
        futures_util::stream::iter(users).chain(rest).boxed()
    }
}

/// A bid to a user whom consent lets be counted.
fn bid_to(user: u8, number: u128, clock: &FakeClock) -> Token {
    Token { user: Some([user; 16]), permission: Permission::ALL, ..bid(number, clock) }
}

async fn bill(ledger: &Ledger, user: u8, number: u128) {
    assert_eq!(ledger.bill(&bid_to(user, number, &ledger.clock), "1").await, StatusCode::OK);
}

#[tokio::test]
async fn what_is_billed_is_counted_however_often_the_tag_store_fails() {
    use Failure::{NotDone, Unheard};
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let counter = Arc::new(Counter::default());
    *counter.failures.lock().unwrap() = vec![Unheard, NotDone, Unheard, NotDone];
    ledger.count_impressions(Arc::clone(&counter) as _);
    for number in 1..=5 {
        bill(&ledger, u8::try_from(number % 2).unwrap(), number).await;
    }
    counter.has(&[1, 2, 3, 4, 5]).await;
    let (first, _) = counter.told.lock().unwrap()[&1].clone();
    assert_eq!((first.user, first.at), (UserKey([1; 16]), ledger.now()));
    let line_item = Counted::LineItem(LineItemId(3));
    assert_eq!(
        first.counted,
        [line_item, Counted::Campaign(CampaignId(2)), Counted::Advertiser(AdvertiserId(1))]
    );
    assert!(first.capped.iter().all(|(counted, _)| first.counted.contains(counted)));
    // Nothing is left to be told again.
    let before: usize = counter.told.lock().unwrap().values().map(|(_, times)| times).sum();
    bill(&ledger, 1, 6).await;
    counter.has(&[1, 2, 3, 4, 5, 6]).await;
    wait_until_async("the outbox to be empty", PATIENCE, async || ledger.outbox_age() == 0).await;
    let after: usize = counter.told.lock().unwrap().values().map(|(_, times)| times).sum();
    assert!(before <= after && after <= before + 1 + 5, "{before} and {after}");
    ledger.stop().await;
}

#[tokio::test]
async fn what_waits_survives_a_restart_and_tells_its_age() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let counter = Arc::new(Counter::default());
    counter.away.store(true, Ordering::SeqCst);
    ledger.count_impressions(Arc::clone(&counter) as _);
    bill(&ledger, 1, 1).await;
    ledger.clock.advance(Duration::from_secs(3_600));
    bill(&ledger, 1, 2).await;
    wait_until_async("the age", PATIENCE, async || ledger.outbox_age() == 3_600).await;
    let clock = ledger.stop().await;
    assert_eq!(counter.events(), []);

    counter.away.store(false, Ordering::SeqCst);
    let ledger = Ledger::start_at(options(&file.url()), clock).await;
    ledger.count_impressions(Arc::clone(&counter) as _);
    counter.has(&[1, 2]).await;
    let shown = |event| counter.told.lock().unwrap()[&event].0.at;
    assert_eq!(shown(2).since(shown(1)), Duration::from_secs(3_600), "as of when they were shown");
    wait_until_async("the outbox to be empty", PATIENCE, async || ledger.outbox_age() == 0).await;
    ledger.stop().await;
}

#[tokio::test]
async fn users_whose_part_of_the_store_is_away_hold_up_nobody() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let counter = Arc::new(Counter::default());
    counter.apart.lock().unwrap().insert(UserKey([1; 16]));
    ledger.count_impressions(Arc::clone(&counter) as _);
    for (user, number) in [(1, 1), (2, 2), (1, 3), (2, 4)] {
        bill(&ledger, user, number).await;
    }
    counter.has(&[2, 4]).await;
    counter.apart.lock().unwrap().clear();
    counter.has(&[1, 2, 3, 4]).await;
    ledger.stop().await;
}

#[tokio::test]
async fn two_ledgers_on_one_postgres_tell_each_impression_once() {
    let database = postgres();
    let clock = Arc::new(FakeClock::default());
    let counter = Arc::new(Counter::default());
    let one = Ledger::start_at(options(database.url()), Arc::clone(&clock)).await;
    let other = Ledger::start_at(options(database.url()), Arc::clone(&clock)).await;
    for ledger in [&one, &other] {
        ledger.count_impressions(Arc::clone(&counter) as _);
    }
    for number in 1..=20 {
        bill(if number % 2 == 0 { &one } else { &other }, 1, number).await;
    }
    counter.has(&Vec::from_iter(1..=20)).await;
    let told: Vec<usize> = counter.told.lock().unwrap().values().map(|(_, times)| *times).collect();
    assert_eq!(told, [1; 20], "the one who has the turn, and nobody else");
    // Whichever of them had the turn: the one that stays goes on without waiting for it to run out, for time stands still.
    one.stop().await;
    bill(&other, 1, 21).await;
    counter.has(&Vec::from_iter(1..=21)).await;
    other.stop().await;
}

#[tokio::test]
async fn who_was_erased_while_no_ledger_ran_is_not_counted_any_more() {
    let file = File::new();
    let ledger = Ledger::start(options(&file.url())).await;
    let counter = Arc::new(Counter::default());
    counter.away.store(true, Ordering::SeqCst);
    ledger.count_impressions(Arc::clone(&counter) as _);
    for (user, number) in [(1, 1), (2, 2), (3, 3)] {
        bill(&ledger, user, number).await;
    }
    let now = ledger.now();
    let clock = ledger.stop().await;

    let position = Revision(u64::try_from(now.0).unwrap() + 1);
    let erased = SuppressionChange::of(position, UserKey([1; 16]), false);
    let suppressed = SuppressionChange::of(Revision(1), UserKey([2; 16]), true);
    let people = People { changes: vec![suppressed, erased], heard: Arc::default() };
    let heard = Arc::clone(&people.heard);
    let needs = Needs { people: Some(Arc::new(people)), ..needs() };
    let ledger = Ledger::start_with(options(&file.url()), needs, clock).await;
    // What is told while the list is still being heard, the tag store refuses by itself.
    wait_until_async("the list to be heard", PATIENCE, async || heard.load(Ordering::SeqCst)).await;
    ledger.count_impressions(Arc::clone(&counter) as _);
    counter.away.store(false, Ordering::SeqCst);
    counter.has(&[3]).await;
    ledger.stop().await;
}
