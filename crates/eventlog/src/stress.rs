//! Everything at once: a source appends, segments end, people are erased, segments are rewritten, a tail reads.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use tagbid_ports::{BidFact, Event, EventBatch, EventBid, EventSink, EventUser, Fact};
use tagbid_runtime::{Drain, Tasks};
use tagbid_tagset::UserKey;
use tagbid_testkit::FakeClock;
use tagbid_types::{
    AdvertiserId, BidId, CampaignId, Clock, Cpm, CreativeId, Currency, LineItemId, Ratio, Revision, Timestamp,
};

use crate::dir::segments;
use crate::upkeep::Upkeep;
use crate::{Erasure, EventLog, Item, Options, Query, Reader, Start};

/// Records; each is of one of the users.
const RECORDS: u64 = 6_000;
const USERS: u64 = 60;

const PATIENCE: Duration = Duration::from_secs(60);

fn user(number: u64) -> UserKey {
    UserKey([u8::try_from(number % USERS).unwrap() + 1; 16])
}

fn event(at: Timestamp, number: u64) -> Event {
    let bid = EventBid {
        exchange: "demo".parse().unwrap(),
        auction: number.to_string(),
        id: BidId(number.into()),
        imp: "1".into(),
        at,
        advertiser: AdvertiserId(1),
        campaign: CampaignId(2),
        line_item: LineItemId(3),
        creative: CreativeId(4),
        price: Cpm(1),
        currency: Currency::USD,
        quantity: Ratio::ONE,
    };
    let fact = Fact::Bid(BidFact { deal: None, auction_type: 1, test: false, sample: Ratio::ONE });
    Event { at, bid: Some(bid), user: Some(EventUser { key: user(number), mac: None }), fact }
}

/// Reads until the last record: the numbers in their order, and whose keys were shown.
fn read_all(dir: &Path) -> (Vec<u64>, BTreeSet<UserKey>) {
    let mut reader = Reader::open(dir, Query::default(), Start::First, Timestamp(i64::MIN)).unwrap();
    let (mut numbers, mut shown, began) = (Vec::new(), BTreeSet::new(), Instant::now());
    while numbers.len() < usize::try_from(RECORDS).unwrap() {
        match reader.read().unwrap() {
            Some(Item::Event(event)) => {
                numbers.push(event.numbered.unwrap().1);
                shown.extend(event.event.user.map(|user| user.key));
            }
            Some(Item::Damage(damage)) => panic!("{damage}"),
            None => {
                assert!(began.elapsed() < PATIENCE, "{} records came", numbers.len());
                thread::yield_now();
            }
        }
    }
    (numbers, shown)
}

#[test]
fn each_record_is_read_once_whatever_is_rewritten_beneath_the_reader() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let options = Options { segment_bytes: 64 << 10, ..Options::default() };
    let clock: Arc<dyn Clock> = Arc::new(FakeClock::default());
    let tasks = Tasks::new(Drain::default());
    let log = {
        let _inside = runtime.enter();
        EventLog::open(dir.path(), &options, Arc::clone(&clock), &tasks).unwrap()
    };
    let now = clock.now();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let tail = scope.spawn(|| read_all(dir.path()));
        scope.spawn(|| {
            let mut upkeep = Upkeep::new(dir.path(), &options, Arc::clone(&clock), log.shared());
            for round in (0_u64..).take_while(|_| !done.load(Ordering::Relaxed)) {
                // Half of the users go, one after the other.
                let one = Erasure { user: user(round * 2 % USERS), until: now };
                log.erase(&[one], Revision(round)).unwrap();
                upkeep.pass(|_| false).unwrap();
            }
        });
        for after in (0..RECORDS).step_by(100) {
            let records = (after + 1..=after + 100).map(|number| (number, event(now, number))).collect();
            let batch = EventBatch { source: "test".parse().unwrap(), after, records };
            runtime.block_on(log.append(batch)).unwrap();
        }
        let read = tail.join();
        done.store(true, Ordering::Relaxed);
        assert_eq!(read.unwrap().0, (1..=RECORDS).collect::<Vec<_>>());
    });
    assert!(segments(dir.path()).unwrap().len() > 5);
    (0..USERS / 2)
        .for_each(|one| log.erase(&[Erasure { user: user(one * 2), until: now }], Revision(1)).unwrap());
    let (numbers, shown) = read_all(dir.path());
    assert_eq!(numbers, (1..=RECORDS).collect::<Vec<_>>());
    assert_eq!(shown, (0..USERS / 2).map(|one| user(one * 2 + 1)).collect());
    log.close();
    tasks.drain().start();
    assert!(runtime.block_on(tasks.finish(PATIENCE)));
}
