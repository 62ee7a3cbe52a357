//! `tagbid tags ingest`: events as they happen, from files or a pipe.
//!
//! A batch is what has come while others were under way. A batch without an answer is sent again when the stream broke: events
//! have ids, and the same one again changes nothing.

mod lines;

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tagbid_catalog::DatasetKind;
use tagbid_clients::{EventStream, EventToSend, SnapshotsError, Taken};
use tagbid_runtime::SystemClock;
use tagbid_tagset::IdKind;
use tagbid_types::Clock;
use tokio::sync::mpsc;

use self::lines::{Defaults, Line};
use super::dataset::Dataset;
use super::rejects::{Rejects, Reported};
use super::{Server, beside, kind};
use crate::out::{out, unless_closed};
use crate::words::count;

/// Events of a batch; a message may have 1 MiB, and an event has some hundred bytes, with all its ids some thousand.
const EVENTS: usize = 1_000;
const BYTES: usize = 512 << 10;

/// Batches under way: the tags role works on as many.
const AHEAD: usize = 2;

/// Attempts to go on after a break that may pass, or to bring in what may be taken later, and the wait between them.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_secs(2);

/// Sends events, each of which gives its user a real-time tag.
///
/// NDJSON: {"kind": "ifa", "source": "", "id": "...", "tag": "Runners", "weight": 80, "time": 1767225600, "event": "...", "also":
/// [{"kind": "eid", "source": "uidapi.com", "id": "..."}]} a line. Needed are id and tag (a name or an id); weight is 255,
/// time now, event (the event's own id: the same again changes nothing) a new one, where they are left out; "also" is for other ids
/// of the same person. `.gz` is unpacked. What is answered is in every lookup from then on.
///
/// Exit code: 0 when every event was taken in; 1 otherwise.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Files of events; "-" reads them from the standard input, as they come.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// The dataset's id or name.
    #[arg(long, value_name = "ID|NAME")]
    dataset: Dataset,
    /// Kind of the ids that do not say: buyeruid, eid, ifa or exchange_user.
    #[arg(long, value_name = "KIND", default_value = "ifa", value_parser = kind)]
    kind: IdKind,
    /// Where ids are from that do not say: the domain of eids, the exchange of exchange_users.
    #[arg(long, value_name = "SOURCE", default_value = "")]
    source: String,
    /// Where refused events are reported; default: the first file's name (or "events") and ".rejects.csv".
    #[arg(long, value_name = "FILE")]
    rejects: Option<std::path::PathBuf>,
    #[command(flatten)]
    server: Server,
}

/// Runs it.
pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let dataset = args.dataset.find(DatasetKind::Realtime, &mut args.server.connect().await?).await?;
    let mut run = [0; 8];
    getrandom::fill(&mut run).map_err(|error| anyhow::anyhow!("no randomness for ids of events: {error}"))?;
    let (kind, source) = (args.kind, args.source.clone());
    let defaults = Defaults { dataset, kind, source, run: u64::from_be_bytes(run) };
    let (sender, lines) = mpsc::channel(EVENTS);
    let files = args.files.clone();
    let read = move || lines::read(&files, &defaults, || SystemClock.now(), &sender);
    // Not joined: nothing ends a read from a terminal but its end.
    std::thread::Builder::new().name("events".into()).spawn(read)?;
    let first = args.files.first().map_or("-", String::as_str);
    let report = beside(Path::new(if first == "-" { "events" } else { first }), ".rejects.csv");
    let rejects = Rejects::resume(args.rejects.clone().unwrap_or(report), Reported::default())?;
    let mut ingest =
        Ingest { args: &args, lines, under_way: VecDeque::new(), ended: false, accepted: 0, rejects };
    ingest.all().await?;
    ingest.report()
}

struct Ingest<'a> {
    args: &'a Args,
    lines: mpsc::Receiver<io::Result<Line>>,
    /// Batches that were sent and not answered.
    under_way: VecDeque<Vec<Sent>>,
    /// There are no more lines.
    ended: bool,
    accepted: u64,
    rejects: Rejects,
}

/// An event that was sent.
struct Sent {
    file: usize,
    line: u64,
    event: EventToSend,
    /// How often it was to be sent again.
    again: u32,
}

impl Ingest<'_> {
    async fn all(&mut self) -> anyhow::Result<()> {
        let mut attempt = 0;
        loop {
            let before = self.accepted + self.rejects.count();
            let Err(error) = self.attempt().await else { return Ok(()) };
            self.rejects.flush()?;
            let passing = error.downcast_ref::<SnapshotsError>().is_some_and(SnapshotsError::is_passing);
            let moved = self.accepted + self.rejects.count() > before;
            attempt = if moved { 1 } else { attempt + 1 };
            if !passing || attempt > ATTEMPTS {
                let taken = count(self.accepted, "event", "events");
                return Err(error.context(format!("broke off after {taken}")));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Sends what has no answer, and then what comes, to the end.
    async fn attempt(&mut self) -> anyhow::Result<()> {
        let mut stream = EventStream::open(&self.args.server.endpoint()?).await?;
        for batch in &self.under_way {
            stream.send(batch.iter().map(|sent| &sent.event)).await;
        }
        let mut came = Vec::new();
        loop {
            tokio::select! {
                answer = stream.answer(), if !self.under_way.is_empty() => {
                    let again = self.take(answer?)?;
                    if !again.is_empty() {
                        tokio::time::sleep(PAUSE).await;
                        self.send(&mut stream, again).await;
                    }
                }
                lines = self.lines.recv_many(&mut came, EVENTS), if !self.ended && self.under_way.len() < AHEAD => {
                    self.ended = lines == 0;
                    let batch = self.readable(came.drain(..))?;
                    self.send(&mut stream, batch).await;
                }
                else => return Ok(()),
            }
        }
    }

    /// The events of these lines; the others are reported.
    fn readable(&mut self, lines: impl Iterator<Item = io::Result<Line>>) -> anyhow::Result<Vec<Sent>> {
        let mut batch = Vec::new();
        for line in lines {
            let Line { file, number, event } = line?;
            match event {
                Ok(event) if size(&event) > BYTES => self.refuse(file, number, "its ids are too long")?,
                Ok(event) => batch.push(Sent { file, line: number, event, again: 0 }),
                Err(problem) => self.refuse(file, number, &problem)?,
            }
        }
        Ok(batch)
    }

    /// As one message, or several where one would be too large.
    async fn send(&mut self, stream: &mut EventStream, events: Vec<Sent>) {
        let mut events = events.into_iter().peekable();
        while events.peek().is_some() {
            let mut bytes = 0;
            let room = |sent: &Sent| {
                bytes += size(&sent.event);
                bytes <= BYTES
            };
            let batch: Vec<_> = events.next().into_iter().chain(while_some(&mut events, room)).collect();
            stream.send(batch.iter().map(|sent| &sent.event)).await;
            self.under_way.push_back(batch);
        }
    }

    /// Takes an answer; what is to be sent again.
    fn take(&mut self, answer: Taken) -> anyhow::Result<Vec<Sent>> {
        self.accepted += answer.accepted;
        let mut sent: Vec<_> = self.under_way.pop_front().unwrap_or_default().into_iter().map(Some).collect();
        let mut again = Vec::new();
        for refused in answer.refused {
            let Some(one) = sent.get_mut(refused.event).and_then(Option::take) else { continue };
            if refused.retry && one.again < ATTEMPTS {
                again.push(Sent { again: one.again + 1, ..one });
            } else {
                self.refuse(one.file, one.line, &refused.reason)?;
            }
        }
        Ok(again)
    }

    fn refuse(&mut self, file: usize, line: u64, reason: &str) -> io::Result<()> {
        let name = self.args.files.get(file).map_or("", String::as_str);
        self.rejects.note(name, line, reason, "")
    }

    fn report(&mut self) -> anyhow::Result<ExitCode> {
        self.rejects.flush().context("the report of refused events")?;
        unless_closed(self.tell())?;
        Ok(if self.rejects.count() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    fn tell(&self) -> io::Result<()> {
        let (mut out, refused) = (out(), self.rejects.count());
        writeln!(out, "{} taken in, {refused} refused", count(self.accepted, "event", "events"))?;
        match self.rejects.path() {
            Some(path) => writeln!(out, "refused events: {}", path.display()),
            None => Ok(()),
        }
    }
}

/// Those at the front that are wanted.
fn while_some<T>(
    items: &mut std::iter::Peekable<impl Iterator<Item = T>>,
    mut wanted: impl FnMut(&T) -> bool,
) -> impl Iterator<Item = T> {
    std::iter::from_fn(move || items.next_if(&mut wanted))
}

/// About how long an event is in a message.
fn size(event: &EventToSend) -> usize {
    let ids = event.also.iter().chain([&event.user]);
    128 + ids.map(|user| 32 + user.id.len() + user.source.len()).sum::<usize>() + event.id.len()
}
