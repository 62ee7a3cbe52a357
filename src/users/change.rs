//! Files of people become changes of the list. Each batch is durable when it is answered, and saying the same again does
//! no harm: whoever is interrupted runs the same command again, which goes on from what it has noted.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use tagbid_catalog::people::PeopleChange;
use tagbid_clients::{PeopleChanged, PeopleError, PeopleStream, RawId};

use super::lines::Lines;
use super::{ChangeArgs, endpoint};
use crate::snapshots::{Rejects, beside};
use crate::words::count;

/// Persons of a request.
const PERSONS: usize = 500;

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
    /// Sizes of the files: others are other files.
    files: Vec<u64>,
    position: u64,
    changed: u64,
    rejects: u64,
}

struct Run<'a> {
    change: PeopleChange,
    args: &'a ChangeArgs,
    place: PathBuf,
    at: Noted,
    rejects: Rejects,
    bar: ProgressBar,
}

/// A request without an answer: file and line of each person.
type Sent = Vec<(usize, u64)>;

/// Runs the command.
pub(super) async fn run(change: PeopleChange, args: &ChangeArgs) -> anyhow::Result<ExitCode> {
    let mut run = Run::new(change, args)?;
    let mut attempt = 0;
    loop {
        let before = run.at.position;
        let Err(error) = run.attempt().await else { return Ok(ExitCode::SUCCESS) };
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
        let mut sizes = Vec::with_capacity(files.len());
        for file in files {
            sizes.push(fs::metadata(file).with_context(|| file.display().to_string())?.len());
        }
        let bar = bar(sizes.iter().sum());
        let new = Noted { change: change.as_str().into(), files: sizes, ..Noted::default() };
        let at = noted(&place)?.filter(|noted| (&noted.change, &noted.files) == (&new.change, &new.files));
        let at = at.unwrap_or(new);
        let mut rejects = Rejects::new(args.rejects.clone().unwrap_or_else(|| beside(first, ".rejects.csv")));
        rejects.count = at.rejects;
        Ok(Self { change, args, place, at, rejects, bar })
    }

    /// From where it is to the end.
    async fn attempt(&mut self) -> anyhow::Result<()> {
        let args = self.args;
        let campaigns = endpoint(&args.to, &args.ids.token)?;
        let mut stream =
            PeopleStream::open(&campaigns, self.change).await.with_context(|| format!("--to {}", args.to))?;
        let mut lines = Lines::new(&args.ids);
        let mut skip = self.at.position;
        let (mut under_way, mut noted) = (VecDeque::<Sent>::new(), Instant::now());
        loop {
            let (persons, sent) = self.next_persons(&mut lines, &mut skip)?;
            let last = persons.is_empty();
            if !last {
                under_way.push_back(sent);
                stream.send(&persons).await;
            }
            while under_way.len() >= AHEAD || last && !under_way.is_empty() {
                let answer = stream.answer().await?;
                self.take(answer, under_way.pop_front().unwrap_or_default())?;
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

    /// The persons of the next request; none at the end.
    fn next_persons(
        &mut self,
        lines: &mut Lines<'_>,
        skip: &mut u64,
    ) -> anyhow::Result<(Vec<Vec<RawId>>, Sent)> {
        let (mut persons, mut sent) = (Vec::new(), Sent::new());
        while persons.len() < PERSONS {
            let Some(line) = lines.next()? else { break };
            match line.person {
                // What was answered before has had its rejects reported, bad lines among it too.
                Ok(_) if *skip > 0 => *skip -= 1,
                Err(_) if *skip > 0 => {}
                Ok(person) => {
                    persons.push(person);
                    sent.push((line.file, line.number));
                }
                Err(problem) => self.refuse((line.file, line.number), &problem, "")?,
            }
        }
        Ok((persons, sent))
    }

    fn take(&mut self, answer: PeopleChanged, sent: Sent) -> anyhow::Result<()> {
        for (place, reason, key) in answer.rejects {
            self.refuse(sent.get(place).copied().unwrap_or_default(), &reason, &key)?;
        }
        self.at.position += sent.len() as u64;
        self.at.changed += u64::from(answer.changed);
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
        self.at.rejects = self.rejects.count;
        let beside = self.place.with_extension("saving");
        fs::write(&beside, serde_json::to_vec(&self.at)?)?;
        fs::rename(&beside, &self.place).with_context(|| self.place.display().to_string())
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        self.rejects.flush()?;
        self.bar.finish_and_clear();
        // Nothing is left to resume.
        let _gone = fs::remove_file(&self.place);
        let mut out = io::stdout().lock();
        let changed = count(self.at.changed, "id", "ids");
        let (persons, refused) = (in_number(self.at.position), self.rejects.count);
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

fn noted(place: &Path) -> anyhow::Result<Option<Noted>> {
    match fs::read(place) {
        Ok(text) => Ok(Some(
            serde_json::from_slice(&text)
                .with_context(|| format!("{}: delete it to begin anew", place.display()))?,
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| place.display().to_string()),
    }
}

/// Counts bytes of the files, which are known before they are read.
fn bar(bytes: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{wide_bar} {percent} % {msg}, {eta} left");
    ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
