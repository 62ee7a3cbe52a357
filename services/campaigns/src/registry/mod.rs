//! Names of tags, and tags by the thousand.
//!
//! Every process keeps the registry compiled in memory. Whoever is about to write takes the catalog's lock first, brings the
//! registry up to the lock's moment, and decides on that: nobody else can give out an id or a name until the commit. So a
//! name is registered once, whoever asks for it at the same time in whichever process.

mod names;
mod upsert;

use std::sync::Arc;

use tagbid_catalog::{Dataset, Entity, Registry};
use tagbid_types::{AdvertiserId, DatasetId, Revision, TagId};

use crate::catalog::Core;
use crate::error::CampaignsError;
use crate::store::{Session, StoreError, changes, entities};

pub(crate) use upsert::Given;

/// Changes read at once while catching up: more than are kept.
const ALL: u32 = u32::MAX;

impl Core {
    /// The registry as a session sees it, and the catalog's revision at that moment.
    pub(crate) async fn registry_at(
        &self,
        session: &mut dyn Session,
    ) -> Result<(Registry, Revision), StoreError> {
        let (mut registry, have) = self.hub.registry();
        let revision = Revision(entities::counter(session, "revision").await?);
        if have == revision {
            return Ok((registry, revision));
        }
        let missed = match have < revision {
            true => changes::after(session, have, ALL).await?,
            false => None,
        };
        match missed {
            Some(changes) => changes.iter().for_each(|change| registry.put(&change.entity)),
            None => registry = Registry::of(&entities::snapshot(session).await?),
        }
        Ok((registry, revision))
    }

    /// The registry that a change of this entity is checked against; none when it has nothing to do with it.
    pub(crate) async fn registry_for(
        &self,
        session: &mut dyn Session,
        entity: &Entity,
    ) -> Result<Option<Registry>, StoreError> {
        match entity {
            Entity::Tag(_) => Ok(Some(self.registry_at(session).await?.0)),
            _ => Ok(None),
        }
    }
}

/// The live dataset of that id, if this advertiser (none: everybody's) may write into it.
fn writable(
    registry: &Registry,
    id: DatasetId,
    by: Option<AdvertiserId>,
) -> Result<Arc<Dataset>, CampaignsError> {
    let found = registry.dataset(id);
    let found = found.filter(|dataset| by.is_none_or(|by| dataset.is_open_to(by)));
    let dataset = found.ok_or(CampaignsError::NotFound(id.into()))?;
    if by.is_some() && dataset.advertiser != by {
        return Err(CampaignsError::Denied(
            "this dataset belongs to somebody else, who shares it: its owner writes it",
        ));
    }
    if dataset.header.archived {
        return Err(CampaignsError::Archived(id.into()));
    }
    Ok(Arc::clone(dataset))
}

/// Ids for new tags, in order and without gaps. They are taken all at once, in the transaction that writes the tags.
struct Block {
    next: u64,
    taken: u64,
}

const NEXT: &str = "next_tag_definition";

impl Block {
    async fn open(session: &mut dyn Session) -> Result<Self, StoreError> {
        Ok(Self { next: entities::counter(session, NEXT).await?, taken: 0 })
    }

    fn take(&mut self) -> Result<TagId, StoreError> {
        let id = u32::try_from(self.next).map_err(|_| StoreError::IdsUsedUp("tag_definition"))?;
        self.next += 1;
        self.taken += 1;
        Ok(TagId(id))
    }

    /// Makes them taken for good once the session commits.
    async fn close(self, session: &mut dyn Session) -> Result<(), StoreError> {
        entities::add(session, NEXT, self.taken).await.map(drop)
    }
}
