//! `tagbid demo`: every role in one process, with example advertisers, people and a simulated exchange. All figures
//! that it prints are measured in this run.

mod budgets;
mod catalog;
mod describe;
mod fill;
mod funnel;
mod market;
mod report;
mod seed;
mod settings;
mod stories;
mod summary;
mod tour;
mod users;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use tagbid_clients::AdvertiserClient;
use tagbid_exchange::Generator;
use tagbid_exchange::simulator::Report;
use tagbid_exchange::world::World;
use tagbid_runtime::SystemClock;
use tagbid_tagset::MacKeys;
use tagbid_types::{AdvertiserId, Clock};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::compose::Running;
use crate::settings::Settings;
use catalog::{LINE_ITEMS, Spending, catalog};
use report::Page;
use seed::Seeded;
use settings::{ADVERTISER_TOKEN, EXCHANGE_TOKEN, OPERATOR_TOKEN, TOUR_ADVERTISER};
use summary::{Books, Invoices};

/// How long the bidder may take to have the catalog that was just filled.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// Options of the demo.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// End after the run, with an error if anything was wrong, instead of going on to serve.
    #[arg(long)]
    once: bool,
    /// How long the exchange sends requests.
    #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    seconds: u64,
    /// Bid requests a second.
    #[arg(long, default_value_t = 300, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// People with tags.
    #[arg(long, default_value_t = 100_000, value_name = "N", value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    users: u32,
    /// Line items; beyond the first 200 the same plays again in other markets.
    #[arg(long, default_value_t = LINE_ITEMS, value_name = "N")]
    line_items: usize,
    /// Budgets and caps; other than the demo's own for measurements.
    #[arg(long, value_enum, default_value_t, hide = true)]
    spending: Spending,
    /// Fill databases in this folder, write the settings that belong to them as DIR/tagbid.toml, and end: roles that are
    /// started with `--config DIR/tagbid.toml` serve them.
    #[arg(long, value_name = "DIR")]
    fill: Option<PathBuf>,
    /// Decides requests, competitors and viewers.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

/// A demo whose settings are made. Its databases live as long as it does.
pub(crate) struct Prepared {
    args: Args,
    keys: MacKeys,
    settings: Settings,
    _databases: Option<TempDir>,
}

/// Fills in the settings that a demo needs; those that the user has set stay.
pub(crate) fn prepare(args: &Args, settings: &mut Settings) -> anyhow::Result<Prepared> {
    let fill = args.fill.as_deref().map(|dir| fill::prepare(dir, settings)).transpose()?;
    let events = fill.is_none() && args.spending != Spending::None;
    let databases = settings::prepare(settings, events, fill.as_deref())?;
    let keys = settings.keys.user_keys().map_err(anyhow::Error::msg)?;
    Ok(Prepared { args: args.clone(), keys, settings: settings.clone(), _databases: databases })
}

impl Prepared {
    /// Runs the demo; unless it is to end then, serves on until a signal.
    pub(crate) async fn run(&self, running: &Running) -> anyhow::Result<()> {
        let mut page = Page::stdout();
        let played = tokio::select! {
            played = self.play(running, &mut page) => played,
            signal = running.until_signal() => {
                signal?;
                bail!("stopped before the end of the run");
            }
        };
        if self.args.once || self.args.fill.is_some() {
            return played;
        }
        if let Err(problem) = played {
            page.block("  not as it should be: ", &format!("{problem:#}"));
        }
        page.heading("Serving on: press ctrl-c to end");
        running.until_signal().await
    }

    async fn play<W: Write>(&self, running: &Running, page: &mut Page<W>) -> anyhow::Result<()> {
        let http = running.http.context("the demo needs the bidder and the ledger")?;
        let bidder = running.bidder.as_ref().context("the demo needs the bidder")?;
        page.heading("tagbid demo");
        page.field("bid requests", format_args!("http://{http}/openrtb2/{}", catalog::DEMO_EXCHANGE));
        page.field("gRPC", format_args!("{}", running.grpc));
        page.field("admin", format_args!("http://{}/metrics", running.admin));
        page.field("operator token", OPERATOR_TOKEN);
        page.field("advertiser token", format_args!("{ADVERTISER_TOKEN} (of advertiser {TOUR_ADVERTISER})"));
        page.field(
            "exchange token",
            format_args!("{EXCHANGE_TOKEN} (of {}, for BiddingService/Bid)", catalog::DEMO_EXCHANGE),
        );
        if let Some(log) = &running.events {
            page.field("event log", format_args!("tagbid events tail --dir {}", log.dir().display()));
        }
        page.gap();

        let world = Arc::new(World::standard());
        let client = AdvertiserClient::connect(&format!("http://{}", running.grpc), OPERATOR_TOKEN).await?;
        let seeded = self.fill(running, &world, &client, page).await?;
        if let Some(dir) = &self.args.fill {
            let path = fill::write(dir, &self.settings)?;
            page.field("to serve them", format_args!("tagbid ROLE --config {}", path.display()));
            return Ok(());
        }

        page.heading(&format!("{} bid requests a second for {} s", self.args.rate, self.args.seconds));
        let options =
            market::options(format!("http://{http}/openrtb2/{}", catalog::DEMO_EXCHANGE), &self.args);
        let report = market::run(Arc::clone(&world), options, page).await?;
        let books = Books::settle(&client, &report).await?;
        let invoices = Invoices::of(&client, &report).await?;
        summary::print(page, &report, bidder.metrics(), &books, &invoices);
        budgets::print(page, &client, &seeded).await?;
        funnel::print(page, &client, &seeded).await?;
        self.explain(running, &world, &client, &seeded, &report, page).await?;

        let addresses = (http, running.grpc, running.admin);
        let tour = tour::Tour::new(addresses, self.args.users, self.generator(&world))?;
        let toured = tour.print(&seeded, page).await;
        summary::judge(&report, &books, &invoices)?;
        toured
    }

    /// Catalog and people, and the wait until the bidder has them.
    async fn fill<W: Write>(
        &self,
        running: &Running,
        world: &World,
        client: &AdvertiserClient,
        page: &mut Page<W>,
    ) -> anyhow::Result<Seeded> {
        let start = Instant::now();
        let seeded = seed::seed(client, &catalog(world, self.args.line_items, self.args.spending)).await?;
        let first = seeded.ids.advertiser(AdvertiserId(TOUR_ADVERTISER));
        ensure!(first.0 == TOUR_ADVERTISER, "the catalog was not empty: its first advertiser got id {first}");
        let (entities, items) = (seeded.entities.len(), self.args.line_items);
        page.done(
            format_args!("{entities} entities over gRPC, {items} of them line items,"),
            start.elapsed(),
        );

        let start = Instant::now();
        let writer = running.tags.as_ref().context("the demo needs the tags role")?.writer();
        let (now, users) = (SystemClock.now(), self.args.users);
        let written = users::write(&*writer, &self.keys.current, &seeded.ids, users, now).await?;
        page.done(
            format_args!(
                "{} users with {} sets of offline tags, {} of them with real-time tags,",
                written.users, written.blobs, written.live
            ),
            start.elapsed(),
        );

        let start = Instant::now();
        self.until_ready(running).await?;
        page.done("the bidder has the catalog", start.elapsed());
        Ok(seeded)
    }

    async fn until_ready(&self, running: &Running) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        loop {
            let mut waiting = running.waiting();
            let known = running.bidder.as_ref().map_or(0, tagbid_bidder::Bidder::line_items);
            if known < self.args.line_items {
                waiting.push(format!("the bidder has {known} of {} line items", self.args.line_items));
            }
            if waiting.is_empty() {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "not ready after {READY_WITHIN:?}: {}", waiting.join("; "));
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn explain<W: Write>(
        &self,
        running: &Running,
        world: &Arc<World>,
        client: &AdvertiserClient,
        seeded: &Seeded,
        report: &Report,
        page: &mut Page<W>,
    ) -> anyhow::Result<()> {
        let explainer = running.explainer.as_ref().context("the demo needs the bidder")?;
        let exchange = catalog::DEMO_EXCHANGE.parse().map_err(anyhow::Error::msg)?;
        let won = client.won(stories::wins(self.args.line_items)).await?;
        let told = stories::Told { won, lost: client.lost(stories::LOSSES).await? };
        let (world, traffic) = (Arc::clone(world), market::traffic(&self.args));
        let requests = stories::requests_of(&told, world, traffic, self.args.seed, report.requests);
        let witness = stories::Witness { explainer: &**explainer, exchange: &exchange, seeded };
        witness.tell(told, &requests, page).await
    }

    fn generator(&self, world: &Arc<World>) -> Generator {
        Generator::new(Arc::clone(world), market::traffic(&self.args), self.args.seed)
    }
}
