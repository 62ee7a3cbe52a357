//! Which requests a worker serves, by how long they waited for it.
//!
//! A worker has one thread and one queue, so how long a request waited for its turn is the whole truth about how
//! busy it is; limits by requests under way or by the gradient of latency (Vegas, as in Netflix's concurrency-limits)
//! guess at it, and take slow tags for a busy worker. Two bounds:
//!
//! - *Calm*: half of the time in which an answer is of use. Who waited longer could hardly be answered in time. A burst,
//!   or a stall of the machine, costs nobody an answer who can still have one.
//! - *A queue that stands* (all waits above a target for an interval): the target itself, until the queue is gone.
//!   Without this the worker would serve everybody at the edge of their deadline. So it serves as many, each of them soon:
//!   the queue is first in, first out, what is too old is turned away at a fraction of the price, and what follows is
//!   young.
//!
//! This is CoDel (RFC 8289: sojourn time, target, interval) as Maurer changed it for servers ("Fail at Scale", ACM
//! Queue 13(8), 2015): drop by the request's own wait, not by a control law, and leave only when the queue was empty.
//! DAGOR (Zhou and others, SoCC 2018) measures the same, and ranks requests by business priority, which ours do not tell before
//! they are parsed.

use std::time::Duration;

use tagbid_types::Monotonic;

/// When a wait is too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// Longest wait of requests that are served while a queue stands.
    pub target: Duration,
    /// For how long every wait has to be above the target until the queue counts as standing.
    pub interval: Duration,
}

impl Default for Patience {
    /// The interval is RFC 8289's. The target is a tenth of a usual `tmax`, and more than what 32 connections in closed loop
    /// wait for each other on a saturated core.
    fn default() -> Self {
        Self { target: Duration::from_millis(10), interval: Duration::from_millis(100) }
    }
}

/// A queue counts as gone when a wait is below this part of the target: in the middle of a queue that stands waits hover
/// around the target, and to leave it there would let it grow for another interval, again and again.
const GONE: u32 = 4;

/// A queue that was gone for less than so many intervals stands again as soon as a wait is above the target: overload that pauses for a
/// moment is the same overload. (CoDel, too, goes on where it was.)
const AGAIN: u32 = 8;

/// Why a request is turned away unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Why {
    /// It waited for half of the time in which an answer is of use.
    TooOld,
    /// It waited for longer than the target behind a queue that stands.
    Queue,
    /// As many as may be are under way.
    Full,
}

impl Why {
    /// All reasons.
    pub const ALL: [Self; 3] = [Self::TooOld, Self::Queue, Self::Full];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooOld => "too_old",
            Self::Queue => "queue",
            Self::Full => "full",
        }
    }
}

/// Judges the requests of one worker, in the order in which it comes to them.
#[derive(Clone, Copy, Debug)]
pub struct Admission {
    patience: Patience,
    /// The last judgement.
    last: Option<Monotonic>,
    /// Since when every wait was above the target.
    above_since: Option<Monotonic>,
    standing: bool,
    /// When a queue that stood was gone.
    gone_at: Option<Monotonic>,
}

impl Admission {
    /// One that has seen no request.
    pub fn new(patience: Patience) -> Self {
        Self { patience, last: None, above_since: None, standing: false, gone_at: None }
    }

    /// Whether to serve a request that arrived then and whose turn it is now. Its answer is of use for `usable` from its
    /// arrival on.
    pub fn judge(&mut self, arrival: Monotonic, now: Monotonic, usable: Duration) -> Result<(), Why> {
        let wait = now.since(arrival);
        self.watch(wait, arrival, now);
        if wait > usable / 2 {
            Err(Why::TooOld)
        } else if self.standing && wait > self.patience.target {
            Err(Why::Queue)
        } else {
            Ok(())
        }
    }

    /// Whether a queue stands.
    pub fn is_standing(&self) -> bool {
        self.standing
    }

    fn watch(&mut self, wait: Duration, arrival: Monotonic, now: Monotonic) {
        // Who was judged after this one came stood before it. If nobody was, something else held the worker up.
        let queued = self.last.is_some_and(|last| last >= arrival);
        self.last = Some(now);
        let Patience { target, interval } = self.patience;
        if !queued || wait <= target / GONE {
            self.gone_at = if self.standing { Some(now) } else { self.gone_at };
            (self.above_since, self.standing) = (None, false);
        } else if wait > target {
            let since = *self.above_since.get_or_insert(now);
            let again = self.gone_at.is_some_and(|gone| now.since(gone) < interval * AGAIN);
            self.standing |= again || now.since(since) >= interval;
        } else if !self.standing {
            self.above_since = None;
        }
    }
}
