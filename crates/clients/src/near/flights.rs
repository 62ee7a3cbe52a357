//! Questions under way: who asks, and who waits for their answer.

use std::collections::HashMap;

use ahash::RandomState;
use tagbid_ports::{Datasets, LookupRequest};

use super::{Who, who};

/// Most that wait for one question: beyond them somebody asks for themselves.
pub(super) const MAX_WAITERS: usize = 64;

/// What becomes of somebody who asks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Boarded {
    /// Asks, and others may wait for the answer.
    Leads,
    /// Waits; the reply was taken.
    Joined,
    /// Asks for themselves: who asks already asks for less, or too many wait.
    Alone,
}

#[derive(Debug)]
struct Flight<R> {
    frequency: bool,
    datasets: Datasets,
    waiters: Vec<R>,
}

/// At most one for each question that the worker has in hand.
#[derive(Debug)]
pub(super) struct Flights<R>(HashMap<Who, Flight<R>, RandomState>);

impl<R> Default for Flights<R> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<R> Flights<R> {
    /// Somebody asks; `reply` is where the answer of another goes.
    pub(super) fn board(&mut self, request: &LookupRequest, reply: R) -> Boarded {
        let LookupRequest { frequency, datasets, .. } = *request;
        let Some(flight) = self.0.get_mut(&who(request)) else {
            self.0.insert(who(request), Flight { frequency, datasets, waiters: Vec::new() });
            return Boarded::Leads;
        };
        let suffices = flight.datasets.covers(&datasets) && (flight.frequency || !frequency);
        if !suffices || flight.waiters.len() >= MAX_WAITERS {
            return Boarded::Alone;
        }
        flight.waiters.push(reply);
        Boarded::Joined
    }

    /// The question has ended; who waits for it.
    pub(super) fn land(&mut self, who: &Who) -> Vec<R> {
        self.0.remove(who).map(|flight| flight.waiters).unwrap_or_default()
    }
}
