//! Removes what is old: keys after some days, by rewriting their segments; the keys of who was erased; segments for their
//! age. On a thread of low priority, a fifth of the time at most.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tagbid_ports::Event;
use tagbid_runtime::{Drain, background};
use tagbid_types::{Clock, Timestamp};

use crate::dir::{segments, sync_directory};
use crate::error::ReadError;
use crate::format::{END_FRAME, FrameKind, HEADERS, Header, Step, Summary, step};
use crate::frames::{Frames, read_at};
use crate::log::{Shared, read, write};
use crate::options::Options;
use crate::recover::scan;
use crate::rewrite::{has_any, rewrite};

/// Between two passes.
const EVERY: Duration = Duration::from_secs(60);

/// A segment is busy for five times as long as it takes.
const REST: u32 = 4;

/// What a log does beside writing.
pub(crate) struct Upkeep {
    dir: PathBuf,
    keep: Option<Duration>,
    keep_keys: Duration,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
    /// What was hidden when a segment was last looked through for the keys of who was erased.
    looked: HashMap<u64, u64>,
}

impl Upkeep {
    pub(crate) fn new(dir: &Path, options: &Options, clock: Arc<dyn Clock>, shared: Arc<Shared>) -> Self {
        Self {
            dir: dir.to_owned(),
            keep: options.keep(),
            keep_keys: options.keep_keys(),
            clock,
            shared,
            looked: HashMap::new(),
        }
    }

    /// A pass a minute until the drain.
    pub(crate) async fn run(mut self, drain: Drain) {
        loop {
            let watched = drain.clone();
            let mut work = self;
            let passed = background("event-upkeep", move || {
                let passed = work.pass(|took| {
                    std::thread::sleep(took * REST);
                    watched.started()
                });
                (work, passed)
            });
            let Ok((work, passed)) = passed.await else {
                tracing::error!("the upkeep of the event log could not run; old keys and segments stay");
                return;
            };
            self = work;
            if let Err(error) = passed {
                tracing::error!(%error, "old keys or segments of the event log stay for now");
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = drain.wait() => return,
            }
        }
    }

    /// Looks at every segment that is written no more. `rested`, called with the time that one took, says whether to stop.
    pub(crate) fn pass(&mut self, rested: impl Fn(Duration) -> bool) -> Result<(), ReadError> {
        let now = self.clock.now();
        let files = segments(&self.dir).map_err(ReadError::io(&self.dir))?;
        let (count, mut bytes, mut deletes, mut kept, mut failed) = (files.len(), 0, true, 0, None);
        for (index, file) in files.iter().enumerate() {
            let began = Instant::now();
            let is_last = index + 1 == count;
            match self.one(&file.path, file.first, is_last, now, deletes) {
                Ok(Some(length)) => (bytes, deletes, kept) = (bytes + length, false, kept + 1),
                Ok(None) => {}
                // One that cannot be read keeps nobody from the others.
                Err(error) => (deletes, failed) = (false, Some(error)),
            }
            if rested(began.elapsed()) {
                return failed.map_or(Ok(()), Err);
            }
        }
        self.shared.totals.set_size(kept, bytes);
        if let Some(error) = failed {
            return Err(error);
        }
        let moment = self.shared.keyless_until();
        let mut erased = write(&self.shared.erased);
        erased.forget_until(moment).map_err(ReadError::io(&self.dir))?;
        self.shared.totals.set_hidden(erased.len(), erased.revision());
        Ok(())
    }

    /// One segment: its length, or none when it is deleted.
    fn one(
        &mut self,
        path: &Path,
        first: u64,
        is_last: bool,
        now: Timestamp,
        deletes: bool,
    ) -> Result<Option<u64>, ReadError> {
        let length = fs::metadata(path).map_err(ReadError::io(path))?.len();
        let Some(summary) = summary(path, is_last)? else { return Ok(Some(length)) };
        // The last one says where everything stands, and stays.
        let is_old = self.keep.is_some_and(|keep| summary.latest < before(now, keep));
        if deletes && is_old && !is_last {
            fs::remove_file(path).and_then(|()| sync_directory(&self.dir)).map_err(ReadError::io(path))?;
            self.shared.totals.deleted.inc();
            self.looked.remove(&first);
            return Ok(None);
        }
        if summary.has_keys && summary.earliest < before(now, self.keep_keys) {
            self.strip(path, |_| true)?;
        } else if summary.has_keys {
            self.strip_erased(path, first)?;
        }
        fs::metadata(path).map(|meta| Some(meta.len())).map_err(ReadError::io(path))
    }

    /// Removes the keys of who was erased since the segment was last looked at.
    fn strip_erased(&mut self, path: &Path, first: u64) -> Result<(), ReadError> {
        let (changes, whole) = {
            let erased = read(&self.shared.erased);
            (erased.changes(), erased.hidden().is_whole())
        };
        // While nobody knows who was erased, keys are hidden, not removed.
        if !whole || self.looked.get(&first).copied().unwrap_or(0) == changes {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let is_erased = move |event: &Event| {
            event.user.is_some_and(|user| read(&shared.erased).hidden().hides(&user.key, event.at))
        };
        if has_any(path, &is_erased)? {
            self.strip(path, is_erased)?;
        }
        self.looked.insert(first, changes);
        Ok(())
    }

    fn strip(&self, path: &Path, which: impl Fn(&Event) -> bool) -> Result<(), ReadError> {
        let done = rewrite(path, which)?;
        let totals = &self.shared.totals;
        totals.rewritten.inc();
        totals.keys_removed.add(done.keys);
        totals.damage.add(done.damage);
        if done.damage > 0 {
            tracing::error!(file = %path.display(), places = done.damage, "damaged: what stood there is lost to the event log");
        }
        tracing::info!(file = %path.display(), keys = done.keys, "segment rewritten without user keys");
        Ok(())
    }
}

fn before(now: Timestamp, span: Duration) -> Timestamp {
    Timestamp(now.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
}

/// The summary of a segment that is written no more; none of the one that is.
pub(crate) fn summary(path: &Path, is_last: bool) -> Result<Option<Summary>, ReadError> {
    let (frames, _) = Frames::open(path)?;
    if let Some((_, summary)) = end_of(&frames).map_err(ReadError::io(path))? {
        return Ok(Some(summary));
    }
    if is_last {
        return Ok(None);
    }
    // Its end is damaged.
    let scan = scan(path)?;
    Ok(Some(Summary { has_keys: scan.summary.has_keys || !scan.damage.is_empty(), ..scan.summary }))
}

/// The end of a segment that has one: the position behind it, and the summary.
pub(crate) fn end_of(frames: &Frames) -> io::Result<Option<(u64, Summary)>> {
    let Some(at) = frames.len()?.checked_sub(END_FRAME as u64).filter(|at| *at >= HEADERS as u64) else {
        return Ok(None);
    };
    let mut bytes = [0; END_FRAME];
    read_at(frames.file(), &mut bytes, at)?;
    let Header { salt, .. } = frames.header();
    Ok(match step(salt, &bytes) {
        Step::Whole { kind: FrameKind::End, position, payload } => {
            Summary::from_bytes(payload).map(|summary| (position, summary))
        }
        _ => None,
    })
}
