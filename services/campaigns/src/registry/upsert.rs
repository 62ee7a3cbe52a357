//! Tags by the thousand, by their names.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tagbid_catalog::validate::{Context, CreativePolicy, References, validate};
use tagbid_catalog::{
    Dataset, Entity, EntityKey, Header, Registry, RegistryEpoch, Report, Resolved, TagDefinition,
};
use tagbid_ports::{TagsUpserted, UpsertOutcome};
use tagbid_tagset::StandardName;
use tagbid_types::{DatasetId, Principal, Revision, TagId, Timestamp};

use super::{Block, writable};
use crate::catalog::{Core, remember};
use crate::check;
use crate::error::CampaignsError;
use crate::request::Once;
use crate::rights::registrar;
use crate::store::audit::Action;
use crate::store::{Session, StoreError, batch, entities};

/// Most tags of one request.
const MAX_TAGS: usize = 5_000;

/// Tags as a caller gives them to a dataset, with the problems found while they were read.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) dataset: DatasetId,
    pub(crate) tags: Vec<TagDefinition>,
    pub(crate) report: Report,
}

impl Core {
    /// Creates tags, or gives those that have the names already all fields anew. All or none.
    pub(crate) async fn upsert_tags(
        &self,
        who: &Principal,
        given: Given,
        once: Option<&Once>,
    ) -> Result<TagsUpserted, CampaignsError> {
        let by = registrar(who)?;
        if given.tags.is_empty() || given.tags.len() > MAX_TAGS {
            let problem = format!("has {} tags", given.tags.len());
            return Err(CampaignsError::field("tags", problem, format!("send 1 to {MAX_TAGS}")));
        }
        let mut session = self.store.write().await?;
        let now = self.clock.now();
        if let Some(answer) = self.recall_text(session.as_mut(), who, once, now).await? {
            return Remembered::read(&answer);
        }
        let (registry, before) = self.registry_at(session.as_mut()).await?;
        let dataset = writable(&registry, given.dataset, by)?;
        let known = Known::load(session.as_mut(), &dataset).await?;
        let block = Block::open(session.as_mut()).await?;
        let upsert =
            Upsert { dataset: &dataset, registry, block, now, report: given.report, named: HashMap::new() };
        let (decided, registry, block) = upsert.decide_all(given.tags, &known, &self.policy.creatives)?;
        let outcome = |(tag, outcome): &(TagDefinition, UpsertOutcome)| (tag.id, *outcome);
        let tags: Vec<_> = decided.iter().map(outcome).collect();
        block.close(session.as_mut()).await?;
        let written = write(session.as_mut(), who, decided, now).await?;
        let upserted = TagsUpserted { tags, epoch: registry.epoch(), revision: Revision(before.0 + written) };
        remember(session.as_mut(), who, once, &Remembered::text(&upserted)?, now).await?;
        session.commit().await?;
        self.hub.wake();
        Ok(upserted)
    }
}

/// Writes what is different; how many that were.
async fn write(
    session: &mut dyn Session,
    who: &Principal,
    decided: Decided,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let (mut created, mut updated) = (Vec::new(), Vec::new());
    for (tag, outcome) in decided {
        match outcome {
            UpsertOutcome::Created => created.push(Entity::Tag(Arc::new(tag))),
            UpsertOutcome::Updated => updated.push(Entity::Tag(Arc::new(tag))),
            UpsertOutcome::Unchanged => {}
        }
    }
    // Updates first: a name that one of them gives up may be that of a new tag.
    batch::put_tags(session, who, Action::Update, &mut updated, now).await?;
    batch::put_tags(session, who, Action::Create, &mut created, now).await?;
    Ok((created.len() + updated.len()) as u64)
}

/// Decides about one tag after the other; each sees what became of those before it.
struct Upsert<'a> {
    dataset: &'a Dataset,
    registry: Registry,
    block: Block,
    now: Timestamp,
    report: Report,
    /// Positions of the names in the request.
    named: HashMap<StandardName, usize>,
}

type Decided = Vec<(TagDefinition, UpsertOutcome)>;

impl Upsert<'_> {
    /// What becomes of each tag, the registry after that, and the ids taken; every problem at once.
    fn decide_all(
        mut self,
        tags: Vec<TagDefinition>,
        known: &Known,
        creatives: &CreativePolicy,
    ) -> Result<(Decided, Registry, Block), CampaignsError> {
        let context = Context { references: known, creatives, fx: None, exchanges: None };
        let each = tags.into_iter().enumerate().map(|(position, tag)| self.decide(position, tag, &context));
        let decided = each.collect::<Result<_, _>>()?;
        if self.report.is_empty() {
            return Ok((decided, self.registry, self.block));
        }
        Err(CampaignsError::Invalid(self.report.into_problems()))
    }

    fn decide(
        &mut self,
        position: usize,
        mut tag: TagDefinition,
        context: &Context<'_>,
    ) -> Result<(TagDefinition, UpsertOutcome), StoreError> {
        let field = format!("tags[{position}]");
        if tag.advertiser.is_some() && tag.advertiser != self.dataset.advertiser {
            let remedy = "leave it out: a tag belongs to the owner of its dataset";
            self.report.problem(format_args!("{field}.advertiser_id"), "is not the dataset's owner", remedy);
        }
        tag.advertiser = self.dataset.advertiser;
        tag.dataset = Some(self.dataset.id);
        self.check_repeated(&field, position, &tag);
        let old = self.old(&field, &tag);
        let outcome = match &old {
            Some(old) => {
                (tag.id, tag.header) = (old.id, old.header.clone());
                if tag == **old { UpsertOutcome::Unchanged } else { UpsertOutcome::Updated }
            }
            None => {
                tag.id = self.block.take()?;
                tag.header = Header { created: self.now, ..Header::default() };
                UpsertOutcome::Created
            }
        };
        if outcome != UpsertOutcome::Unchanged {
            self.check(&field, old.map(Entity::Tag), &tag, context);
        }
        Ok((tag, outcome))
    }

    fn check(&mut self, field: &str, old: Option<Entity>, tag: &TagDefinition, context: &Context<'_>) {
        let entity = Entity::Tag(Arc::new(tag.clone()));
        let registry = &self.registry;
        self.report.within(field, |report| {
            validate(&entity, context, report);
            check::clashes(registry, old.as_ref(), tag, report);
        });
        self.registry.put(&entity);
    }

    fn check_repeated(&mut self, field: &str, position: usize, tag: &TagDefinition) {
        if let Some(name) = tag.standard_name()
            && let Some(first) = self.named.insert(name, position)
        {
            let problem = format!("is the name of tags[{first}] too");
            self.report.problem(format_args!("{field}.name"), problem, "give each tag once");
        }
    }

    /// The tag that this is about: by its id, else by its name.
    fn old(&mut self, field: &str, tag: &TagDefinition) -> Option<Arc<TagDefinition>> {
        let live = |id: TagId| {
            let found = self.registry.tag(id).filter(|tag| !tag.header.archived);
            found.filter(|tag| tag.dataset == Some(self.dataset.id)).cloned()
        };
        if tag.id == TagId(0) {
            let name = tag.standard_name()?;
            let Resolved::Tag(id) = self.registry.resolve(self.dataset, &name) else { return None };
            return live(id).filter(|old| old.standard_name() == Some(name));
        }
        let found = live(tag.id);
        if found.is_none() {
            let problem = format!("the dataset has no live tag {}", tag.id);
            let remedy = "leave it out to find the tag by its name, or to create it";
            self.report.problem(format_args!("{field}.id"), problem, remedy);
        }
        found
    }
}

/// What tags refer to: their dataset and its owner.
struct Known(Vec<Entity>);

impl Known {
    async fn load(session: &mut dyn Session, dataset: &Arc<Dataset>) -> Result<Self, StoreError> {
        let mut known = vec![Entity::Dataset(Arc::clone(dataset))];
        if let Some(owner) = dataset.advertiser {
            known.extend(entities::get(session, owner.into()).await?);
        }
        Ok(Self(known))
    }
}

impl References for Known {
    fn entity(&self, key: EntityKey) -> Option<&Entity> {
        self.0.iter().find(|entity| entity.key() == key)
    }
}

/// An answer as it is kept for requests that come again.
#[derive(Serialize, Deserialize)]
struct Remembered {
    tags: Vec<(u32, u8)>,
    epoch: RegistryEpoch,
    revision: u64,
}

const OUTCOMES: [UpsertOutcome; 3] =
    [UpsertOutcome::Created, UpsertOutcome::Updated, UpsertOutcome::Unchanged];

impl Remembered {
    fn text(upserted: &TagsUpserted) -> Result<String, CampaignsError> {
        let code = |outcome| OUTCOMES.iter().position(|known| *known == outcome).unwrap_or_default() as u8;
        let tags = upserted.tags.iter().map(|(id, outcome)| (id.0, code(*outcome))).collect();
        let kept = Self { tags, epoch: upserted.epoch, revision: upserted.revision.0 };
        serde_json::to_string(&kept).map_err(|error| CampaignsError::Internal(error.to_string()))
    }

    fn read(text: &str) -> Result<TagsUpserted, CampaignsError> {
        let kept: Self =
            serde_json::from_str(text).map_err(|error| CampaignsError::Internal(error.to_string()))?;
        let outcome = |code: u8| OUTCOMES.get(usize::from(code)).copied().unwrap_or(UpsertOutcome::Unchanged);
        Ok(TagsUpserted {
            tags: kept.tags.into_iter().map(|(id, code)| (TagId(id), outcome(code))).collect(),
            epoch: kept.epoch,
            revision: Revision(kept.revision),
        })
    }
}
