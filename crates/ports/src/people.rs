//! Which ids are one person, told by those who see several of them together.

use async_trait::async_trait;
use tagbid_catalog::people::Id;
use thiserror::Error;

/// Most persons of one question.
pub const MAX_PERSONS: usize = 1_000;

/// Why links were not made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LinksError {
    /// The caller may not, or the question is none.
    #[error("links refused: {0}")]
    Refused(String),
    /// The campaigns role or its database does not answer: they may be told again.
    #[error("links cannot be kept now: {0}")]
    Unavailable(String),
}

/// Keeps links between ids.
#[async_trait]
pub trait PeopleLinks: Send + Sync + 'static {
    /// The ids of each entry are one person, durably when it answers; of each entry none, or why it changed nothing.
    /// Telling again what is known changes nothing.
    async fn link(&self, persons: Vec<Vec<Id>>) -> Result<Vec<Option<String>>, LinksError>;
}
