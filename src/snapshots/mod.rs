//! `tagbid tags import|ingest|activate|list|rollback|drop|get`: snapshots of offline tags, events, and what is known of a user,
//! for data teams.

mod dataset;
mod get;
mod import;
mod ingest;
mod lines;
mod notes;
mod rejects;
mod text;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use tagbid_catalog::DatasetKind;
use tagbid_clients::{Endpoint, SnapshotList, SnapshotsClient};
use tagbid_runtime::auth::Secret;
use tagbid_types::{DatasetId, Timestamp};

pub(crate) use self::lines::{column, fields, kind, row};
pub(crate) use self::notes::{Stamps, forget, read as noted, stamps, write as note};
pub(crate) use self::rejects::{Rejects, Reported};
pub(crate) use self::text::TextFile;

use self::dataset::Dataset;
use crate::out::out;

/// Commands for data teams. Without one, `tagbid tags` runs the role.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Load a snapshot from files: NDJSON, CSV (`.gz` is unpacked) or Parquet.
    Import(Box<import::Args>),
    /// Send events: each gives its user a real-time tag, which lookups show at once and which decays.
    Ingest(Box<ingest::Args>),
    /// List a dataset's versions.
    List(Of),
    /// Let lookups read a version.
    Activate(OfVersion),
    /// Let lookups read the version before the active one again.
    Rollback(Of),
    /// Give up a version that is not active.
    Drop(OfVersion),
    /// Show what is known of one user: tags with source, weight now, age and expiry.
    Get(get::Args),
}

/// Where to ask, and as whom.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Server {
    /// The tags role's gRPC address.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081", env = "TAGBID_TAGS_URL")]
    to: String,
    /// Token of the operator or of the dataset's owner.
    #[arg(long, value_name = "TOKEN", env = "TAGBID_TOKEN", hide_env_values = true)]
    token: String,
}

/// A dataset.
#[derive(Debug, clap::Args)]
pub(crate) struct Of {
    /// The dataset's id or name.
    #[arg(long, value_name = "ID|NAME")]
    dataset: Dataset,
    #[command(flatten)]
    server: Server,
}

/// A version of a dataset.
#[derive(Debug, clap::Args)]
pub(crate) struct OfVersion {
    /// The version's number.
    #[arg(value_name = "VERSION")]
    number: u32,
    #[command(flatten)]
    of: Of,
}

impl Server {
    fn endpoint(&self) -> anyhow::Result<Endpoint> {
        let endpoint = Endpoint::new(&self.to, &Secret::new(self.token.as_str()));
        endpoint.map_err(|problem| anyhow::anyhow!("--to {:?}: {problem}", self.to))
    }

    async fn connect(&self) -> anyhow::Result<SnapshotsClient> {
        SnapshotsClient::connect(&self.endpoint()?).await.with_context(|| format!("--to {}", self.to))
    }
}

impl Of {
    async fn open(&self) -> anyhow::Result<(SnapshotsClient, DatasetId)> {
        let mut client = self.server.connect().await?;
        let dataset = self.dataset.find(DatasetKind::Offline, &mut client).await?;
        Ok((client, dataset))
    }
}

/// Runs a command.
pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let (of, version) = match command {
        Command::Import(args) => return import::run(*args).await,
        Command::Ingest(args) => return ingest::run(*args).await,
        Command::Get(args) => return get::run(args).await,
        Command::List(of) => (of, None),
        Command::Rollback(of) => {
            let (mut client, dataset) = of.open().await?;
            let active = client.list(dataset).await?.active;
            show(&client.roll_back(dataset, active).await?)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Activate(one) => (one.of, Some((one.number, true))),
        Command::Drop(one) => (one.of, Some((one.number, false))),
    };
    let (mut client, dataset) = of.open().await?;
    let list = match version {
        None => client.list(dataset).await?,
        Some((version, true)) => client.activate(dataset, version).await?,
        Some((version, false)) => client.drop_version(dataset, version).await?,
    };
    show(&list)?;
    Ok(ExitCode::SUCCESS)
}

/// A line for each version.
fn show(list: &SnapshotList) -> io::Result<()> {
    let mut out = out();
    writeln!(out, "{:>7}  {:<9} {:<9} {:>12}  {:<20}  load", "version", "stage", "", "users", "as of")?;
    for one in &list.snapshots {
        let role = match one.version {
            version if version == list.active => "active",
            version if version == list.previous => "previous",
            _ => "",
        };
        let as_of = one.as_of.map_or_else(|| "-".into(), in_words);
        writeln!(
            out,
            "{:>7}  {:<9} {role:<9} {:>12}  {as_of:<20}  {}",
            one.version, one.stage, one.users, one.load
        )?;
    }
    Ok(())
}

/// As RFC 3339.
fn in_words(at: Timestamp) -> String {
    jiff::Timestamp::from_second(at.secs()).map_or_else(|_| at.to_string(), |at| at.to_string())
}

/// The place of a file beside another.
pub(crate) fn beside(file: &std::path::Path, suffix: &str) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    file.with_file_name(name)
}
