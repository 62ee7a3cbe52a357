//! How often users were shown something: written by the ledger, kept by the tags role, read with each lookup.

use async_trait::async_trait;
use tagbid_tagset::UserKey;
use tagbid_tagset::frequency::{Counted, Horizon};
use tagbid_types::Timestamp;
use thiserror::Error;

/// Most impressions in one call.
pub const MAX_IMPRESSIONS: usize = 1_000;

/// Most entities that one impression is counted for.
pub const MAX_COUNTED: usize = 8;

/// One impression to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Impression {
    /// Who saw it.
    pub user: UserKey,
    /// Identity of the event: the same one is counted once.
    pub event: u128,
    /// When it was seen.
    pub at: Timestamp,
    /// What is counted, 1 to [`MAX_COUNTED`], each once: line item, campaign, advertiser.
    pub counted: Vec<Counted>,
    /// How far back caps look at them; those that are not named no cap counts.
    pub capped: Vec<(Counted, Horizon)>,
}

/// What became of an impression. All but [`CountOutcome::Later`] are final.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CountOutcome {
    /// It counts from now on.
    Counted,
    /// It did already.
    Repeated,
    /// Nothing is kept of this user.
    Suppressed,
    /// It can never be counted; what is wrong with it.
    Refused(String),
    /// It is not counted; the same impression may be sent again, and has to be.
    Later(String),
}

/// Why none of the impressions of a call is known to be counted: all of them may be sent again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CountError {
    /// The call itself is wrong.
    #[error("{0}")]
    Refused(String),
    /// The tags role could not be asked.
    #[error("the tags role cannot be told of impressions now: {0}")]
    Unavailable(String),
}

/// Counts impressions. Who calls keeps an impression until its outcome is final, and has one call under way at a time: then
/// each is counted exactly once, however often calls are repeated.
#[async_trait]
pub trait ImpressionCounter: Send + Sync + 'static {
    /// Counts impressions, at most [`MAX_IMPRESSIONS`]; one outcome for each, in their order. What is counted is durable and in
    /// every lookup that begins afterwards.
    async fn count(&self, impressions: Vec<Impression>) -> Result<Vec<CountOutcome>, CountError>;
}
