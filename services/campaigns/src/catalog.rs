//! What the API does, in plain types: create, get, list, update, archive, each for a [`Principal`].

use std::sync::Arc;

use tagbid_catalog::{Entity, EntityKey, EntityKind, FieldProblem, Header, Snapshots};
use tagbid_types::{Clock, Principal, Revision, Timestamp};
use tagbid_wire::campaigns::etag;

use crate::check::{self, Policy};
use crate::error::CampaignsError;
use crate::feed::Hub;
use crate::request::{Draft, Once, Page, Revise, Wanted};
use crate::rights::Reach;
use crate::store::audit::{self, Action};
use crate::store::entities::{self, Filter};
use crate::store::{Session, Store, requests};

/// The catalog as its API sees it.
pub(crate) struct Core {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) policy: Policy,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) hub: Arc<Hub>,
}

impl Core {
    /// Creates an entity.
    pub(crate) async fn create(
        &self,
        who: &Principal,
        draft: Draft,
        once: Option<&Once>,
    ) -> Result<Entity, CampaignsError> {
        let reach = Reach::of(who)?;
        let mut session = self.store.write().await?;
        let now = self.clock.now();
        if let Some(answer) = self.recall(session.as_mut(), who, once, now).await? {
            return Ok(answer);
        }
        let kind = draft.entity.as_ref().map(Entity::kind);
        kind.map_or(Ok(()), |kind| reach.check_kind(kind))?;
        let mut entity = self.admit(session.as_mut(), reach, draft).await?;
        let id = entities::next_id(session.as_mut(), entity.kind()).await?;
        if !entity.set_id(id) {
            return Err(crate::store::StoreError::IdsUsedUp(entity.kind().as_str()).into());
        }
        *entity.header_mut() = Header { created: now, ..Header::default() };
        let change = Commit { who, action: Action::Create, fields: &[], once, now };
        self.commit(session, entity, change).await
    }

    /// The problems that creating this entity would be refused for.
    pub(crate) async fn validate_new(
        &self,
        who: &Principal,
        draft: Draft,
    ) -> Result<Vec<FieldProblem>, CampaignsError> {
        let reach = Reach::of(who)?;
        let mut session = self.store.read().await?;
        problems_of(self.admit(session.as_mut(), reach, draft).await)
    }

    /// The problems that this update would be refused for.
    pub(crate) async fn validate_update(
        &self,
        who: &Principal,
        key: EntityKey,
        revise: Revise<'_>,
    ) -> Result<Vec<FieldProblem>, CampaignsError> {
        let reach = Reach::of(who)?;
        let mut session = self.store.read().await?;
        let old = changeable(session.as_mut(), reach, key, None).await?;
        match revise(&old) {
            Ok(revised) => problems_of(self.revise(session.as_mut(), reach, &old, revised.draft).await),
            Err(error) => problems_of(Err(error)),
        }
    }

    /// The entity of that key, if the caller may see it.
    pub(crate) async fn get(&self, who: &Principal, key: EntityKey) -> Result<Entity, CampaignsError> {
        let reach = Reach::of(who)?;
        let mut session = self.store.read().await?;
        visible(session.as_mut(), reach, key).await.map(|entity| reach.shown(entity))
    }

    /// A page of entities that the caller may see.
    pub(crate) async fn list(&self, who: &Principal, wanted: Wanted) -> Result<Page, CampaignsError> {
        let reach = Reach::of(who)?;
        let sharable = matches!(wanted.kind, EntityKind::Dataset | EntityKind::Tag);
        let (owner, shared) = match (reach, wanted.advertiser) {
            (Reach::All, owner) => (owner, false),
            (Reach::Own(own), None) => (Some(own), sharable),
            (Reach::Own(own), Some(asked)) if own == asked => (Some(own), false),
            // Another's rows and an advertiser that does not exist look the same: there is nothing.
            (Reach::Own(_), Some(_)) => return Ok(Page::default()),
        };
        let mut session = self.store.read().await?;
        let filter = Filter {
            kind: wanted.kind,
            owner,
            shared,
            parent: wanted.parent,
            archived: wanted.archived,
            after: wanted.after,
            limit: wanted.limit.saturating_add(1),
        };
        let mut entities = entities::list(session.as_mut(), &filter).await?;
        let more = entities.len() > wanted.limit as usize;
        entities.truncate(wanted.limit as usize);
        let next = entities.last().filter(|_| more).map(|entity| entity.key().id);
        Ok(Page { next, entities: entities.into_iter().map(|entity| reach.shown(entity)).collect() })
    }

    /// Changes an entity. `etag`: the revision that the caller has read.
    pub(crate) async fn update(
        &self,
        who: &Principal,
        key: EntityKey,
        expected: Option<Revision>,
        once: Option<&Once>,
        revise: Revise<'_>,
    ) -> Result<Entity, CampaignsError> {
        let reach = Reach::of(who)?;
        let mut session = self.store.write().await?;
        let now = self.clock.now();
        if let Some(answer) = self.recall(session.as_mut(), who, once, now).await? {
            return Ok(answer);
        }
        let old = changeable(session.as_mut(), reach, key, expected).await?;
        if old.header().archived {
            return Err(CampaignsError::Archived(key));
        }
        let revised = revise(&old)?;
        let new = self.revise(session.as_mut(), reach, &old, revised.draft).await?;
        if new == old {
            return unchanged(session, who, once, old, now).await;
        }
        let change = Commit { who, action: Action::Update, fields: &revised.fields, once, now };
        self.commit(session, new, change).await
    }

    /// Archives an entity. One that is archived already stays as it is.
    pub(crate) async fn archive(
        &self,
        who: &Principal,
        key: EntityKey,
        expected: Option<Revision>,
        once: Option<&Once>,
    ) -> Result<Entity, CampaignsError> {
        let reach = Reach::of(who)?;
        let mut session = self.store.write().await?;
        let now = self.clock.now();
        if let Some(answer) = self.recall(session.as_mut(), who, once, now).await? {
            return Ok(answer);
        }
        let mut entity = changeable(session.as_mut(), reach, key, expected).await?;
        reach.check_kind(key.kind)?;
        if entity.header().archived {
            return unchanged(session, who, once, entity, now).await;
        }
        entity.header_mut().archived = true;
        let change = Commit { who, action: Action::Archive, fields: &[], once, now };
        self.commit(session, entity, change).await
    }

    /// A new entity with its owner, once nothing is wrong with it.
    async fn admit(
        &self,
        session: &mut dyn Session,
        reach: Reach,
        draft: Draft,
    ) -> Result<Entity, CampaignsError> {
        let mut report = draft.report;
        let Some(mut entity) = draft.entity else {
            return Err(CampaignsError::Invalid(report.into_problems()));
        };
        reach.adopt(&mut entity, &mut report);
        keep_snapshots(None, &mut entity);
        inherit_owner(session, &mut entity).await?;
        reach.check_fields(None, &entity, &mut report);
        let registry = self.registry_for(session, &entity).await?;
        check::check(session, &self.policy, registry.as_ref(), None, &entity, &mut report).await?;
        if report.is_empty() { Ok(entity) } else { Err(CampaignsError::Invalid(report.into_problems())) }
    }

    /// The new state of an entity, once nothing is wrong with it.
    async fn revise(
        &self,
        session: &mut dyn Session,
        reach: Reach,
        old: &Entity,
        draft: Draft,
    ) -> Result<Entity, CampaignsError> {
        let mut report = draft.report;
        let Some(mut new) = draft.entity else {
            return Err(CampaignsError::Invalid(report.into_problems()));
        };
        *new.header_mut() = old.header().clone();
        keep_snapshots(Some(old), &mut new);
        reach.check_fields(Some(old), &new, &mut report);
        reset_approvals(old, &mut new);
        let registry = self.registry_for(session, &new).await?;
        check::check(session, &self.policy, registry.as_ref(), Some(old), &new, &mut report).await?;
        if report.is_empty() { Ok(new) } else { Err(CampaignsError::Invalid(report.into_problems())) }
    }

    async fn commit(
        &self,
        mut session: Box<dyn Session>,
        mut entity: Entity,
        change: Commit<'_>,
    ) -> Result<Entity, CampaignsError> {
        let Commit { who, action, fields, once, now } = change;
        let revision = entities::put(session.as_mut(), &mut entity, now).await?;
        audit::entity(session.as_mut(), who, action, entity.key(), revision, fields, now).await?;
        remember(session.as_mut(), who, once, &entities::json(&entity)?, now).await?;
        session.commit().await?;
        self.hub.wake();
        Ok(entity)
    }

    /// The answer that was given to the same request before.
    async fn recall(
        &self,
        session: &mut dyn Session,
        who: &Principal,
        once: Option<&Once>,
        now: Timestamp,
    ) -> Result<Option<Entity>, CampaignsError> {
        let answer = self.recall_text(session, who, once, now).await?;
        Ok(answer.as_deref().map(entities::parse).transpose()?)
    }

    /// The same, as the text under which it was remembered.
    pub(crate) async fn recall_text(
        &self,
        session: &mut dyn Session,
        who: &Principal,
        once: Option<&Once>,
        now: Timestamp,
    ) -> Result<Option<String>, CampaignsError> {
        let Some(once) = once else { return Ok(None) };
        match requests::recall(session, &caller(who), &once.request_id, now).await? {
            None => Ok(None),
            Some(answered) if answered.digest == once.digest => {
                self.hub.metrics().replays.inc();
                Ok(Some(answered.answer))
            }
            Some(_) => Err(CampaignsError::RequestReused(once.request_id.clone())),
        }
    }
}

fn problems_of(checked: Result<Entity, CampaignsError>) -> Result<Vec<FieldProblem>, CampaignsError> {
    match checked {
        Ok(_) => Ok(Vec::new()),
        Err(CampaignsError::Invalid(problems)) => Ok(problems),
        Err(other) => Err(other),
    }
}

/// What a commit writes beside the entity.
struct Commit<'a> {
    who: &'a Principal,
    action: Action,
    fields: &'a [String],
    once: Option<&'a Once>,
    now: Timestamp,
}

/// A line item belongs to its campaign's owner when it says no other, a tag to its dataset's.
async fn inherit_owner(session: &mut dyn Session, entity: &mut Entity) -> Result<(), CampaignsError> {
    let parent = match &*entity {
        Entity::LineItem(item) if item.advertiser.0 == 0 => Some(item.campaign.into()),
        Entity::Tag(tag) if tag.advertiser.is_none() => tag.dataset.map(EntityKey::from),
        _ => None,
    };
    if let Some(parent) = parent
        && let Some(owner) = entities::get(session, parent).await?.and_then(|parent| parent.owner())
    {
        entity.set_owner(owner);
    }
    Ok(())
}

/// Versions of a dataset are not its owner's to write.
fn keep_snapshots(old: Option<&Entity>, new: &mut Entity) {
    let kept = match old {
        Some(Entity::Dataset(old)) => old.snapshots.clone(),
        _ => Snapshots::default(),
    };
    if let Entity::Dataset(new) = new
        && new.snapshots != kept
    {
        Arc::make_mut(new).snapshots = kept;
    }
}

/// What exchanges reviewed is not what is shown now.
fn reset_approvals(old: &Entity, new: &mut Entity) {
    let (Entity::Creative(old), Entity::Creative(new)) = (old, new) else {
        return;
    };
    let shows_the_same = old.markup == new.markup
        && old.domains == new.domains
        && old.categories == new.categories
        && old.attributes == new.attributes
        && old.click_url == new.click_url;
    if !shows_the_same && old.approvals == new.approvals {
        Arc::make_mut(new).approvals.clear();
    }
}

async fn visible(session: &mut dyn Session, reach: Reach, key: EntityKey) -> Result<Entity, CampaignsError> {
    let found = entities::get(session, key).await?.ok_or(CampaignsError::NotFound(key))?;
    let dataset = match &found {
        Entity::Tag(tag) if reach != Reach::All => match tag.dataset {
            Some(id) => entities::get(session, id.into()).await?,
            None => None,
        },
        _ => None,
    };
    let dataset = match &dataset {
        Some(Entity::Dataset(dataset)) => Some(dataset.as_ref()),
        _ => None,
    };
    Some(found).filter(|entity| reach.may_read(entity, dataset)).ok_or(CampaignsError::NotFound(key))
}

async fn changeable(
    session: &mut dyn Session,
    reach: Reach,
    key: EntityKey,
    expected: Option<Revision>,
) -> Result<Entity, CampaignsError> {
    let entity = visible(session, reach, key).await?;
    if !reach.may_write(&entity) {
        return Err(CampaignsError::Denied(
            "this belongs to somebody else, who shares it; it can be used, not changed",
        ));
    }
    let revision = entity.header().revision;
    if expected.is_some_and(|expected| expected != revision) {
        return Err(CampaignsError::Stale { key, etag: etag(revision) });
    }
    Ok(entity)
}

/// Answers with an entity as it is; the answer is kept like any other.
async fn unchanged(
    mut session: Box<dyn Session>,
    who: &Principal,
    once: Option<&Once>,
    entity: Entity,
    now: Timestamp,
) -> Result<Entity, CampaignsError> {
    remember(session.as_mut(), who, once, &entities::json(&entity)?, now).await?;
    session.commit().await?;
    Ok(entity)
}

pub(crate) async fn remember(
    session: &mut dyn Session,
    who: &Principal,
    once: Option<&Once>,
    answer: &str,
    now: Timestamp,
) -> Result<(), CampaignsError> {
    if let Some(once) = once {
        let (id, digest) = (&once.request_id, &once.digest);
        requests::remember(session, &caller(who), id, digest, answer, now).await?;
    }
    Ok(())
}

/// Whose request ids these are: two credentials never share them, whatever their names.
fn caller(who: &Principal) -> String {
    format!("{:?}/{}", who.scope, who.name)
}
