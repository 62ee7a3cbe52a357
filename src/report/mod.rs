//! `tagbid report`: what was bought and what came of it, out of the ledger.

mod layout;
mod when;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use tagbid_clients::{Endpoint, ReportBy, ReportClient, ReportFilter};
use tagbid_runtime::auth::Secret;
use tagbid_types::{AdvertiserId, CampaignId, CreativeId, ExchangeName, LineItemId};

use crate::out::out;
use layout::{Format, Table};
use when::When;

/// Options of the command.
#[derive(Debug, clap::Args)]
#[command(after_help = AFTER)]
pub(crate) struct Args {
    /// What a row is of: advertiser, campaign, line_item, creative, exchange, day, hour; up to four. Without: one row for each
    /// currency.
    #[arg(long, value_name = "WHAT", value_delimiter = ',', value_parser = by)]
    by: Vec<ReportBy>,
    /// Bids of this day (2026-11-22, in the advertiser's time zone) or whole hour (2026-11-22T09:00Z) and later.
    #[arg(long, value_name = "T")]
    from: Option<When>,
    /// Bids up to this day and with it, or before this whole hour.
    #[arg(long, value_name = "T")]
    until: Option<When>,
    /// Lost bids instead, by line item: why, and what would have won.
    #[arg(long, conflicts_with_all = ["by", "creative"])]
    losses: bool,
    /// How to print it.
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    format: Format,
    /// Of this advertiser; the operator's token sees all.
    #[arg(long, value_name = "ID")]
    advertiser: Option<AdvertiserId>,
    /// Of this campaign.
    #[arg(long, value_name = "ID")]
    campaign: Option<CampaignId>,
    /// Of this line item; may be given several times.
    #[arg(long = "line-item", value_name = "ID")]
    line_items: Vec<LineItemId>,
    /// Of this creative.
    #[arg(long, value_name = "ID")]
    creative: Option<CreativeId>,
    /// To this exchange.
    #[arg(long, value_name = "NAME")]
    exchange: Option<ExchangeName>,
    /// The ledger role's gRPC address.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081", env = "TAGBID_LEDGER_URL")]
    to: String,
    /// Token of the advertiser or of the operator.
    #[arg(long, value_name = "TOKEN", env = "TAGBID_TOKEN", hide_env_values = true)]
    token: String,
}

const AFTER: &str = "Everything counts in the hour and on the day of its bid, whenever its notice or conversion came. \
    Currencies are never added together.";

fn by(text: &str) -> Result<ReportBy, String> {
    let found = ReportBy::ALL.into_iter().find(|by| by.as_str() == text.replace('-', "_"));
    let names = || ReportBy::ALL.map(ReportBy::as_str).join(", ");
    found.ok_or_else(|| format!("use one of {}", names()))
}

impl Args {
    fn filter(&self) -> ReportFilter {
        ReportFilter {
            advertiser: self.advertiser,
            campaign: self.campaign,
            line_items: self.line_items.clone(),
            creative: self.creative,
            exchange: self.exchange.clone(),
            first_day: self.from.and_then(When::day),
            last_day: self.until.and_then(When::day),
            from: self.from.and_then(When::hour),
            until: self.until.and_then(When::hour),
        }
    }
}

/// Asks and prints.
pub(crate) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let named = || format!("--to {}", args.to);
    let endpoint = Endpoint::new(&args.to, &Secret::new(args.token.as_str()));
    let endpoint = endpoint.map_err(|problem| anyhow::anyhow!("--to {:?}: {problem}", args.to))?;
    let mut client = ReportClient::connect(&endpoint).await.with_context(named)?;
    let table = if args.losses {
        Table::losses(&client.losses(&args.filter()).await?)
    } else {
        Table::report(&client.report(&args.filter(), &args.by).await?, &args.by)
    };
    let mut out = out();
    out.write_all(table.print(args.format).as_bytes())?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}
