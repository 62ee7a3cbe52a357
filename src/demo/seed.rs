//! Fills the catalog over gRPC, as any advertiser would.

use std::collections::BTreeMap;

use anyhow::Context;
use futures_util::{StreamExt, TryStreamExt, stream};
use tagbid_catalog::{Advertiser, Entity, EntityKey, LineItem};
use tagbid_clients::{AdvertiserClient, AdvertiserError};
use tagbid_types::{AdvertiserId, LineItemId};

use super::catalog::{Ids, Plan, renumbered};

/// Creates under way at once.
const IN_FLIGHT: usize = 16;
/// Each waits for the database some seconds.
const ATTEMPTS: usize = 6;

/// What was stored.
#[derive(Debug, Default)]
pub(super) struct Seeded {
    /// Where each entity of the plan went.
    pub(super) ids: Ids,
    /// The entities as stored.
    pub(super) entities: BTreeMap<EntityKey, Entity>,
}

impl Seeded {
    /// The line item of that id.
    pub(super) fn line_item(&self, id: LineItemId) -> Option<&LineItem> {
        match self.entities.get(&id.into())? {
            Entity::LineItem(item) => Some(item),
            _ => None,
        }
    }

    /// All line items.
    pub(super) fn line_items(&self) -> impl Iterator<Item = &LineItem> {
        self.entities.values().filter_map(|entity| match entity {
            Entity::LineItem(item) => Some(item.as_ref()),
            _ => None,
        })
    }

    /// The advertiser of that id.
    pub(super) fn advertiser(&self, id: AdvertiserId) -> Option<&Advertiser> {
        match self.entities.get(&id.into())? {
            Entity::Advertiser(advertiser) => Some(advertiser),
            _ => None,
        }
    }

    /// The line item and its owner, for people.
    pub(super) fn title(&self, id: LineItemId) -> String {
        let item = self.line_item(id);
        let name = item.map_or("?", |item| item.name.as_str());
        let owner =
            item.and_then(|item| self.advertiser(item.advertiser)).map_or("?", |owner| owner.name.as_str());
        format!("line item {id} \"{name}\" of {owner}")
    }
}

/// Creates every entity of the plan, stage by stage.
pub(super) async fn seed(client: &AdvertiserClient, plan: &Plan) -> anyhow::Result<Seeded> {
    let mut seeded = Seeded::default();
    for (stage, kinds) in Plan::STAGES.into_iter().enumerate() {
        // Advertisers one by one: the tokens of the demo name the first one's id.
        let width = if stage == 0 { 1 } else { IN_FLIGHT };
        let ids = &seeded.ids;
        let creates = plan.stage(kinds).map(|planned| {
            let entity = renumbered(planned, ids);
            async move {
                let stored = create(client, &entity, planned.key()).await?;
                anyhow::Ok((planned.key(), stored))
            }
        });
        let made: Vec<(EntityKey, Entity)> =
            stream::iter(creates).buffered(width).try_collect().await.context("filling the catalog")?;
        for (planned, stored) in made {
            seeded.ids.learn(planned, stored.key().id);
            seeded.entities.insert(stored.key(), stored);
        }
    }
    Ok(seeded)
}

/// Creates an entity. A disk that stalls makes the database refuse for a moment; it is asked again under the same request
/// id, so that nothing is created twice.
async fn create(
    client: &AdvertiserClient,
    entity: &Entity,
    planned: EntityKey,
) -> Result<Entity, AdvertiserError> {
    let request = format!("demo {planned}");
    for _ in 1..ATTEMPTS {
        match client.create(entity, &request).await {
            Err(error) if error.is_unavailable() => {}
            answer => return answer,
        }
    }
    client.create(entity, &request).await
}
