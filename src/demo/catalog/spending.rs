//! What everybody may spend: as in life, or as a measurement needs it.

use std::sync::Arc;

use tagbid_catalog::{Budget, Entity, FrequencyCap, Pacing};
use tagbid_types::Nanos;

/// What line items, campaigns and advertisers may spend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Spending {
    /// As the companies would: some have little.
    #[default]
    Demo,
    /// Budgets and caps for everybody, which nothing reaches.
    Wide,
    /// No budget, no cap, no event log.
    None,
}

/// A million units of any currency.
const PLENTY: Nanos = Nanos(1_000_000_000_000_000);

/// As many as a cap may say.
const MOST: u16 = u16::MAX;

impl Spending {
    /// The entity as it is advertised under these terms.
    pub(super) fn apply(self, mut entity: Entity) -> Entity {
        match &mut entity {
            Entity::Advertiser(advertiser) if self != Self::Demo => {
                let advertiser = Arc::make_mut(advertiser);
                (advertiser.budget, advertiser.caps) = (self.budget(), self.caps(&advertiser.caps));
            }
            Entity::Campaign(campaign) if self != Self::Demo => {
                let campaign = Arc::make_mut(campaign);
                (campaign.budget, campaign.caps) = (self.budget(), self.caps(&campaign.caps));
            }
            Entity::LineItem(item) if self != Self::Demo => {
                let item = Arc::make_mut(item);
                (item.budget, item.caps) = (self.budget(), self.caps(&item.caps));
                item.pacing = Pacing::Asap;
            }
            _ => {}
        }
        entity
    }

    fn budget(self) -> Budget {
        match self {
            Self::Wide => Budget { daily: Some(PLENTY), lifetime: Some(PLENTY) },
            Self::Demo | Self::None => Budget::default(),
        }
    }

    fn caps(self, caps: &[FrequencyCap]) -> Vec<FrequencyCap> {
        match self {
            Self::Wide => caps.iter().map(|cap| FrequencyCap { impressions: MOST, ..*cap }).collect(),
            Self::Demo | Self::None => Vec::new(),
        }
    }
}
