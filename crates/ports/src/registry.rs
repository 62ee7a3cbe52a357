//! Which tags and datasets exist, what raw names mean, and whose they are.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use tagbid_catalog::{Dataset, Registry, RegistryEpoch, TagDefinition};
use tagbid_types::{DatasetId, Revision, TagId};
use thiserror::Error;

/// The registry as the catalog has it now. Answers at once, from memory.
pub trait TagRegistry: Send + Sync + 'static {
    /// The registry of this moment. Whoever handles a batch takes it once, so that the batch is checked against one state.
    fn now(&self) -> Arc<Registry>;

    /// Whether it shows a catalog. Until then it is empty, and that means nothing.
    fn heard(&self) -> bool {
        true
    }

    /// Another registry than this one, as soon as there is one; never where it does not change.
    fn after<'a>(&'a self, _seen: &'a Arc<Registry>) -> BoxFuture<'a, Arc<Registry>> {
        Box::pin(std::future::pending())
    }

    /// The tag, archived ones included; none: it was never defined.
    fn tag(&self, id: TagId) -> Option<Arc<TagDefinition>> {
        self.now().tag(id).cloned()
    }

    /// The dataset, archived ones included; none: it was never defined.
    fn dataset(&self, id: DatasetId) -> Option<Arc<Dataset>> {
        self.now().dataset(id).cloned()
    }
}

/// Most names in one question.
pub const MAX_NAMES: usize = 10_000;

/// Raw names that came for a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamesQuestion {
    /// The dataset.
    pub dataset: DatasetId,
    /// 1 to [`MAX_NAMES`], as they came.
    pub names: Vec<String>,
    /// Whether unknown ones become tags where the dataset's policy says so. False: nothing is changed.
    pub register: bool,
}

/// What they mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamesAnswer {
    /// One for each name, in their order.
    pub names: Vec<NameAnswer>,
    /// What the ids mean; whatever stores them carries it.
    pub epoch: RegistryEpoch,
    /// The catalog's revision with all of these tags: a registry that is older does not know some of them yet.
    pub revision: Revision,
}

/// What a name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NameAnswer {
    /// One tag.
    Known(TagId),
    /// A tag that this question made.
    Registered(TagId),
    /// One of these tags: at most 8.
    Ambiguous(Vec<TagId>),
    /// None, and no new one is wanted. These in other datasets of the same owner have it: at most 8.
    Unknown(Vec<TagId>),
    /// None, and the dataset has as many tags as it may register.
    OverLimit,
    /// It is no name; what is wrong with it.
    Invalid(String),
}

impl NameAnswer {
    /// The tag, where there is one.
    pub fn tag(&self) -> Option<TagId> {
        match self {
            Self::Known(id) | Self::Registered(id) => Some(*id),
            Self::Ambiguous(_) | Self::Unknown(_) | Self::OverLimit | Self::Invalid(_) => None,
        }
    }
}

/// Why names were not resolved: none of them was, and nothing was registered.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NamesError {
    /// The question cannot be answered, and asking again changes nothing.
    #[error("{0}")]
    Refused(String),
    /// The campaigns role could not be asked; the same question may be asked again.
    #[error("the campaigns role cannot be asked for names now: {0}")]
    Unavailable(String),
}

/// What raw names mean, asked of the campaigns role, which alone gives out ids. The same question again has the same ids in its
/// answer, whoever else asks at the time.
#[async_trait]
pub trait TagNames: Send + Sync + 'static {
    /// Resolves names, and registers those that are unknown where that is wanted.
    async fn resolve(&self, question: NamesQuestion) -> Result<NamesAnswer, NamesError>;
}

/// What became of tags that were given for a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagsUpserted {
    /// One for each tag, in their order.
    pub tags: Vec<(TagId, UpsertOutcome)>,
    /// What the ids mean.
    pub epoch: RegistryEpoch,
    /// The catalog's revision with all of these tags.
    pub revision: Revision,
}

/// What became of a tag that was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpsertOutcome {
    /// It is new.
    Created,
    /// It is what was given now.
    Updated,
    /// It was so already.
    Unchanged,
}
