//! `tagbid users suppress|lift|erase|link|unlink|find`: the list of people, for operators.

mod change;
mod find;
mod lines;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use tagbid_catalog::people::PeopleChange;
use tagbid_clients::Endpoint;
use tagbid_runtime::auth::Secret;
use tagbid_tagset::IdKind;

use crate::snapshots::kind;

/// Commands about people, by files of their ids. What is done to one id is done to all that are linked to it.
///
/// NDJSON: {"kind": "ifa", "source": "", "id": "...", "also": [{"kind": "eid", "source": "uidapi.com", "id": "..."}]} a
/// line, "also" for further ids of the same person. CSV (by the name .csv): a head line with id and, if wanted, kind,
/// source. `.gz` is unpacked.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Nothing of them is kept or known from now on (opt-outs, objections).
    Suppress(ChangeArgs),
    /// Take the suppression back.
    Lift(ChangeArgs),
    /// What is kept of them goes, their links too, and what describes them up to now does not come back (requests for
    /// erasure). They may be known by what happens from now on; who is suppressed stays so.
    Erase(ChangeArgs),
    /// The ids of each line are one person from now on.
    Link(ChangeArgs),
    /// The ids stand alone from now on. Nothing is erased.
    Unlink(ChangeArgs),
    /// Look through every key of the tag store for what is left of them: the proof of an erasure.
    ///
    /// Exit code as grep's: 0 when something is left, 1 when nothing is, 2 when not every key could be looked at.
    Find(FindArgs),
}

/// Whose ids, and what they are when they do not say.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Ids {
    /// Files of ids.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Kind of the ids that do not say: buyeruid, eid, ifa or exchange_user.
    #[arg(long, value_name = "KIND", default_value = "ifa", value_parser = kind)]
    kind: IdKind,
    /// Where ids are from that do not say: the domain of eids, the exchange of exchange_users.
    #[arg(long, value_name = "SOURCE", default_value = "")]
    source: String,
    /// Token of the operator.
    #[arg(long, value_name = "TOKEN", env = "TAGBID_TOKEN", hide_env_values = true)]
    token: String,
}

/// Changes of the list.
#[derive(Debug, clap::Args)]
pub(crate) struct ChangeArgs {
    #[command(flatten)]
    ids: Ids,
    /// The campaigns role's gRPC address.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081", env = "TAGBID_CAMPAIGNS_URL")]
    to: String,
    /// Where refused lines are reported; default: the first file's name and ".rejects.csv".
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
}

/// A search.
#[derive(Debug, clap::Args)]
pub(crate) struct FindArgs {
    #[command(flatten)]
    ids: Ids,
    /// The tags role's gRPC address.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081", env = "TAGBID_TAGS_URL")]
    to: String,
}

fn endpoint(to: &str, token: &str) -> anyhow::Result<Endpoint> {
    Endpoint::new(to, &Secret::new(token)).map_err(|problem| anyhow::anyhow!("--to {to:?}: {problem}"))
}

/// Runs a command.
pub(crate) async fn run(command: Command) -> anyhow::Result<ExitCode> {
    let (change, args) = match command {
        Command::Suppress(args) => (PeopleChange::Suppress, args),
        Command::Lift(args) => (PeopleChange::Lift, args),
        Command::Erase(args) => (PeopleChange::Erase, args),
        Command::Link(args) => (PeopleChange::Link, args),
        Command::Unlink(args) => (PeopleChange::Unlink, args),
        Command::Find(args) => return Ok(find::run(args).await),
    };
    change::run(change, &args).await
}
