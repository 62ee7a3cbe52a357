//! Faults that can be planted, to see that the simulation finds them.

/// One mistake that code like ours could have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bug {
    /// A bidder credits holds that are over twice.
    RecyclesTwice,
    /// A bidder takes in a watermark without what was resolved before it.
    SkipsResolved,
    /// A ledger bills a notice that it has billed before.
    BillsDuplicates,
    /// A bidder takes the answer to its question about a grant, told again, for more money.
    CreditsGrantsTwice,
    /// A bidder sends bids without looking whether its lease is still valid.
    IgnoresValidity,
    /// A ledger forgets to write an account that it changed.
    ForgetsAnAccount,
    /// A bidder lets a hold last as long as it has learnt, where its lease does not allow that.
    OutlivesItsLease,
    /// A bidder keeps the impressions of a bid in another second than its token says.
    EndsApart,
}

impl Bug {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::RecyclesTwice,
        Self::SkipsResolved,
        Self::BillsDuplicates,
        Self::CreditsGrantsTwice,
        Self::IgnoresValidity,
        Self::ForgetsAnAccount,
        Self::OutlivesItsLease,
        Self::EndsApart,
    ];
}
