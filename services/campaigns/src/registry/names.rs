//! What raw names mean, and new tags for those that mean nothing yet.

use std::sync::Arc;

use tagbid_catalog::validate::is_name;
use tagbid_catalog::{Dataset, Entity, Header, Registry, Resolved, TagDefinition, UnknownNames};
use tagbid_ports::{MAX_NAMES, NameAnswer, NamesAnswer, NamesQuestion};
use tagbid_tagset::StandardName;
use tagbid_types::{AdvertiserId, Principal, Revision, Timestamp};

use super::{Block, writable};
use crate::catalog::Core;
use crate::error::CampaignsError;
use crate::rights::registrar;
use crate::store::audit::Action;
use crate::store::{Session, batch};

impl Core {
    /// What raw names mean. Those that are known here cost no query; for the others the database is looked at, and only
    /// for those that are to be registered it is locked.
    pub(crate) async fn resolve_names(
        &self,
        who: &Principal,
        question: &NamesQuestion,
    ) -> Result<NamesAnswer, CampaignsError> {
        let by = registrar(who)?;
        if question.names.is_empty() || question.names.len() > MAX_NAMES {
            let problem = format!("has {} names", question.names.len());
            return Err(CampaignsError::field("names", problem, format!("send 1 to {MAX_NAMES}")));
        }
        let names: Vec<_> = question.names.iter().map(|raw| StandardName::new(raw)).collect();
        let asked = Asked { raw: &question.names, names: &names };
        let (registry, revision) = self.hub.registry();
        if let Ok(dataset) = writable(&registry, question.dataset, by) {
            let answers = asked.answers(&registry, &dataset);
            if answers.iter().all(|answer| answer.tag().is_some()) {
                return Ok(NamesAnswer { names: answers, epoch: registry.epoch(), revision });
            }
        }
        // What is unknown here may be known to another process.
        let mut session = self.store.read().await?;
        let (registry, revision) = self.registry_at(session.as_mut()).await?;
        drop(session);
        let dataset = writable(&registry, question.dataset, by)?;
        let answers = asked.answers(&registry, &dataset);
        let wanted = question.register
            && dataset.unknown_names != UnknownNames::Reject
            && answers.iter().any(|answer| matches!(answer, NameAnswer::Unknown(_)));
        match wanted {
            true => self.register(who, by, question, &asked).await,
            false => Ok(NamesAnswer { names: answers, epoch: registry.epoch(), revision }),
        }
    }

    /// Makes tags of unknown names, as far as the dataset's policy lets it.
    async fn register(
        &self,
        who: &Principal,
        by: Option<AdvertiserId>,
        question: &NamesQuestion,
        asked: &Asked<'_>,
    ) -> Result<NamesAnswer, CampaignsError> {
        let mut session = self.store.write().await?;
        let (mut registry, before) = self.registry_at(session.as_mut()).await?;
        let dataset = writable(&registry, question.dataset, by)?;
        let block = Block::open(session.as_mut()).await?;
        let mut registrar = Registrar { dataset: &dataset, block, now: self.clock.now(), made: Vec::new() };
        let mut names = Vec::with_capacity(asked.names.len());
        for (raw, name) in asked.raw.iter().zip(asked.names) {
            names.push(match name {
                Err(problem) => NameAnswer::Invalid(problem.to_string()),
                Ok(name) => registrar.answer(&mut registry, raw, name)?,
            });
        }
        let Registrar { block, mut made, now, .. } = registrar;
        let revision = Revision(before.0 + made.len() as u64);
        if !made.is_empty() {
            block.close(session.as_mut()).await?;
            batch::put_tags(session.as_mut(), who, Action::Create, &mut made, now).await?;
            self.finish(session, made.len()).await?;
        }
        Ok(NamesAnswer { names, epoch: registry.epoch(), revision })
    }

    async fn finish(&self, session: Box<dyn Session>, registered: usize) -> Result<(), CampaignsError> {
        session.commit().await?;
        self.hub.metrics().registered.add(registered as u64);
        self.hub.wake();
        Ok(())
    }
}

/// The names of a question.
struct Asked<'a> {
    raw: &'a [String],
    names: &'a [Result<StandardName, tagbid_tagset::NameError>],
}

impl Asked<'_> {
    /// What they mean without anything being changed.
    fn answers(&self, registry: &Registry, dataset: &Dataset) -> Vec<NameAnswer> {
        let answer = |name: &Result<StandardName, _>| match name {
            Err(problem) => NameAnswer::Invalid(format!("{problem}")),
            Ok(name) => answer(registry.resolve(dataset, name)),
        };
        self.names.iter().map(answer).collect()
    }
}

fn answer(resolved: Resolved) -> NameAnswer {
    match resolved {
        Resolved::Tag(id) => NameAnswer::Known(id),
        Resolved::Ambiguous(candidates) => NameAnswer::Ambiguous(candidates),
        Resolved::Unknown { elsewhere } => NameAnswer::Unknown(elsewhere),
    }
}

/// Answers one name after the other; each sees the tags that were made for those before it.
struct Registrar<'a> {
    dataset: &'a Dataset,
    block: Block,
    now: Timestamp,
    made: Vec<Entity>,
}

impl Registrar<'_> {
    fn answer(
        &mut self,
        registry: &mut Registry,
        raw: &str,
        name: &StandardName,
    ) -> Result<NameAnswer, CampaignsError> {
        let resolved = registry.resolve(self.dataset, name);
        let most = match (&resolved, self.dataset.unknown_names) {
            (Resolved::Unknown { .. }, UnknownNames::Register { most }) => most,
            _ => return Ok(answer(resolved)),
        };
        if registry.live_tags(self.dataset.id) >= most {
            return Ok(NameAnswer::OverLimit);
        }
        let tag = TagDefinition {
            id: self.block.take()?,
            header: Header { created: self.now, ..Header::default() },
            advertiser: self.dataset.advertiser,
            dataset: Some(self.dataset.id),
            name: for_people(raw, name),
            ..TagDefinition::default()
        };
        let id = tag.id;
        let tag = Entity::Tag(Arc::new(tag));
        registry.put(&tag);
        self.made.push(tag);
        Ok(NameAnswer::Registered(id))
    }
}

/// The name as it came, on one line and trimmed; the standard form of one that is not fit to be shown.
fn for_people(raw: &str, name: &StandardName) -> String {
    let shown = raw.split_whitespace().collect::<Vec<_>>().join(" ");
    if is_name(&shown) { shown } else { name.as_str().to_owned() }
}
