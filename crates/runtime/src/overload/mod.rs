//! What a worker does when more comes than it can serve: it turns away what has waited too long, before reading it,
//! and goes on serving the rest in time. One [`Gate`] a worker; what it decides is computed in [`Admission`] and
//! [`Share`], which know no clock.

mod admission;
mod share;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tagbid_types::{Clock, Monotonic};

pub use admission::{Admission, Patience, Why};
pub use share::Share;

/// How a worker guards its time.
#[derive(Clone, Copy, Debug)]
pub struct GateOptions {
    /// Which waits are too long.
    pub patience: Patience,
    /// Requests under way at once.
    pub under_way: usize,
    /// Percent of the worker's time for what runs in the background, while requests wait.
    pub background_percent: u32,
}

impl Default for GateOptions {
    fn default() -> Self {
        Self { patience: Patience::default(), under_way: 1_024, background_percent: 25 }
    }
}

/// The gate of one worker: what comes in, and how much of its time background work gets.
pub struct Gate {
    clock: Arc<dyn Clock>,
    admission: Cell<Admission>,
    share: Cell<Share>,
    /// Until when requests count as waiting.
    pressed_until: Cell<Monotonic>,
    under_way: Cell<usize>,
    options: GateOptions,
}

impl Gate {
    /// A gate that nobody has come to yet.
    pub fn new(clock: Arc<dyn Clock>, options: GateOptions) -> Rc<Self> {
        let now = clock.monotonic();
        Rc::new(Self {
            admission: Cell::new(Admission::new(options.patience)),
            share: Cell::new(Share::new(options.background_percent, now)),
            pressed_until: Cell::new(now),
            under_way: Cell::new(0),
            clock,
            options,
        })
    }

    /// Whether a request that arrived then, and is of use for `usable` from then on, is to be served now.
    pub fn admit(&self, arrival: Monotonic, usable: Duration) -> Result<(), Why> {
        let now = self.clock.monotonic();
        let mut admission = self.admission.get();
        let verdict = admission.judge(arrival, now, usable);
        self.admission.set(admission);
        if now.since(arrival) > self.options.patience.target {
            self.pressed_until.set(now.after(self.options.patience.interval));
        }
        verdict
    }

    /// A place among the requests under way; it is free again when dropped.
    pub fn enter(self: &Rc<Self>) -> Result<Place, Why> {
        let under_way = self.under_way.get();
        if under_way >= self.options.under_way {
            return Err(Why::Full);
        }
        self.under_way.set(under_way + 1);
        Ok(Place(Rc::clone(self)))
    }

    /// How long background work has to wait before it may take in more; none: it may now.
    pub(crate) fn background_wait(&self) -> Option<Duration> {
        let now = self.clock.monotonic();
        if now >= self.pressed_until.get() {
            return None;
        }
        let mut share = self.share.get();
        let wait = share.wait(now);
        self.share.set(share);
        wait
    }

    /// Runs a piece of work and, if it turns out to have been background work, takes its time out of that share.
    pub(crate) fn meter<T>(&self, work: impl FnOnce() -> T, was_background: impl FnOnce() -> bool) -> T {
        let begun = self.clock.monotonic();
        let done = work();
        if was_background() {
            let ended = self.clock.monotonic();
            let mut share = self.share.get();
            share.spend(ended.since(begun), ended);
            self.share.set(share);
        }
        done
    }
}

/// A request under way.
pub struct Place(Rc<Gate>);

impl Drop for Place {
    fn drop(&mut self) {
        let under_way = &self.0.under_way;
        under_way.set(under_way.get().saturating_sub(1));
    }
}
