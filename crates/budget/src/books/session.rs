//! Lives of bidders: who may hold leases, and until when.

use tagbid_types::{MoneyError, Nanos, Timestamp};
use thiserror::Error;

use super::Books;
use crate::pace::Want;
use crate::{Epoch, Lease, LeaseId, Pot, Second};

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
    /// Leases that stand otherwise than the ledger has been heard to know.
    pub leases: Vec<Stand>,
    /// What its bids want, for their pace.
    pub wants: Vec<Want>,
    /// The version of [`HoldLives`](crate::life::HoldLives) that it has heard; 0: none in this session.
    pub lives: u64,
}

/// How one lease stands with its bidder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stand {
    /// Which one.
    pub lease: LeaseId,
    /// In holds now.
    pub held: Nanos,
    /// Given back in all.
    pub returned: Nanos,
    /// Set by a bidder that bids no more with it: when the last of its holds ends. It is closed then, instead of when the
    /// longest hold could have ended that the bidder might still have made.
    pub last_end: Option<Second>,
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

    /// Takes in how a bidder stands and lets it go on. Leases that are not its own are left alone. Where its session is over
    /// that stays so, and its last words are taken in all the same: what it does not bid with any more waits for its last
    /// hold, and not for the longest that it might have made.
    pub fn beat(&mut self, beat: &Beat, now: Timestamp) -> Result<Session, SessionOver> {
        let mut session = match self.session(beat.epoch, now) {
            Ok(session) => *session,
            Err(over) => {
                self.take_in(beat.epoch, beat.leases.iter().filter(|stand| stand.last_end.is_some()), now);
                return Err(over);
            }
        };
        session.valid_until = self.valid_from(now).max(session.valid_until);
        session.applied = session.applied.max(beat.applied).min(self.watermark);
        self.sessions.insert(beat.epoch, session);
        self.changes.sessions.insert(beat.epoch);
        self.take_in(beat.epoch, &beat.leases, now);
        self.forget_buckets(beat.epoch, session.applied);
        Ok(session)
    }

    fn take_in<'s>(&mut self, epoch: Epoch, stands: impl IntoIterator<Item = &'s Stand>, now: Timestamp) {
        for stand in stands {
            // What does not fit an account now will fit it, or be audited, later; the bidder's life does not hang on it.
            let _unchanged = self.take_back(epoch, stand.lease, stand.returned);
            let _unchanged = self.set_held(epoch, stand.lease, stand.held);
            if let Some(last_end) = stand.last_end {
                self.end_lease(epoch, stand.lease, last_end, now);
            }
        }
    }

    fn valid_from(&self, now: Timestamp) -> Timestamp {
        now.after(std::time::Duration::from_secs(self.terms.session_s.into()))
    }

    /// What the bidder gave back in all; less than it said before is an old message. Never more than it has.
    fn take_back(&mut self, epoch: Epoch, id: LeaseId, returned: Nanos) -> Result<(), MoneyError> {
        let Some(mut lease) = self.lease_of(epoch, id) else {
            return Ok(());
        };
        let more = returned.checked_sub(lease.returned)?.min(lease.outstanding());
        if more <= Nanos::ZERO {
            return Ok(());
        }
        // Holds that it does not have any more were resolved without our having heard of it.
        let held = lease.held.min(Nanos(lease.outstanding().0 - more.0));
        let resolved = Nanos(lease.held.0 - held.0);
        let accounts = lease.accounts();
        self.post(&accounts, &[(Pot::Held, Pot::Leased, resolved), (Pot::Leased, Pot::Free, more)])?;
        (lease.returned, lease.held) = (Nanos(lease.returned.0 + more.0), held);
        self.write_lease(id, lease);
        Ok(())
    }

    fn set_held(&mut self, epoch: Epoch, id: LeaseId, held: Nanos) -> Result<(), MoneyError> {
        let Some(mut lease) = self.lease_of(epoch, id) else {
            return Ok(());
        };
        let held = held.clamp(Nanos::ZERO, lease.outstanding());
        let change = Nanos(held.0 - lease.held.0);
        let (from, to) =
            if change > Nanos::ZERO { (Pot::Leased, Pot::Held) } else { (Pot::Held, Pot::Leased) };
        if change == Nanos::ZERO {
            return Ok(());
        }
        self.post(&lease.accounts(), &[(from, to, Nanos(change.0.abs()))])?;
        lease.held = held;
        self.write_lease(id, lease);
        Ok(())
    }

    /// Nothing is bid with it any more: it ends now, and its last hold then.
    fn end_lease(&mut self, epoch: Epoch, id: LeaseId, last_end: Second, now: Timestamp) {
        let Some(mut lease) = self.lease_of(epoch, id) else { return };
        let session = self.sessions.get(&epoch);
        let ended = session.map_or(now, |session| session.valid_until.min(now));
        // By the bidder's estimate of our time, which is ahead of it, its last hold may be longer than any from now.
        let last_end = last_end.min(self.closes(&lease));
        lease.day_ends = lease.day_ends.min(ended);
        let left = last_end.0.saturating_sub(Second::at_or_after(lease.day_ends).0);
        lease.longest_hold_s = u32::try_from(left.max(0)).unwrap_or(u32::MAX);
        self.write_lease(id, lease);
    }

    fn lease_of(&self, epoch: Epoch, id: LeaseId) -> Option<Lease> {
        self.leases.get(id).copied().filter(|lease| lease.epoch == epoch)
    }

    /// Drops what the bidder has taken in.
    fn forget_buckets(&mut self, epoch: Epoch, applied: Second) {
        let mine = self.leases.of_epoch(epoch);
        let old = mine.flat_map(|(id, _)| self.buckets.of(id, applied).map(move |(ends, _)| (id, ends)));
        let old: Vec<(LeaseId, Second)> = old.collect();
        for (id, ends) in old {
            self.buckets.remove(id, ends);
            self.changes.buckets.insert((id, ends));
        }
    }

    /// Drops sessions that are over and have no lease left.
    pub(super) fn forget_sessions(&mut self, now: Timestamp) {
        let over = self.sessions.iter().filter(|(epoch, session)| {
            session.valid_until <= now && self.leases.of_epoch(**epoch).next().is_none()
        });
        let over: Vec<Epoch> = over.map(|(epoch, _)| *epoch).collect();
        for epoch in over {
            self.sessions.remove(&epoch);
            self.changes.sessions.insert(epoch);
        }
    }
}
