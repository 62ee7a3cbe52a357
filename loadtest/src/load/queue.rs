//! Requests that are due, for whichever connection is free next. On one thread.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// A request to send.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    /// Its number.
    pub(super) number: u64,
    /// When it is to be sent.
    pub(super) at: Instant,
    /// The same on the clock of what is measured; none in the warm-up.
    pub(super) measured: Option<Duration>,
}

/// Bounded by what is unanswered: waiting here or under way.
pub(super) struct Queue {
    waiting: RefCell<VecDeque<Due>>,
    outstanding: Cell<usize>,
    most: usize,
    closed: Cell<bool>,
    ready: Notify,
}

impl Queue {
    pub(super) fn new(most: usize) -> Self {
        Self {
            waiting: RefCell::default(),
            outstanding: Cell::new(0),
            most,
            closed: Cell::new(false),
            ready: Notify::new(),
        }
    }

    /// False, and the request dropped, when too many are unanswered.
    pub(super) fn push(&self, due: Due) -> bool {
        if self.outstanding.get() >= self.most {
            return false;
        }
        self.outstanding.set(self.outstanding.get() + 1);
        self.waiting.borrow_mut().push_back(due);
        self.ready.notify_one();
        true
    }

    /// The next request; none when there will be none.
    pub(super) async fn next(&self) -> Option<Due> {
        loop {
            if let Some(due) = self.waiting.borrow_mut().pop_front() {
                return Some(due);
            }
            if self.closed.get() {
                return None;
            }
            self.ready.notified().await;
        }
    }

    /// What was taken is answered, or never will be.
    pub(super) fn done(&self) {
        self.outstanding.set(self.outstanding.get().saturating_sub(1));
    }

    /// Requests unanswered.
    pub(super) fn outstanding(&self) -> usize {
        self.outstanding.get()
    }

    /// Nothing more is due.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.ready.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(number: u64) -> Due {
        Due { number, at: Instant::now(), measured: None }
    }

    #[tokio::test]
    async fn what_is_unanswered_is_bounded_and_what_was_taken_in_is_given_out() {
        let queue = Queue::new(2);
        assert_eq!([queue.push(due(0)), queue.push(due(1)), queue.push(due(2))], [true, true, false]);
        assert_eq!(queue.next().await.map(|due| due.number), Some(0));
        assert!(!queue.push(due(3)), "taken is not answered");
        queue.done();
        assert!(queue.push(due(4)));
        queue.close();
        assert_eq!(queue.next().await.map(|due| due.number), Some(1));
        assert_eq!(queue.next().await.map(|due| due.number), Some(4));
        assert!(queue.next().await.is_none());
    }
}
