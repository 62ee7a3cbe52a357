//! A log in a directory of its own, with a clock turned by hand.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tagbid_eventlog::{Damage, EventLog, Item, Logged, OpenError, Options, Query, Reader, Start};
use tagbid_ports::{
    AppendError, BidFact, Event, EventBatch, EventBid, EventSink, EventSource, EventUser, Fact, NoticeFact,
    Verdict,
};
use tagbid_runtime::{Drain, Tasks};
use tagbid_tagset::UserKey;
use tagbid_testkit::{FakeClock, wait_until};
use tagbid_types::{
    AdvertiserId, BidId, BudgetDay, CampaignId, Clock, Cpm, CreativeId, Currency, LineItemId, Nanos, Ratio,
    Timestamp,
};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

/// Time within which something has to happen on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

pub(crate) const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A log and the directory that goes with it.
pub(crate) struct World {
    pub(crate) dir: TempDir,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) options: Options,
    runtime: Runtime,
    open: Option<(EventLog, Tasks)>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Options::default())
    }

    pub(crate) fn with(options: Options) -> Self {
        let mut world = Self::closed(options);
        world.open();
        world
    }

    /// A directory without a log yet.
    pub(crate) fn closed(options: Options) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        Self { dir, clock: Arc::new(FakeClock::default()), options, runtime, open: None }
    }

    pub(crate) fn open(&mut self) {
        self.try_open().unwrap();
    }

    pub(crate) fn try_open(&mut self) -> Result<(), OpenError> {
        self.close();
        let _inside = self.runtime.enter();
        let tasks = Tasks::new(Drain::default());
        let clock: Arc<dyn Clock> = Arc::<FakeClock>::clone(&self.clock);
        self.open = Some((EventLog::open(self.path(), &self.options, clock, &tasks)?, tasks));
        Ok(())
    }

    pub(crate) fn close(&mut self) {
        if let Some((log, tasks)) = self.open.take() {
            log.close();
            tasks.drain().start();
            assert!(self.runtime.block_on(tasks.finish(SOON)));
        }
    }

    /// Closes and opens, and waits for the upkeep that comes with it.
    pub(crate) fn reopen(&mut self) {
        self.open();
        wait_until("a pass of the upkeep", SOON, || {
            crate::writing::metric(self, "tagbid_events_segments") > 0
        });
    }

    pub(crate) fn log(&self) -> &EventLog {
        &self.open.as_ref().unwrap().0
    }

    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Appends events of the source "test", numbered from behind `after` on.
    pub(crate) fn append(&self, after: u64, events: Vec<Event>) -> Result<u64, AppendError> {
        self.append_from("test", after, events)
    }

    pub(crate) fn append_from(
        &self,
        source: &str,
        after: u64,
        events: Vec<Event>,
    ) -> Result<u64, AppendError> {
        let records = (after + 1..).zip(events).collect();
        let batch = EventBatch { source: source.parse().unwrap(), after, records };
        self.runtime.block_on(self.log().append(batch))
    }

    /// Appends notices that say their numbers.
    pub(crate) fn append_notices(&self, after: u64, count: u64) -> Result<u64, AppendError> {
        self.append(after, (after + 1..=after + count).map(|number| notice(self.now(), number)).collect())
    }

    pub(crate) fn position(&self, source: &str) -> u64 {
        let source: EventSource = source.parse().unwrap();
        self.runtime.block_on(self.log().position(&source)).unwrap()
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader::open(self.path(), Query::default(), Start::First, Timestamp(i64::MIN)).unwrap()
    }

    /// All that a new reader finds now.
    pub(crate) fn read(&self) -> (Vec<Logged>, Vec<Damage>) {
        read_on(&mut self.reader())
    }

    /// Numbers of all records of a source, in the order of the log; nothing is damaged.
    pub(crate) fn numbers(&self) -> Vec<u64> {
        let (events, damage) = self.read();
        assert_eq!(damage, []);
        numbers(&events)
    }

    pub(crate) fn segments(&self) -> Vec<PathBuf> {
        segments(self.path())
    }

    /// Sampled events are written a moment after they were offered.
    pub(crate) fn wait_read(&self, count: usize) {
        wait_until("sampled events to be written", SOON, || self.read().0.len() >= count);
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.close();
    }
}

pub(crate) fn segments(dir: &Path) -> Vec<PathBuf> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<_> = names.filter(|path| path.extension().is_some_and(|end| end == "seg")).collect();
    found.sort();
    found
}

/// All that a reader finds from where it is to the end.
pub(crate) fn read_on(reader: &mut Reader) -> (Vec<Logged>, Vec<Damage>) {
    let (mut events, mut damage) = (Vec::new(), Vec::new());
    while let Some(item) = reader.read().unwrap() {
        match item {
            Item::Event(event) => events.push(*event),
            Item::Damage(one) => damage.push(one),
        }
    }
    (events, damage)
}

pub(crate) fn numbers(events: &[Logged]) -> Vec<u64> {
    let numbered =
        events.iter().filter_map(|one| one.numbered.as_ref().map(|(_, number)| (*number, &one.event)));
    let said = |(number, event): (u64, &Event)| {
        assert_eq!(
            event.bid.as_ref().unwrap().auction,
            number.to_string(),
            "a record is the one that it says it is"
        );
        number
    };
    numbered.map(said).collect()
}

fn bid(at: Timestamp, number: u64) -> EventBid {
    EventBid {
        exchange: "demo".parse().unwrap(),
        auction: number.to_string(),
        id: BidId(u128::from(number) << 64),
        imp: "1".into(),
        at,
        advertiser: AdvertiserId(1),
        campaign: CampaignId(2),
        line_item: LineItemId(number % 7),
        creative: CreativeId(4),
        price: Cpm(2_000_000),
        currency: Currency::USD,
        quantity: Ratio::ONE,
    }
}

/// A billing notice that says its number.
pub(crate) fn notice(at: Timestamp, number: u64) -> Event {
    let notice = NoticeFact {
        verdict: Verdict::Billed,
        price: Some(Cpm(1_500_000)),
        charged: Nanos(1_500_000),
        excess: Nanos::ZERO,
        uncovered: Nanos::ZERO,
        over_capacity: 0,
        budget_currency: Currency::USD,
        budget_day: BudgetDay(20_000),
        loss_reason: None,
        min_to_win: None,
    };
    Event { at, bid: Some(bid(at, number)), user: None, fact: Fact::Billing(notice) }
}

/// The same of a user.
pub(crate) fn notice_of(at: Timestamp, number: u64, user: u8) -> Event {
    Event { user: Some(EventUser { key: key(user), mac: Some(1) }), ..notice(at, number) }
}

/// A sampled bid.
pub(crate) fn made(at: Timestamp, number: u64) -> Event {
    let fact = BidFact { deal: None, auction_type: 1, test: false, sample: Ratio(10_000) };
    Event { at, bid: Some(bid(at, number)), user: None, fact: Fact::Bid(fact) }
}

pub(crate) fn key(user: u8) -> UserKey {
    UserKey([user ^ 0xa5; 16])
}

/// Whether any file of a directory has these bytes.
pub(crate) fn on_disk(dir: &Path, bytes: &[u8]) -> bool {
    segments(dir)
        .iter()
        .any(|path| std::fs::read(path).unwrap().windows(bytes.len()).any(|window| window == bytes))
}
