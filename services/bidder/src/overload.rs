//! Requests that are turned away unread because there is no time for them: see `tagbid_runtime::overload`.

use std::rc::Rc;

use tagbid_runtime::overload::{Gate, Place, Why};
use tagbid_types::{ExchangeName, Monotonic, NoBidReason};

use crate::worker::Worker;

impl Worker {
    /// Whether there is time for a request that arrived then: asked before it is read. One in the name of an unknown exchange
    /// is refused by that name later.
    pub(crate) fn has_time(&self, exchange: &ExchangeName, arrival: Monotonic) -> Result<(), Why> {
        match self.options().exchanges.get(exchange) {
            Some(settings) => self.gate().admit(arrival, settings.usable()),
            None => Ok(()),
        }
    }

    /// A place among the requests under way, asked for when the request is here: a peer that sends slowly must not take one.
    pub(crate) fn enter(&self) -> Result<Place, Why> {
        Gate::enter(self.gate())
    }

    /// Counts a request that is turned away.
    pub(crate) fn count_shed(&self, why: Why) {
        self.count_refusal(NoBidReason::Overload);
        self.metrics().shed(why).inc();
    }

    pub(crate) fn gate(&self) -> &Rc<Gate> {
        &self.gate
    }
}
