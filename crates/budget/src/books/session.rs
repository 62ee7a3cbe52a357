//! Lives of bidders: who may hold leases, and until when.

use tagbid_types::{MoneyError, Nanos, Timestamp};
use thiserror::Error;

use super::Books;
use crate::{Epoch, LeaseId, Pot, Second};

/// One life of a bidder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Until when its leases may be bid with, unless it is heard of again.
    pub valid_until: Timestamp,
    /// The watermark that the bidder has taken in: what was resolved before it need not be kept for it.
    pub applied: Second,
}

/// The session is over, or never was: the bidder has to begin a new one, and its leases are no longer its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the session is over: begin a new one")]
pub struct SessionOver;

/// What a bidder says at short intervals: that it lives, and how it stands. All of it absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beat {
    /// Whose.
    pub epoch: Epoch,
    /// The watermark that it has taken in.
    pub applied: Second,
    /// By lease: what is in holds now, and what was given back in all.
    pub leases: Vec<(LeaseId, Nanos, Nanos)>,
}

impl Books {
    /// Begins a life of a bidder. Another life of the same bidder ends by itself.
    pub fn open_session(&mut self, now: Timestamp) -> (Epoch, Session) {
        self.last_epoch = Epoch(self.last_epoch.0 + 1);
        let session = Session { valid_until: self.valid_from(now), applied: self.watermark };
        self.sessions.insert(self.last_epoch, session);
        self.changes.head = true;
        self.changes.sessions.insert(self.last_epoch);
        (self.last_epoch, session)
    }

    /// A session that is not over.
    pub fn session(&self, epoch: Epoch, now: Timestamp) -> Result<&Session, SessionOver> {
        self.sessions.get(&epoch).filter(|session| session.valid_until > now).ok_or(SessionOver)
    }

    /// Whether there is any session: one that is over stays until its leases are closed.
    pub fn has_sessions(&self) -> bool {
        !self.sessions.is_empty()
    }

    /// How many bidders there are.
    pub fn live_sessions(&self, now: Timestamp) -> usize {
        self.sessions.values().filter(|session| session.valid_until > now).count()
    }

    /// Takes in how a bidder stands and lets it go on. Leases that are not its own are left alone.
    pub fn beat(&mut self, beat: &Beat, now: Timestamp) -> Result<Session, SessionOver> {
        let mut session = *self.session(beat.epoch, now)?;
        session.valid_until = self.valid_from(now).max(session.valid_until);
        session.applied = session.applied.max(beat.applied).min(self.watermark);
        self.sessions.insert(beat.epoch, session);
        self.changes.sessions.insert(beat.epoch);
        for (id, held, returned) in &beat.leases {
            // What does not fit an account now will fit it, or be audited, later; the bidder's life does not hang on it.
            let _unchanged = self.take_back(beat.epoch, *id, *returned);
            let _unchanged = self.set_held(beat.epoch, *id, *held);
        }
        self.forget_buckets(beat.epoch, session.applied);
        Ok(session)
    }

    fn valid_from(&self, now: Timestamp) -> Timestamp {
        now.after(std::time::Duration::from_secs(self.terms.session_s.into()))
    }

    /// What the bidder gave back in all; less than it said before is an old message. Never more than it has.
    fn take_back(&mut self, epoch: Epoch, id: LeaseId, returned: Nanos) -> Result<(), MoneyError> {
        let Some(mut lease) = self.leases.get(&id).copied().filter(|lease| lease.epoch == epoch) else {
            return Ok(());
        };
        let more = returned.checked_sub(lease.returned)?.min(lease.outstanding());
        if more <= Nanos::ZERO {
            return Ok(());
        }
        // Holds that it does not have any more were resolved without our having heard of it.
        let held = lease.held.min(Nanos(lease.outstanding().0 - more.0));
        let resolved = Nanos(lease.held.0 - held.0);
        let accounts = lease.line.accounts(lease.day);
        self.post(&accounts, &[(Pot::Held, Pot::Leased, resolved), (Pot::Leased, Pot::Free, more)])?;
        (lease.returned, lease.held) = (Nanos(lease.returned.0 + more.0), held);
        self.write_lease(id, lease);
        Ok(())
    }

    fn set_held(&mut self, epoch: Epoch, id: LeaseId, held: Nanos) -> Result<(), MoneyError> {
        let Some(mut lease) = self.leases.get(&id).copied().filter(|lease| lease.epoch == epoch) else {
            return Ok(());
        };
        let held = held.clamp(Nanos::ZERO, lease.outstanding());
        let change = Nanos(held.0 - lease.held.0);
        let (from, to) =
            if change > Nanos::ZERO { (Pot::Leased, Pot::Held) } else { (Pot::Held, Pot::Leased) };
        if change == Nanos::ZERO {
            return Ok(());
        }
        self.post(&lease.line.accounts(lease.day), &[(from, to, Nanos(change.0.abs()))])?;
        lease.held = held;
        self.write_lease(id, lease);
        Ok(())
    }

    /// Drops what the bidder has taken in.
    fn forget_buckets(&mut self, epoch: Epoch, applied: Second) {
        let mine = |id: &LeaseId| self.leases.get(id).is_some_and(|lease| lease.epoch == epoch);
        let old = self.buckets.keys().filter(|(id, ends)| *ends <= applied && mine(id));
        let old: Vec<(LeaseId, Second)> = old.copied().collect();
        for key in old {
            self.buckets.remove(&key);
            self.changes.buckets.insert(key);
        }
    }

    /// Drops sessions that are over and have no lease left.
    pub(super) fn forget_sessions(&mut self, now: Timestamp) {
        let open: std::collections::BTreeSet<Epoch> = self.leases.values().map(|lease| lease.epoch).collect();
        let over = self
            .sessions
            .iter()
            .filter(|(epoch, session)| session.valid_until <= now && !open.contains(epoch));
        let over: Vec<Epoch> = over.map(|(epoch, _)| *epoch).collect();
        for epoch in over {
            self.sessions.remove(&epoch);
            self.changes.sessions.insert(epoch);
        }
    }
}
