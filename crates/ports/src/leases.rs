//! Leases: what a bidder asks of the ledger. The words are those of `tagbid_budget`, whose two halves talk through this.

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use tagbid_budget::life::HoldLives;
use tagbid_budget::pace::Rate;
use tagbid_budget::{Ask, Beat, Epoch, Grant, Refusal, Second, SessionOver, Update};
use tagbid_types::{LineItemId, Timestamp};
use thiserror::Error;

/// A session has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Its number.
    pub epoch: Epoch,
    /// For how long a bidder may go on without an answer to a beat, in seconds.
    pub session_s: u32,
    /// The ledger's time, read after the question was sent.
    pub told: Timestamp,
    /// Holds that ended by then are none of this session's.
    pub watermark: Second,
}

/// The session goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beaten {
    /// For how long the bidder may now go on without an answer to a beat, in seconds.
    pub session_s: u32,
    /// The ledger's time, read after the question was sent.
    pub told: Timestamp,
    /// How fast line items may bid, until the next is heard; those that are left out go on as they do.
    pub rates: Vec<(LineItemId, Rate)>,
    /// How long holds last, as far as it is learnt: all of it; none: as the bidder has heard already.
    pub lives: Option<HoldLives>,
}

/// Why the ledger did not do it. The same call may be made again: all of them carry sums.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LeaseError {
    /// A new session has to be begun.
    #[error("{0}")]
    Over(#[from] SessionOver),
    /// It could not be asked, or its database does not answer.
    #[error("the ledger cannot be asked now: {0}")]
    Unavailable(String),
    /// The call is wrong.
    #[error("{0}")]
    Refused(String),
}

/// Gives money to bid with. What it has answered is durable.
#[async_trait]
pub trait LeaseSource: Send + Sync + 'static {
    /// Begins a session.
    async fn open(&self) -> Result<Opened, LeaseError>;

    /// Says how a bidder stands, and that it lives.
    async fn beat(&self, beat: Beat) -> Result<Beaten, LeaseError>;

    /// Asks for money; one answer for each, in their order.
    async fn acquire(&self, asks: Vec<Ask>) -> Result<Vec<Result<Grant, Refusal>>, LeaseError>;

    /// What becomes of a session's holds: at once as things stand, and again whenever that changes. Ends with an error.
    fn follow(&self, epoch: Epoch) -> BoxStream<'static, Result<Update, LeaseError>>;
}
