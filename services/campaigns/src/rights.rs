//! Who may see and do what. Every method asks here first.

use std::sync::Arc;

use tagbid_catalog::{Dataset, Entity, EntityKind, Report};
use tagbid_types::{AdvertiserId, Principal, Scope};

use crate::error::CampaignsError;

/// The advertisers whose rows a caller may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    All,
    Own(AdvertiserId),
}

impl Reach {
    /// The caller's reach in the advertisers' API.
    pub(crate) fn of(who: &Principal) -> Result<Self, CampaignsError> {
        match who.scope {
            Scope::Operator => Ok(Self::All),
            Scope::Advertiser(own) => Ok(Self::Own(own)),
            Scope::Role => Err(CampaignsError::Denied(
                "credentials of scope role open the streams, not the advertisers' API",
            )),
            Scope::Exchange(_) => {
                Err(CampaignsError::Denied("credentials of an exchange open BiddingService.Bid alone"))
            }
        }
    }

    /// Whether an entity may be read: one's own, and datasets and tags that are open to the caller. `dataset`: the one that
    /// a tag is in.
    pub(crate) fn may_read(self, entity: &Entity, dataset: Option<&Dataset>) -> bool {
        let Self::Own(own) = self else { return true };
        match entity {
            Entity::Dataset(dataset) => dataset.is_open_to(own),
            Entity::Tag(tag) => tag.is_open_to(own, dataset),
            other => other.owner() == Some(own),
        }
    }

    /// The entity as the caller may see it: whoever is not a dataset's owner sees of its grants only its own.
    pub(crate) fn shown(self, mut entity: Entity) -> Entity {
        if let (Self::Own(own), Entity::Dataset(dataset)) = (self, &mut entity)
            && dataset.advertiser != Some(own)
            && !dataset.grants.is_empty()
        {
            Arc::make_mut(dataset).grants.retain(|advertiser| *advertiser == own);
        }
        entity
    }

    /// Whether an entity may be changed: one's own only.
    pub(crate) fn may_write(self, entity: &Entity) -> bool {
        match self {
            Self::All => true,
            Self::Own(own) => entity.owner() == Some(own),
        }
    }

    /// Refuses what only the operator does to entities of this kind: creating and archiving advertisers.
    pub(crate) fn check_kind(self, kind: EntityKind) -> Result<(), CampaignsError> {
        if self != Self::All && kind == EntityKind::Advertiser {
            return Err(CampaignsError::Denied("advertisers are created and archived by the operator"));
        }
        Ok(())
    }

    /// Gives a new entity its owner. What an advertiser creates is its own; naming another owner is answered as if
    /// that owner did not exist.
    pub(crate) fn adopt(self, entity: &mut Entity, report: &mut Report) {
        if self != Self::All {
            entity.set_owner(self.owner(entity.owner().unwrap_or(AdvertiserId(0)), report));
        }
    }

    /// Whose rows a request is about that names this advertiser, or none (0). Of an advertiser it is always its own, so
    /// that no answer depends on another's rows; naming another is answered as if that one did not exist.
    pub(crate) fn owner(self, named: AdvertiserId, report: &mut Report) -> AdvertiserId {
        let Self::Own(own) = self else { return named };
        if named != own && named != AdvertiserId(0) {
            report.problem(
                "advertiser_id",
                "there is no such advertiser",
                "leave it out, or use the id of your advertiser",
            );
        }
        own
    }

    /// Notes fields that only the operator sets: an advertiser's domain (creatives load from it), review results.
    pub(crate) fn check_fields(self, old: Option<&Entity>, new: &Entity, report: &mut Report) {
        if self == Self::All {
            return;
        }
        match (old, new) {
            (Some(Entity::Advertiser(old)), Entity::Advertiser(new)) if old.domain != new.domain => {
                report.problem("domain", "is set by the operator", "leave it out of the update");
            }
            (old, Entity::Creative(new)) => {
                let before = match old {
                    Some(Entity::Creative(old)) => old.approvals.clone(),
                    _ => Default::default(),
                };
                if before != new.approvals {
                    report.problem("approvals", "are set by the operator", "leave them out");
                }
            }
            _ => {}
        }
    }
}

/// Whose datasets a caller may register names in; none: everybody's.
pub(crate) fn registrar(who: &Principal) -> Result<Option<AdvertiserId>, CampaignsError> {
    match who.scope {
        Scope::Operator | Scope::Role => Ok(None),
        Scope::Advertiser(own) => Ok(Some(own)),
        Scope::Exchange(_) => {
            Err(CampaignsError::Denied("credentials of an exchange open BiddingService.Bid alone"))
        }
    }
}

/// Only the operator and other roles read streams and touch suppressions.
pub(crate) fn check_role(who: &Principal) -> Result<(), CampaignsError> {
    match who.scope {
        Scope::Operator | Scope::Role => Ok(()),
        Scope::Advertiser(_) | Scope::Exchange(_) => {
            Err(CampaignsError::Denied("this needs a credential of scope role or operator"))
        }
    }
}
