//! Appends numbered events to a log until it is killed, and says after each batch what is durable: for crash tests, and to
//! see what a disk does.
//!
//! `eventlog-writer DIR SEGMENT_BYTES`

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tagbid_eventlog::{EventLog, Options};
use tagbid_ports::{
    AppendError, BidFact, Event, EventBatch, EventBid, EventSink, EventSource, EventUser, Fact, NoticeFact,
    Verdict,
};
use tagbid_runtime::{Drain, SystemClock, Tasks};
use tagbid_tagset::UserKey;
use tagbid_types::{
    AdvertiserId, BidId, BudgetDay, CampaignId, Clock, Cpm, CreativeId, Currency, ExchangeName, LineItemId,
    Nanos, Ratio, Timestamp,
};

/// Records of one batch.
const BATCH: u64 = 50;

/// After an append that failed.
const PAUSE: Duration = Duration::from_millis(20);

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args_os().skip(1);
    let usage = "use: eventlog-writer DIR SEGMENT_BYTES";
    let dir = PathBuf::from(args.next().ok_or(usage)?);
    let bytes = args.next().ok_or(usage)?.into_string().map_err(|_| usage)?.parse()?;
    let options = Options { segment_bytes: bytes, ..Options::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(write(dir, options))
}

async fn write(dir: PathBuf, options: Options) -> Result<(), Failure> {
    let (clock, tasks) = (Arc::new(SystemClock), Tasks::new(Drain::default()));
    let log = EventLog::open(&dir, &options, Arc::<SystemClock>::clone(&clock), &tasks)?;
    let (source, exchange): (EventSource, ExchangeName) = ("writer".parse()?, "test".parse()?);
    let event = |number, noticed| event(clock.now(), &exchange, number, noticed);
    let mut after = log.position(&source).await?;
    loop {
        let records = (after + 1..=after + BATCH).map(|position| (position, event(position, true)));
        let batch = EventBatch { source: source.clone(), after, records: records.collect() };
        log.offer(event(after, false));
        match log.append(batch).await {
            Ok(durable) => {
                after = durable;
                writeln!(io::stdout(), "durable {durable}")?;
            }
            Err(AppendError::Unavailable(problem)) => {
                writeln!(io::stdout(), "refused after {after}: {problem}")?;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// An event that says its number: in the auction's id.
fn event(now: Timestamp, exchange: &ExchangeName, number: u64, noticed: bool) -> Event {
    let bid = EventBid {
        exchange: exchange.clone(),
        auction: number.to_string(),
        id: BidId(number.into()),
        imp: "1".into(),
        at: now,
        advertiser: AdvertiserId(1),
        campaign: CampaignId(2),
        line_item: LineItemId(3),
        creative: CreativeId(4),
        price: Cpm(1_000_000),
        currency: Currency::USD,
        quantity: Ratio::ONE,
    };
    let notice = NoticeFact {
        verdict: Verdict::Billed,
        price: Some(Cpm(900_000)),
        charged: Nanos(900_000),
        excess: Nanos::ZERO,
        uncovered: Nanos::ZERO,
        over_capacity: 0,
        budget_currency: Currency::USD,
        budget_day: BudgetDay(20_000),
        loss_reason: None,
        min_to_win: None,
    };
    let made = BidFact { deal: None, auction_type: 1, test: false, sample: Ratio::ONE };
    let fact = if noticed { Fact::Billing(notice) } else { Fact::Bid(made) };
    Event { at: now, bid: Some(bid), user: Some(EventUser { key: UserKey([7; 16]), mac: Some(1) }), fact }
}
