//! `tagbid tags import`: files become a version of a dataset.
//!
//! A load that breaks, by whichever side, is resumed: how far it has come stands in a file beside the first one, and the same
//! command goes on from there. The same files give the same users in the same order, so a position is enough.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use tagbid_catalog::DatasetKind;
use tagbid_clients::{
    LoadOf, LoadPosition, LoadStream, Loaded, SnapshotsClient, SnapshotsError, TagRef, TagToLoad, Throttle,
    UserToLoad,
};
use tagbid_types::{DatasetId, Timestamp};

use super::dataset::Dataset;
use super::lines::{Defaults, Lines, kind};
use super::rejects::Rejects;
use super::{Server, beside};
use crate::words::count;

/// Most users of a message.
const USERS: usize = 1_000;

/// Bytes of users after which a message is sent though it has fewer: the tags role takes a message apart where it answers
/// lookups, and one of 64 KiB keeps them waiting for a fraction of a millisecond.
const BYTES: usize = 64 << 10;

/// Most bytes of one user: a message may be 1 MiB.
const MOST: usize = 512 << 10;

/// Bytes of a tag in columns beside its name, and of what little a user has beside ids and names. Tags that columns cannot say
/// take up to three times as many, for which a message has room.
const TAG: usize = 8;
const USER: usize = 24;

/// Messages under way: the tags role always has the next one.
const AHEAD: usize = 8;

/// Between two notes of how far the load is.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// Attempts to go on after a break that may pass, and the wait between them.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_secs(2);

/// Loads files of users into a new version of a dataset.
///
/// NDJSON: {"kind": "ifa", "source": "", "id": "...", "tags": ["Runners", {"tag": 12, "weight": 80, "expires": 1767225600}]}
/// a line. CSV (by the name .csv): a head line with id, tags and, if wanted, kind, source; tags as "Runners=80;Coffee".
/// Parquet (by the name .parquet): columns id, tags and, if wanted, kind, source; tags as LIST<STRUCT<tag, weight, expires>>,
/// MAP<name, weight>, MAP<name, STRUCT<weight, expires>>, LIST of names or ids, or as in CSV.
/// What cannot be loaded is reported in a file by line or row, with a keyed hash of the id.
///
/// Exit code: 0 when the version is loaded; 1 otherwise. The same command goes on where it broke off.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files to load.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The dataset's id or name.
    #[arg(long, value_name = "ID|NAME")]
    dataset: Dataset,
    /// Kind of the ids that do not say: buyeruid, eid, ifa or exchange_user.
    #[arg(long, value_name = "KIND", default_value = "ifa", value_parser = kind)]
    kind: tagbid_tagset::IdKind,
    /// Where ids are from that do not say: the domain of eids, the exchange of exchange_users.
    #[arg(long, value_name = "SOURCE", default_value = "")]
    source: String,
    /// The moment that the tags describe, in seconds since 1970; default: when the newest file was last written.
    #[arg(long, value_name = "SECONDS")]
    as_of: Option<i64>,
    /// What the load is called; default: the first file's name and the as-of time.
    #[arg(long, value_name = "NAME")]
    load: Option<String>,
    /// Do not activate the version.
    #[arg(long)]
    no_activate: bool,
    /// Load as fast as the store takes it. Else the tags role slows the load down so that lookups take twice as long as
    /// without it at most.
    #[arg(long)]
    unthrottled: bool,
    /// Where refused users are reported; default: the first file's name and ".rejects.csv".
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Give up when more users than this are refused. Without it the whole is loaded, but not activated when a tenth or more
    /// is refused.
    #[arg(long, value_name = "N")]
    max_rejects: Option<u64>,
    #[command(flatten)]
    server: Server,
}

/// How far a load had come when that was last noted.
#[derive(Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
struct Noted {
    dataset: u32,
    load: String,
    position: u64,
    stored: u64,
    rejects: u64,
}

/// Runs it.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let dataset = args.dataset.find(DatasetKind::Offline, &mut args.server.connect().await?).await?;
    let mut import = Import::new(&args, dataset)?;
    let mut attempt = 0;
    loop {
        let before = import.at;
        match import.attempt().await {
            Ok(done) => return Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
            Err(error) if error.downcast_ref().is_some_and(SnapshotsError::is_lost) => {
                // What was loaded is not there any more: nothing is left to go on from.
                import.forget()?;
                return Err(error.context("the load has to begin anew; the same command does so"));
            }
            Err(error) => {
                import.note()?;
                let passing = error.downcast_ref::<SnapshotsError>().is_some_and(SnapshotsError::is_passing);
                attempt = if import.at == before { attempt + 1 } else { 1 };
                if !passing || attempt > ATTEMPTS {
                    return Err(error.context(format!(
                        "the load broke off after {}; the same command goes on from there",
                        in_number(import.at.position)
                    )));
                }
                import.bar.println(format!("{error:#}; going on in {} s", PAUSE.as_secs()));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

struct Import<'a> {
    args: &'a Args,
    dataset: DatasetId,
    load: String,
    as_of: Timestamp,
    /// Where how far it is stands.
    place: PathBuf,
    at: LoadPosition,
    throttle: Option<Throttle>,
    rejects: Rejects,
    bar: ProgressBar,
}

/// Users that were sent and not answered.
struct Sent {
    /// File and line of each.
    lines: Vec<(usize, u64)>,
}

impl<'a> Import<'a> {
    fn new(args: &'a Args, dataset: DatasetId) -> anyhow::Result<Self> {
        let first = args.files.first().context("name a file")?;
        let as_of = match args.as_of {
            Some(seconds) => Timestamp(seconds.saturating_mul(1_000_000)),
            None => newest(&args.files)?,
        };
        let name = first.file_name().unwrap_or_default().to_string_lossy();
        let load = args.load.clone().unwrap_or_else(|| format!("{name} {}", as_of.secs()));
        let place = beside(first, ".import.json");
        let rejects = args.rejects.clone().unwrap_or_else(|| beside(first, ".rejects.csv"));
        let noted = noted(&place, dataset.0, &load)?;
        let mut rejects = Rejects::new(rejects);
        rejects.count = noted.rejects;
        let at = LoadPosition { position: noted.position, stored: noted.stored };
        Ok(Self {
            args,
            dataset,
            load,
            as_of,
            place,
            at,
            throttle: None,
            rejects,
            bar: ProgressBar::hidden(),
        })
    }

    /// From where it is to the end; whether it went as was wanted.
    async fn attempt(&mut self) -> anyhow::Result<bool> {
        let mut client: SnapshotsClient = self.args.server.connect().await?;
        let of = LoadOf {
            dataset: self.dataset,
            load: self.load.clone(),
            as_of: self.as_of,
            from: self.at,
            unthrottled: self.args.unthrottled,
        };
        let (mut stream, begun) = client.load(of).await?;
        self.bar = bar(&self.args.files);
        self.send_all(&mut stream).await?;
        let doubt = if self.args.no_activate { None } else { self.doubt() };
        let activate = !self.args.no_activate && doubt.is_none();
        let (users, list) = stream.finish(self.at.position, activate).await?;
        self.rejects.flush()?;
        self.bar.finish_and_clear();
        self.forget()?;
        self.report(begun.version, users, list.active == begun.version)?;
        if let Some(doubt) = doubt {
            let version = begun.version;
            writeln!(io::stdout().lock(), "{doubt}; if that is right: tagbid tags activate {version}")?;
        }
        Ok(doubt.is_none())
    }

    /// Why lookups should not read what was loaded before somebody has looked at it: whoever is not in a version has no
    /// tags in it.
    fn doubt(&self) -> Option<&'static str> {
        let (loaded, refused) = (self.at.stored, self.rejects.count);
        if loaded == 0 {
            Some("it has nobody in it")
        } else {
            let many = self.args.max_rejects.is_none() && refused.saturating_mul(10) >= loaded + refused;
            many.then_some("a tenth of its users or more were refused")
        }
    }

    async fn send_all(&mut self, stream: &mut LoadStream) -> anyhow::Result<()> {
        let defaults = Defaults { kind: self.args.kind, source: self.args.source.clone() };
        let mut lines = Lines::new(self.args.files.clone(), defaults);
        // What was answered before has had its rejects reported, bad lines among it too.
        let mut skip = self.at.position;
        let (mut under_way, mut noted) = (VecDeque::<Sent>::new(), Instant::now());
        let (began, first) = (Instant::now(), self.at.position);
        loop {
            let (users, sent) = self.next_users(&mut lines, &mut skip)?;
            let last = users.is_empty();
            if !last {
                under_way.push_back(sent);
                stream.send(&users).await;
            }
            while under_way.len() >= AHEAD || last && !under_way.is_empty() {
                let answer = stream.progress().await?;
                self.take(answer, under_way.pop_front())?;
            }
            if noted.elapsed() > NOTE_EVERY {
                self.note()?;
                let rate = (self.at.position - first) as f64 / began.elapsed().as_secs_f64();
                let slowed = self.throttle.map(in_words).unwrap_or_default();
                self.bar.set_message(format!("{}, {rate:.0}/s{slowed}", in_number(self.at.position)));
                self.bar.set_position(lines.bytes());
                noted = Instant::now();
            }
            if last {
                return Ok(());
            }
        }
    }

    /// The users of the next message; none at the end.
    fn next_users(&mut self, lines: &mut Lines, skip: &mut u64) -> anyhow::Result<(Vec<UserToLoad>, Sent)> {
        let (mut users, mut sent, mut bytes) = (Vec::new(), Sent { lines: Vec::new() }, 0);
        while users.len() < USERS && bytes < BYTES {
            let Some(line) = lines.next()? else { break };
            match line.user.and_then(sendable) {
                Ok(_) if *skip > 0 => *skip -= 1,
                Ok(user) => {
                    bytes += size(&user);
                    users.push(user);
                    sent.lines.push((line.file, line.number));
                }
                Err(_) if *skip > 0 => {}
                Err(problem) => self.refuse(line.file, line.number, &problem, "")?,
            }
        }
        Ok((users, sent))
    }

    fn take(&mut self, answer: Loaded, sent: Option<Sent>) -> anyhow::Result<()> {
        let lines = sent.map(|sent| sent.lines).unwrap_or_default();
        for reject in answer.rejects {
            let (file, line) = lines.get(reject.user).copied().unwrap_or_default();
            self.refuse(file, line, &reject.reason, &reject.key)?;
        }
        (self.at, self.throttle) = (answer.at, answer.throttle);
        Ok(())
    }

    fn refuse(&mut self, file: usize, line: u64, reason: &str, key: &str) -> anyhow::Result<()> {
        let name = self.args.files.get(file).map(|file| file.display().to_string()).unwrap_or_default();
        self.rejects.note(&name, line, reason, key)?;
        if let Some(most) = self.args.max_rejects.filter(|most| self.rejects.count > *most) {
            anyhow::bail!("more than {} refused: see the report", in_number(most));
        }
        Ok(())
    }

    /// Notes how far it is, after the rejects before that are in their file.
    fn note(&mut self) -> anyhow::Result<()> {
        self.rejects.flush()?;
        let noted = Noted {
            dataset: self.dataset.0,
            load: self.load.clone(),
            position: self.at.position,
            stored: self.at.stored,
            rejects: self.rejects.count,
        };
        let beside = self.place.with_extension("saving");
        fs::write(&beside, serde_json::to_vec(&noted)?)?;
        fs::rename(&beside, &self.place).with_context(|| self.place.display().to_string())
    }

    /// Nothing is left to resume.
    fn forget(&self) -> anyhow::Result<()> {
        match fs::remove_file(&self.place) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| self.place.display().to_string())
            }
            _ => Ok(()),
        }
    }

    fn report(&self, version: u32, users: u64, active: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let state = if active { "active" } else { "loaded, not active" };
        let users = in_number(users);
        writeln!(out, "version {version} is {state}: {users}, {} refused", self.rejects.count)?;
        match self.rejects.path() {
            Some(path) => writeln!(out, "refused users: {}", path.display()),
            None => Ok(()),
        }
    }
}

/// Nobody whom a message has no room for.
fn sendable(user: UserToLoad) -> Result<UserToLoad, String> {
    match size(&user) {
        bytes if bytes > MOST => Err(format!("tags of {bytes} bytes: 512 tags with short names are less")),
        _ => Ok(user),
    }
}

/// About how long a user is in a message.
fn size(user: &UserToLoad) -> usize {
    let tag = |tag: &TagToLoad| {
        TAG + match &tag.tag {
            TagRef::Id(_) => 0,
            TagRef::Name(name) => name.len(),
        }
    };
    USER + user.id.len() + user.source.len() + user.tags.iter().map(tag).sum::<usize>()
}

fn in_number(users: u64) -> String {
    count(users, "user", "users")
}

/// Why a load is slow.
fn in_words(throttle: Throttle) -> String {
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    format!(
        ", slowed to {}/s for lookups (p99 {:.1} ms, idle {:.1})",
        throttle.users_per_second,
        ms(throttle.p99),
        ms(throttle.idle_p99)
    )
}

/// What was noted of this load; of another one nothing.
fn noted(place: &Path, dataset: u32, load: &str) -> anyhow::Result<Noted> {
    let text = match fs::read(place) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Noted::default()),
        Err(error) => return Err(error).with_context(|| place.display().to_string()),
    };
    let noted: Noted = serde_json::from_slice(&text)
        .with_context(|| format!("{}: delete it to load from the beginning", place.display()))?;
    Ok(if (noted.dataset, noted.load.as_str()) == (dataset, load) { noted } else { Noted::default() })
}

/// When the newest of these files was last written.
fn newest(files: &[PathBuf]) -> anyhow::Result<Timestamp> {
    let mut newest = 0;
    for file in files {
        let named = || file.display().to_string();
        let written = fs::metadata(file).with_context(named)?.modified().with_context(named)?;
        let since = written.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        newest = newest.max(since.as_secs());
    }
    Ok(Timestamp::from_secs(i64::try_from(newest)?))
}

/// Counts bytes of the files, which are known before they are read.
fn bar(files: &[PathBuf]) -> ProgressBar {
    let size = |file: &PathBuf| fs::metadata(file).map_or(0, |about| about.len());
    let style = "{wide_bar} {percent} % {msg}, {eta} left";
    let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(files.iter().map(size).sum()).with_style(style)
}
