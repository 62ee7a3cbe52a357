//! Who may see and do what. Every method asks here first.

use tagbid_catalog::{Entity, EntityKind, Report};
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

    /// Whether an entity may be read: one's own, and what the operator shares with everybody.
    pub(crate) fn may_read(self, entity: &Entity) -> bool {
        match (self, entity.owner()) {
            (Self::All, _) | (Self::Own(_), None) => true,
            (Self::Own(own), Some(owner)) => own == owner,
        }
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

/// Only the operator and other roles read streams and touch suppressions.
pub(crate) fn check_role(who: &Principal) -> Result<(), CampaignsError> {
    match who.scope {
        Scope::Operator | Scope::Role => Ok(()),
        Scope::Advertiser(_) | Scope::Exchange(_) => {
            Err(CampaignsError::Denied("this needs a credential of scope role or operator"))
        }
    }
}
