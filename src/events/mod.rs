//! `tagbid events cat|tail|export`: what is in an event log, for people, jq and Parquet.

mod columns;
mod json;
mod parquet;
mod select;

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use clap::Subcommand;
use tagbid_eventlog::{Item, Logged, Options, Reader, Start};
use tagbid_runtime::SystemClock;
use tagbid_types::{Clock, Timestamp};

use select::Selection;

use crate::out::{out, unless_closed};

/// Between two looks of a tail at the log.
const LOOK: Duration = Duration::from_millis(200);

/// Commands about the event log. They read the files, so they run where these are; the process that writes them may run. What
/// cannot be read is told on the standard error, and makes the exit code 1.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print events as lines of JSON, oldest first.
    Cat {
        #[command(flatten)]
        selection: Selection,
    },
    /// Print events as they come, until ctrl-c; with --from, what is there first.
    Tail {
        #[command(flatten)]
        selection: Selection,
    },
    /// Write events to a file.
    Export {
        #[command(flatten)]
        selection: Selection,
        /// The Parquet file to write; it must not exist. Its columns are the members of the JSON.
        #[arg(long, value_name = "OUT")]
        parquet: PathBuf,
    },
}

/// Runs a command. `options`: where this machine's own log is.
pub(crate) fn run(command: Command, options: &Options) -> anyhow::Result<ExitCode> {
    let now = SystemClock.now();
    match command {
        Command::Cat { selection } => {
            let mut log = Log::open(&selection, options, now, Start::First)?;
            let mut out = BufWriter::new(out());
            let printed = log.each(|event| json::line(event, &mut out));
            unless_closed(printed.and_then(|()| Ok(out.flush()?)))?;
            log.end()
        }
        Command::Tail { selection } => {
            let start = if selection.has_from() { Start::First } else { Start::End };
            let log = Log::open(&selection, options, now, start)?;
            unless_closed(tail(log))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Export { selection, parquet } => export(&selection, options, now, &parquet),
    }
}

/// A log that is read, and what of it could not be.
struct Log {
    reader: Reader,
    damaged: u64,
}

impl Log {
    fn open(selection: &Selection, options: &Options, now: Timestamp, start: Start) -> anyhow::Result<Self> {
        let dir = selection.dir().or(options.dir.as_deref());
        let dir =
            dir.ok_or_else(|| anyhow!("which event log? Name its directory with --dir, or set events.dir"))?;
        let kept = i64::try_from(options.keep_keys().as_micros()).unwrap_or(i64::MAX);
        let keys_from = Timestamp(now.0.saturating_sub(kept));
        let reader = Reader::open(dir, selection.query(now), start, keys_from)?;
        Ok(Self { reader, damaged: 0 })
    }

    /// Hands over all events that there are now.
    fn each(&mut self, mut take: impl FnMut(&Logged) -> anyhow::Result<()>) -> anyhow::Result<()> {
        while let Some(item) = self.reader.read()? {
            match item {
                Item::Event(event) => take(&event)?,
                Item::Damage(damage) => {
                    self.damaged += 1;
                    complain(format_args!("{damage}"));
                }
            }
        }
        Ok(())
    }

    /// Whether everything could be read.
    fn end(&self) -> anyhow::Result<ExitCode> {
        if self.reader.left() > 0 {
            complain(format_args!(
                "the last {} bytes are no whole record: one is being written, or the end is torn and will be cut when \
                 the log is opened",
                self.reader.left()
            ));
        }
        ensure!(
            self.damaged == 0,
            "{} places of the event log could not be read; the rest was",
            self.damaged
        );
        Ok(ExitCode::SUCCESS)
    }
}

fn tail(mut log: Log) -> anyhow::Result<()> {
    let mut out = BufWriter::new(out());
    loop {
        log.each(|event| json::line(event, &mut out))?;
        out.flush()?;
        std::thread::sleep(LOOK);
    }
}

fn export(
    selection: &Selection,
    options: &Options,
    now: Timestamp,
    to: &std::path::Path,
) -> anyhow::Result<ExitCode> {
    ensure!(!to.exists(), "--parquet {}: it exists; name another file, or remove it", to.display());
    let mut log = Log::open(selection, options, now, Start::First)?;
    let named = || format!("--parquet {}", to.display());
    let mut file = parquet::File::create(to).with_context(named)?;
    log.each(|event| file.add(event).with_context(named))?;
    let rows = file.finish().with_context(named)?;
    writeln!(out(), "{rows} events in {}", to.display())?;
    log.end()
}

fn complain(problem: std::fmt::Arguments<'_>) {
    // Standard error is the last resort.
    let _ = writeln!(io::stderr(), "tagbid: {problem}");
}
