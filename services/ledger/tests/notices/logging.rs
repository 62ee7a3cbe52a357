//! What the ledger keeps, in the event log: once each, whatever crashes, and under another name when the database was restored.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use sqlx::{AnyConnection, Connection};
use tagbid_eventlog::{EventLog, Item, Options as LogOptions, Query, Reader, Start};
use tagbid_ledger::Needs;
use tagbid_notice::NoticeKind;
use tagbid_ports::{EventKind, EventSink};
use tagbid_runtime::{Drain, Tasks};
use tagbid_testkit::{FakeClock, wait_until};
use tagbid_types::Timestamp;

use crate::harness::{File, Ledger, PATIENCE, bid, needs, options};

/// An event log, and whatever writes it.
struct Log {
    log: EventLog,
    tasks: Tasks,
}

impl Log {
    fn open(dir: &Path, clock: &Arc<FakeClock>) -> Self {
        let tasks = Tasks::new(Drain::default());
        let options = LogOptions { dir: Some(dir.to_owned()), ..LogOptions::default() };
        let log = EventLog::open(dir, &options, Arc::clone(clock) as _, &tasks).unwrap();
        Self { log, tasks }
    }

    fn needs(&self) -> Needs {
        let log: Arc<dyn EventSink> = Arc::new(self.log.clone());
        Needs { events: Some(log), ..needs() }
    }

    async fn close(self) {
        self.tasks.drain().start();
        assert!(self.tasks.finish(PATIENCE).await);
        let log = self.log;
        tokio::task::spawn_blocking(move || log.close()).await.unwrap();
    }
}

/// How often each event is in the log, by kind and bid; and the sources that numbered them.
fn logged(dir: &Path) -> (BTreeMap<(EventKind, u128), usize>, Vec<String>) {
    let mut reader = Reader::open(dir, Query::default(), Start::First, Timestamp(0)).unwrap();
    let (mut events, mut sources) = (BTreeMap::new(), Vec::new());
    while let Some(item) = reader.read().unwrap() {
        let event = match item {
            Item::Event(event) => Ok(event),
            Item::Damage(damage) => Err(damage.to_string()),
        };
        let event = event.unwrap();
        *events.entry((event.event.kind(), event.event.bid.unwrap().id.0)).or_default() += 1;
        let source = event.numbered.unwrap().0.as_str().to_owned();
        if !sources.contains(&source) {
            sources.push(source);
        }
    }
    (events, sources)
}

fn until_logged(dir: &Path, count: usize) {
    wait_until("events in the log", PATIENCE, || logged(dir).0.len() == count);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_is_in_the_log_once_through_restarts_of_both() {
    let (file, dir) = (File::new(), tempfile::tempdir().unwrap());
    let mut clock = Arc::new(FakeClock::default());
    for round in 0..3_u128 {
        let log = Log::open(dir.path(), &clock);
        let ledger = Ledger::start_with(options(&file.url()), log.needs(), clock).await;
        for number in 0..20 {
            let token = bid(round * 20 + number, &ledger.clock);
            ledger.bill(&token, "1").await;
            ledger.bill(&token, "1").await;
            ledger.send(NoticeKind::Win, &token, "price=1").await;
        }
        // The second round ends without giving the log time.
        if round != 1 {
            until_logged(dir.path(), usize::try_from(round + 1).unwrap() * 40);
        }
        clock = ledger.stop().await;
        log.close().await;
    }
    let (events, sources) = logged(dir.path());
    assert!(events.values().all(|times| *times == 1), "{events:?}");
    assert_eq!((events.len(), sources.len()), (120, 1));
    assert!(sources[0].starts_with("ledger-notices."), "{sources:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_ran_without_a_log_tells_it_everything_later() {
    let (file, dir) = (File::new(), tempfile::tempdir().unwrap());
    let ledger = Ledger::start(options(&file.url())).await;
    for number in 0..10 {
        ledger.bill(&bid(number, &ledger.clock), "1").await;
        ledger.bill(&bid(number, &ledger.clock), "0.5").await;
    }
    let clock = ledger.stop().await;
    let log = Log::open(dir.path(), &clock);
    let ledger = Ledger::start_with(options(&file.url()), log.needs(), clock).await;
    // Each bill, and that it was said otherwise.
    let twice = || logged(dir.path()).0.values().all(|times| *times == 2) && logged(dir.path()).1.len() == 2;
    wait_until("bills and suspects in the log", PATIENCE, || logged(dir.path()).0.len() == 10 && twice());
    wait_until("the count", PATIENCE, || ledger.service.stats().events_logged.get() == 20);
    ledger.stop().await;
    log.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_begins_another_life_in_the_log() {
    let (file, restored, dir) = (File::new(), File::new(), tempfile::tempdir().unwrap());
    let mut clock = Arc::new(FakeClock::default());
    for (bids, database) in [(0..5, &file), (5..9, &file), (9..12, &restored)] {
        let log = Log::open(dir.path(), &clock);
        let ledger = Ledger::start_with(options(&database.url()), log.needs(), clock).await;
        let end = bids.end;
        for number in bids {
            ledger.bill(&bid(number, &ledger.clock), "1").await;
        }
        until_logged(dir.path(), usize::try_from(end).unwrap());
        if end == 5 {
            back_up(&file, &restored).await;
        }
        clock = ledger.stop().await;
        log.close().await;
    }
    // Bids 9 to 11 have the numbers that 5 to 7 had before the backup came back.
    let (events, sources) = logged(dir.path());
    assert!(events.values().all(|times| *times == 1), "{events:?}");
    assert_eq!((events.len(), sources.len()), (12, 2), "{sources:?}");
}

/// A copy as of now.
async fn back_up(from: &File, to: &File) {
    sqlx::any::install_default_drivers();
    let mut connection = AnyConnection::connect(&from.url()).await.unwrap();
    let to = to.url().trim_start_matches("sqlite:").to_owned();
    sqlx::query("VACUUM INTO $1").bind(to).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
