//! What notices do to money and impressions. Each is told once: whoever calls knows which notices of a bid came before.

use tagbid_types::{BudgetDay, MoneyError, Nanos};

use super::Books;
use crate::{AccountId, Epoch, Lease, LeaseId, Line, Pot, Second, Unit};

/// A bid that is billed for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Charge {
    /// The hold that was made for the bid.
    pub hold: Release,
    /// What it costs; the hold at most.
    pub amount: Nanos,
    /// Whether a notice has released the hold before: the bidder may have used it again.
    pub released: bool,
}

/// A hold: of a bid that is billed, or is known to have lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// The lease; 0: the line item had no limit when the bid was made.
    pub lease: LeaseId,
    /// The life of the bidder that bid.
    pub epoch: Epoch,
    /// For what.
    pub line: Line,
    /// Of what.
    pub unit: Unit,
    /// The day that the bid belongs to.
    pub day: BudgetDay,
    /// What was held.
    pub amount: Nanos,
    /// When the hold ends.
    pub until: Second,
}

impl Release {
    /// The accounts that it is of.
    fn accounts(&self) -> [AccountId; 6] {
        self.line.accounts(self.unit, self.day)
    }
}

/// Out of what a bid was paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Its hold.
    Hold,
    /// What was free: its hold was over.
    Free,
    /// What was free, although its hold is open: the bidder has used more than its lease. Never, unless a bidder is wrong.
    Overdrawn,
    /// What is free, all of it where there is no limit: there was none when it was made.
    Unlimited,
}

/// What a billing cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// What the advertiser is billed; impressions that count as delivered.
    pub spent: Nanos,
    /// What the advertiser is not billed, because it would be above a budget; impressions above a capacity.
    pub uncovered: Nanos,
    /// Out of what.
    pub source: Source,
}

impl Books {
    /// Bills a bid: out of its hold while that is open, else out of what is free in all of its accounts, and never more.
    pub fn settle(&mut self, charge: &Charge) -> Result<Settled, MoneyError> {
        let Charge { hold, amount, released } = charge;
        if hold.lease == LeaseId(0) {
            return self.spend_free(hold, *amount, Source::Unlimited);
        }
        match self.open_hold(hold).filter(|_| !released) {
            Some(lease) if *amount <= hold.amount && *amount <= lease.outstanding() => {
                self.spend_held(hold, *amount, lease)
            }
            Some(_) => self.spend_free(hold, *amount, Source::Overdrawn),
            None => self.spend_free(hold, *amount, Source::Free),
        }
    }

    /// Gives the hold of a bid that lost back to its bidder; false: it was over already, and nothing changed. A bid that was
    /// billed is not released.
    pub fn release(&mut self, hold: &Release) -> Result<bool, MoneyError> {
        let Some(mut lease) = self.open_hold(hold) else { return Ok(false) };
        let mut bucket = self.bucket(hold.lease, hold.until);
        bucket.released = bucket.released.checked_add(hold.amount)?;
        let resolved = lease.held.min(hold.amount);
        self.post(&hold.accounts(), &[(Pot::Held, Pot::Leased, resolved)])?;
        lease.held = lease.held.checked_sub(resolved)?;
        self.write_bucket(hold, bucket);
        self.write_lease(hold.lease, lease);
        Ok(true)
    }

    /// The lease, if the hold can still be open under it.
    fn open_hold(&self, hold: &Release) -> Option<Lease> {
        let lease = *self.leases.get(hold.lease)?;
        let same =
            (lease.epoch, lease.line, lease.unit, lease.day) == (hold.epoch, hold.line, hold.unit, hold.day);
        let open = hold.until > self.watermark && hold.until <= self.closes(&lease);
        (same && open && hold.amount >= Nanos::ZERO).then_some(lease)
    }

    fn spend_held(&mut self, hold: &Release, amount: Nanos, mut lease: Lease) -> Result<Settled, MoneyError> {
        let mut bucket = self.bucket(hold.lease, hold.until);
        bucket.settled = bucket.settled.checked_add(hold.amount)?;
        bucket.charged = bucket.charged.checked_add(amount)?;
        // The bidder may not have said yet that it holds this.
        let resolved = lease.held.min(hold.amount);
        let moves = [(Pot::Held, Pot::Leased, resolved), (Pot::Leased, Pot::Spent, amount)];
        self.post(&hold.accounts(), &moves)?;
        lease.held = lease.held.checked_sub(resolved)?;
        lease.charged = lease.charged.checked_add(amount)?;
        self.write_bucket(hold, bucket);
        self.write_lease(hold.lease, lease);
        Ok(Settled { spent: amount, uncovered: Nanos::ZERO, source: Source::Hold })
    }

    fn spend_free(&mut self, hold: &Release, amount: Nanos, source: Source) -> Result<Settled, MoneyError> {
        let accounts = hold.accounts();
        let (free, _) = self.available(&accounts);
        let spent = amount.min(free);
        self.post(&accounts, &[(Pot::Free, Pot::Spent, spent)])?;
        Ok(Settled { spent, uncovered: amount.checked_sub(spent)?, source })
    }

    fn write_bucket(&mut self, hold: &Release, bucket: crate::Bucket) {
        self.buckets.insert(hold.epoch, hold.lease, hold.until, bucket);
        self.changes.buckets.insert((hold.lease, hold.until));
    }
}
