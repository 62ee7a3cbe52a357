//! Files of people become changes of the list. Each batch is durable when it is answered, and saying the same again does
//! no harm: whoever is interrupted runs the same command again, which goes on from what it has noted.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use tagbid_catalog::people::PeopleChange;
use tagbid_clients::{PeopleError, PeopleStream, RawId};

use super::lines::Lines;
use super::{ChangeArgs, endpoint};
use crate::out::{out, unless_closed};
use crate::snapshots::{Rejects, Reported, Stamps, beside, forget, note, noted, stamps};
use crate::words::count;

/// Most persons of a request, and most lines that are read for one.
const PERSONS: u64 = 500;

/// Requests under way: the campaigns role always has the next one.
const AHEAD: usize = 3;

/// Attempts to go on after a break that may pass, and the wait between them.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_secs(2);

/// Between two notes of how far it is.
const NOTE_EVERY: Duration = Duration::from_secs(1);

/// How far the command had come when that was last noted.
#[derive(Debug, Default, Serialize, Deserialize, PartialEq, Eq)]
struct Noted {
    change: String,
    files: Stamps,
    position: u64,
    /// Lines that this is of, the bad ones included.
    lines: u64,
    changed: u64,
    rejects: Reported,
}

struct Run<'a> {
    change: PeopleChange,
    args: &'a ChangeArgs,
    place: PathBuf,
    at: Noted,
    rejects: Rejects,
    bar: ProgressBar,
}

/// Lines of files that were read together.
#[derive(Default)]
struct Read {
    lines: u64,
    /// Those of persons who are sent: file and line of each.
    sent: Vec<(usize, u64)>,
    /// Those that are nobody, and why.
    refused: Vec<(usize, u64, String)>,
}

/// Runs the command.
pub(super) async fn run(change: PeopleChange, args: &ChangeArgs) -> anyhow::Result<ExitCode> {
    let mut run = Run::new(change, args)?;
    let mut attempt = 0;
    loop {
        let before = run.at.position;
        let Err(error) = run.attempt().await else {
            unless_closed(run.report())?;
            // Whoever was refused is still as before, which nobody may overlook.
            return Ok(if run.rejects.count() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        };
        run.note()?;
        let passing = error.downcast_ref::<PeopleError>().is_some_and(PeopleError::is_passing);
        attempt = if run.at.position == before { attempt + 1 } else { 1 };
        if !passing || attempt > ATTEMPTS {
            return Err(error.context(format!(
                "broke off after {}; the same command goes on from there",
                in_number(run.at.position)
            )));
        }
        run.bar.println(format!("{error:#}; going on in {} s", PAUSE.as_secs()));
        tokio::time::sleep(PAUSE).await;
    }
}

impl<'a> Run<'a> {
    fn new(change: PeopleChange, args: &'a ChangeArgs) -> anyhow::Result<Self> {
        let files = &args.ids.files;
        let first = files.first().context("name a file")?;
        let place = beside(first, &format!(".{}.json", change.as_str()));
        let stamps = stamps(files)?;
        let bar = bar(stamps.iter().map(|(bytes, _)| bytes).sum());
        let new = Noted { change: change.as_str().into(), files: stamps, ..Noted::default() };
        let of_this = |noted: &Noted| (&noted.change, &noted.files) == (&new.change, &new.files);
        let at = noted::<Noted>(&place)?.filter(of_this).unwrap_or(new);
        let report = args.rejects.clone().unwrap_or_else(|| beside(first, ".rejects.csv"));
        let rejects = Rejects::resume(report.clone(), at.rejects);
        let rejects = rejects.with_context(|| report.display().to_string())?;
        Ok(Self { change, args, place, at, rejects, bar })
    }

    /// From where it is to the end.
    async fn attempt(&mut self) -> anyhow::Result<()> {
        let args = self.args;
        let campaigns = endpoint(&args.to, &args.ids.token)?;
        let mut stream =
            PeopleStream::open(&campaigns, self.change).await.with_context(|| format!("--to {}", args.to))?;
        let mut lines = Lines::new(&args.ids);
        for _ in 0..self.at.lines {
            lines.next()?;
        }
        let (mut under_way, mut noted) = (VecDeque::<Read>::new(), Instant::now());
        loop {
            let (persons, read) = next_persons(&mut lines)?;
            let last = read.lines == 0;
            if !persons.is_empty() {
                stream.send(&persons).await;
            }
            under_way.push_back(read);
            while under_way.len() >= AHEAD || last && !under_way.is_empty() {
                let Some(read) = under_way.pop_front() else { break };
                self.take(&mut stream, read).await?;
            }
            if noted.elapsed() > NOTE_EVERY {
                self.note()?;
                self.bar.set_message(in_number(self.at.position));
                self.bar.set_position(lines.bytes());
                noted = Instant::now();
            }
            if last {
                return self.finish();
            }
        }
    }

    /// Takes the answer to what was read, if any of it was sent.
    async fn take(&mut self, stream: &mut PeopleStream, read: Read) -> anyhow::Result<()> {
        if !read.sent.is_empty() {
            let answer = stream.answer().await?;
            for (place, reason, key) in answer.rejects {
                self.refuse(read.sent.get(place).copied().unwrap_or_default(), &reason, &key)?;
            }
            self.at.changed += u64::from(answer.changed);
        }
        for (file, line, problem) in read.refused {
            self.refuse((file, line), &problem, "")?;
        }
        self.at.position += read.sent.len() as u64;
        self.at.lines += read.lines;
        self.at.rejects = self.rejects.so_far();
        Ok(())
    }

    fn refuse(&mut self, (file, line): (usize, u64), reason: &str, key: &str) -> anyhow::Result<()> {
        let name = self.args.ids.files.get(file).map(|file| file.display().to_string()).unwrap_or_default();
        self.rejects.note(&name, line, reason, key)?;
        Ok(())
    }

    /// Notes how far it is, after the rejects before that are in their file.
    fn note(&mut self) -> anyhow::Result<()> {
        self.rejects.flush()?;
        note(&self.place, &self.at)
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        self.rejects.flush()?;
        self.bar.finish_and_clear();
        forget(&self.place)
    }

    fn report(&self) -> io::Result<()> {
        let mut out = out();
        let changed = count(self.at.changed, "id", "ids");
        let (persons, refused) = (in_number(self.at.position), self.rejects.count());
        writeln!(out, "{}: {persons}, {changed} changed, {refused} refused", self.change.as_str())?;
        if let Some(path) = self.rejects.path() {
            writeln!(out, "refused: {}", path.display())?;
        }
        Ok(())
    }
}

fn in_number(persons: u64) -> String {
    count(persons, "person", "persons")
}

/// The persons of the next request, and what was read for it; no line at the end.
fn next_persons(lines: &mut Lines<'_>) -> io::Result<(Vec<Vec<RawId>>, Read)> {
    let (mut persons, mut read) = (Vec::new(), Read::default());
    while read.lines < PERSONS {
        let Some(line) = lines.next()? else { break };
        read.lines += 1;
        match line.person {
            Ok(person) => {
                persons.push(person);
                read.sent.push((line.file, line.number));
            }
            Err(problem) => read.refused.push((line.file, line.number, problem)),
        }
    }
    Ok((persons, read))
}

/// Counts bytes of the files, which are known before they are read.
fn bar(bytes: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {percent} % {msg}, {eta} left");
    ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
