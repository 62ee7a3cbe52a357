//! `tagbid tags import`: files become a version of a dataset.
//!
//! A load that breaks, by whichever side, is resumed: how far it has come stands in a file beside the first one, and the same
//! command goes on from there. The same files give the same users in the same order, so a position is enough; files that
//! are not the same any more are loaded from the beginning. Nothing is begun before somebody is found who can be loaded.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use tagbid_catalog::DatasetKind;
use tagbid_clients::{
    LoadOf, LoadPosition, LoadStream, Loaded, SnapshotsClient, SnapshotsError, TagRef, TagToLoad, Throttle,
    UserToLoad,
};
use tagbid_tagset::MAX_TAGS;
use tagbid_types::{DatasetId, Timestamp};

use super::dataset::Dataset;
use super::lines::{Defaults, Lines, kind};
use super::rejects::{Rejects, Reported};
use super::{Server, Stamps, beside, forget, note, noted, stamps};
use crate::out::{out, unless_closed};
use crate::words::count;

/// Most users of a message, and most lines that are read for one.
const USERS: u64 = 1_000;

/// Bytes of users after which a message is sent though it has fewer: the tags role takes a message apart where it answers
/// lookups, and one of 64 KiB keeps them waiting for a fraction of a millisecond.
const BYTES: usize = 64 << 10;

/// Most bytes of one user: a message may be 1 MiB.
const MOST: usize = 512 << 10;

/// Bytes of a tag in columns beside its name, and of what little a user has beside ids and names. Tags that columns cannot say
/// take up to three times as many, for which a message has room: a user has [`MAX_TAGS`] at the most.
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
/// Exit code: 0 when the version is loaded, and active unless that was not wanted; 1 otherwise. The same command goes on where it broke off.
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
    files: Stamps,
    /// What ids mean that do not say.
    #[serde(default)]
    ids: String,
    #[serde(default)]
    version: u32,
    position: u64,
    stored: u64,
    /// Lines that this is of, the bad ones included.
    lines: u64,
    rejects: Reported,
}

/// Runs it.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let dataset = args.dataset.find(DatasetKind::Offline, &mut args.server.connect().await?).await?;
    let mut import = Import::new(&args, dataset)?;
    let mut attempt = 0;
    loop {
        let before = import.at;
        match import.attempt().await {
            Ok(ended) => {
                unless_closed(import.report(&ended))?;
                return Ok(if ended.doubt.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
            }
            Err(error) if error.downcast_ref().is_some_and(SnapshotsError::is_lost) => {
                // What was loaded is not there any more: nothing is left to go on from.
                forget(&import.place)?;
                return Err(error.context("the load has to begin anew; the same command does so"));
            }
            Err(error) => {
                let passing = error.downcast_ref::<SnapshotsError>().is_some_and(SnapshotsError::is_passing);
                attempt = if import.at == before { attempt + 1 } else { 1 };
                if import.begun {
                    import.note()?;
                }
                if !passing || attempt > ATTEMPTS {
                    return Err(import.broken_off(error));
                }
                import.bar.println(format!("{error:#}; going on in {} s", PAUSE.as_secs()));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// What came of a load.
struct Ended {
    version: u32,
    users: u64,
    active: bool,
    /// Why it was not activated though that was wanted.
    doubt: Option<&'static str>,
}

struct Import<'a> {
    args: &'a Args,
    dataset: DatasetId,
    load: String,
    as_of: Timestamp,
    files: Stamps,
    /// What ids mean that do not say.
    ids: String,
    /// Where how far it is stands.
    place: PathBuf,
    at: LoadPosition,
    /// Lines that were answered, or refused without asking.
    lines: u64,
    /// The tags role has taken the load up.
    begun: bool,
    throttle: Option<Throttle>,
    rejects: Rejects,
    /// What is reported of those lines.
    reported: Reported,
    bar: ProgressBar,
}

/// Lines of files that were read together.
#[derive(Default)]
struct Read {
    lines: u64,
    /// Those of users who are sent: file and line of each.
    sent: Vec<(usize, u64)>,
    /// Those that cannot be, and why.
    refused: Vec<(usize, u64, String)>,
}

impl<'a> Import<'a> {
    fn new(args: &'a Args, dataset: DatasetId) -> anyhow::Result<Self> {
        let first = args.files.first().context("name a file")?;
        let files = stamps(&args.files)?;
        let newest = files.iter().map(|(_, written)| written / 1_000_000).max().unwrap_or_default();
        let as_of = match args.as_of {
            Some(seconds) => Timestamp(seconds.saturating_mul(1_000_000)),
            None => Timestamp::from_secs(i64::try_from(newest)?),
        };
        let name = first.file_name().unwrap_or_default().to_string_lossy();
        let load = args.load.clone().unwrap_or_else(|| format!("{name} {}", as_of.secs()));
        let place = beside(first, ".import.json");
        let ids = format!("{:?} {}", args.kind, args.source);
        let of_this = |noted: &Noted| {
            (noted.dataset, &noted.load, &noted.files, &noted.ids) == (dataset.0, &load, &files, &ids)
        };
        let noted = noted::<Noted>(&place)?.filter(of_this).unwrap_or_default();
        let report = args.rejects.clone().unwrap_or_else(|| beside(first, ".rejects.csv"));
        Ok(Self {
            args,
            dataset,
            load,
            as_of,
            files,
            ids,
            place,
            at: LoadPosition { version: noted.version, position: noted.position, stored: noted.stored },
            lines: noted.lines,
            begun: false,
            throttle: None,
            rejects: Rejects::resume(report.clone(), noted.rejects)
                .with_context(|| report.display().to_string())?,
            reported: noted.rejects,
            bar: ProgressBar::hidden(),
        })
    }

    /// From where it is to the end.
    async fn attempt(&mut self) -> anyhow::Result<Ended> {
        let mut lines = self.open()?;
        let first = self.first_users(&mut lines)?;
        let mut client: SnapshotsClient = self.args.server.connect().await?;
        let of = LoadOf {
            dataset: self.dataset,
            load: self.load.clone(),
            as_of: self.as_of,
            from: self.at,
            unthrottled: self.args.unthrottled,
        };
        let (mut stream, begun) = client.load(of).await?;
        self.begun = true;
        self.bar = bar(&self.files);
        self.send_all(&mut stream, &mut lines, first).await?;
        let doubt = if self.args.no_activate { None } else { self.doubt() };
        let activate = !self.args.no_activate && doubt.is_none();
        let (users, list) = stream.finish(self.at.position, activate).await?;
        self.rejects.flush()?;
        self.bar.finish_and_clear();
        forget(&self.place)?;
        Ok(Ended { version: begun.version, users, active: list.active == begun.version, doubt })
    }

    /// The files, from the first line on that nothing was said about.
    fn open(&self) -> anyhow::Result<Lines> {
        let defaults = Defaults { kind: self.args.kind, source: self.args.source.clone() };
        let mut lines = Lines::new(self.args.files.clone(), defaults);
        for _ in 0..self.lines {
            lines.next()?;
        }
        Ok(lines)
    }

    /// The first users that can be sent: without any there is nothing to begin.
    fn first_users(&mut self, lines: &mut Lines) -> anyhow::Result<(Vec<UserToLoad>, Read)> {
        loop {
            let (users, read) = next_users(lines)?;
            if !users.is_empty() || read.lines == 0 && self.at.position > 0 {
                return Ok((users, read));
            }
            if read.lines == 0 {
                self.rejects.flush()?;
                match self.rejects.path() {
                    Some(report) => bail!(
                        "no line is a user that can be loaded, {} were refused: see {}",
                        self.rejects.count(),
                        report.display()
                    ),
                    None => bail!("there is nobody in it: name a file with users"),
                }
            }
            self.refuse_all(read)?;
        }
    }

    fn broken_off(&self, error: anyhow::Error) -> anyhow::Error {
        if !self.begun {
            return error;
        }
        error.context(format!(
            "the load broke off after {} users; the same command goes on from there",
            self.at.position
        ))
    }

    /// Why lookups should not read what was loaded before somebody has looked at it: whoever is not in a version has no
    /// tags in it.
    fn doubt(&self) -> Option<&'static str> {
        let (loaded, refused) = (self.at.stored, self.rejects.count());
        if loaded == 0 {
            Some("it has nobody in it")
        } else {
            let many = self.args.max_rejects.is_none() && refused.saturating_mul(10) >= loaded + refused;
            many.then_some("a tenth of its users or more were refused")
        }
    }

    async fn send_all(
        &mut self,
        stream: &mut LoadStream,
        lines: &mut Lines,
        first: (Vec<UserToLoad>, Read),
    ) -> anyhow::Result<()> {
        let (mut under_way, mut noted) = (VecDeque::<Read>::new(), Instant::now());
        let (began, start) = (Instant::now(), self.at.position);
        let mut next = first;
        loop {
            let (users, read) = next;
            let last = read.lines == 0;
            if !users.is_empty() {
                stream.send(&users).await;
            }
            under_way.push_back(read);
            while under_way.len() >= AHEAD || last && !under_way.is_empty() {
                let Some(read) = under_way.pop_front() else { break };
                self.take(stream, read).await?;
            }
            if noted.elapsed() > NOTE_EVERY {
                self.note()?;
                let rate = (self.at.position - start) as f64 / began.elapsed().as_secs_f64();
                let slowed = self.throttle.map(in_words).unwrap_or_default();
                self.bar.set_message(format!("{}, {rate:.0}/s{slowed}", in_number(self.at.position)));
                self.bar.set_position(lines.bytes());
                noted = Instant::now();
            }
            if last {
                return Ok(());
            }
            next = next_users(lines)?;
        }
    }

    /// Takes the answer to what was read, if any of it was sent.
    async fn take(&mut self, stream: &mut LoadStream, read: Read) -> anyhow::Result<()> {
        if !read.sent.is_empty() {
            let answer: Loaded = stream.progress().await?;
            for reject in answer.rejects {
                let (file, line) = read.sent.get(reject.user).copied().unwrap_or_default();
                self.refuse(file, line, &reject.reason, &reject.key)?;
            }
            (self.at, self.throttle) = (answer.at, answer.throttle);
        }
        self.refuse_all(read)
    }

    fn refuse_all(&mut self, read: Read) -> anyhow::Result<()> {
        for (file, line, problem) in read.refused {
            self.refuse(file, line, &problem, "")?;
        }
        self.lines += read.lines;
        self.reported = self.rejects.so_far();
        Ok(())
    }

    fn refuse(&mut self, file: usize, line: u64, reason: &str, key: &str) -> anyhow::Result<()> {
        let name = self.args.files.get(file).map(|file| file.display().to_string()).unwrap_or_default();
        self.rejects.note(&name, line, reason, key)?;
        if let Some(most) = self.args.max_rejects.filter(|most| self.rejects.count() > *most) {
            self.rejects.flush()?;
            bail!("more than {} refused: see the report", in_number(most));
        }
        Ok(())
    }

    /// Notes how far it is, after the rejects before that are in their file.
    fn note(&mut self) -> anyhow::Result<()> {
        self.rejects.flush()?;
        let noted = Noted {
            dataset: self.dataset.0,
            load: self.load.clone(),
            files: self.files.clone(),
            ids: self.ids.clone(),
            version: self.at.version,
            position: self.at.position,
            stored: self.at.stored,
            lines: self.lines,
            rejects: self.reported,
        };
        note(&self.place, &noted)
    }

    fn report(&self, ended: &Ended) -> io::Result<()> {
        let (mut out, Ended { version, users, active, doubt }) = (out(), ended);
        let state = if *active { "active" } else { "loaded, not active" };
        let users = in_number(*users);
        writeln!(out, "version {version} is {state}: {users}, {} refused", self.rejects.count())?;
        if let Some(path) = self.rejects.path() {
            writeln!(out, "refused users: {}", path.display())?;
        }
        match doubt {
            Some(doubt) => {
                let remedy = format!("tagbid tags activate {version} --dataset {}", self.dataset);
                writeln!(out, "{doubt}; if that is right: {remedy}")
            }
            None => Ok(()),
        }
    }
}

/// The users of the next message, and what was read for it; no line at the end.
fn next_users(lines: &mut Lines) -> io::Result<(Vec<UserToLoad>, Read)> {
    let (mut users, mut read, mut bytes) = (Vec::new(), Read::default(), 0);
    while read.lines < USERS && bytes < BYTES {
        let Some(line) = lines.next()? else { break };
        read.lines += 1;
        match line.user.and_then(sendable) {
            Ok(user) => {
                bytes += size(&user);
                users.push(user);
                read.sent.push((line.file, line.number));
            }
            Err(problem) => read.refused.push((line.file, line.number, problem)),
        }
    }
    Ok((users, read))
}

/// Nobody whom a message has no room for, however their tags are said, and so no load.
fn sendable(user: UserToLoad) -> Result<UserToLoad, String> {
    match (user.tags.len(), size(&user)) {
        (tags, _) if tags > MAX_TAGS => Err(format!("tags: {tags} of them: send at most {MAX_TAGS}")),
        (_, bytes) if bytes > MOST => {
            Err(format!("tags of {bytes} bytes: {MAX_TAGS} tags with short names are less"))
        }
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

/// Counts bytes of the files, which are known before they are read.
fn bar(files: &Stamps) -> ProgressBar {
    let style = "{wide_bar} {percent} % {msg}, {eta} left";
    let style = ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(files.iter().map(|(bytes, _)| bytes).sum()).with_style(style)
}

#[cfg(test)]
mod tests {
    use tagbid_tagset::IdKind;

    use super::*;

    #[test]
    fn whoever_has_too_many_tags_is_refused_before_a_message_gets_too_large() {
        let tagged = |tags: usize, name: &str| {
            let tag = TagToLoad { tag: TagRef::Name(name.into()), weight: 256, expires: None };
            UserToLoad { kind: IdKind::Ifa, source: String::new(), id: "a".into(), tags: vec![tag; tags] }
        };
        assert!(sendable(tagged(MAX_TAGS, "x")).is_ok());
        let refused = sendable(tagged(MAX_TAGS + 1, "x")).unwrap_err();
        assert_eq!(refused, "tags: 513 of them: send at most 512");
        let long = sendable(tagged(MAX_TAGS, &"x".repeat(1_024))).unwrap_err();
        assert!(long.contains("short names"), "{long}");
    }
}
