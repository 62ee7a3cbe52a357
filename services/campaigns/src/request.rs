//! What callers ask, in plain types.

use tagbid_catalog::{Entity, EntityKey, EntityKind, Report};
use tagbid_types::AdvertiserId;

use crate::error::CampaignsError;

/// An entity as a caller wants it, with the problems found while it was read.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// None when so much is missing that nothing could be made of it.
    pub(crate) entity: Option<Entity>,
    /// Problems so far, under the kind's name.
    pub(crate) report: Report,
}

impl Draft {
    /// One without problems so far.
    pub(crate) fn of(entity: impl Into<Entity>) -> Self {
        let entity = entity.into();
        Self { report: Report::on(entity.kind().as_str()), entity: Some(entity) }
    }
}

/// A changed entity, and the fields that the caller named.
#[derive(Clone, Debug)]
pub(crate) struct Revised {
    /// The new state.
    pub(crate) draft: Draft,
    /// For the audit log.
    pub(crate) fields: Vec<String>,
}

/// Makes the new state of an entity from the one that is stored.
pub(crate) type Revise<'a> = &'a (dyn Fn(&Entity) -> Result<Revised, CampaignsError> + Sync);

/// A request that must happen only once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// The caller's id for it.
    pub request_id: String,
    /// SHA-256 of what is asked, the id left out.
    pub digest: String,
}

/// A page of a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Page {
    /// In the order of creation.
    pub(crate) entities: Vec<Entity>,
    /// Id to go on after; none after the last page.
    pub(crate) next: Option<u64>,
}

/// Which entities a caller wants to see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// Of this kind.
    pub(crate) kind: EntityKind,
    /// Of this advertiser; none: of all within reach.
    pub(crate) advertiser: Option<AdvertiserId>,
    /// Below this one: a line item's campaign, a tag's dataset.
    pub(crate) parent: Option<EntityKey>,
    /// Archived ones too.
    pub(crate) archived: bool,
    /// With ids above this.
    pub(crate) after: u64,
    /// At most so many.
    pub(crate) limit: u32,
}
