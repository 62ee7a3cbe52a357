//! The messages of one load: raw ids and names of tags in, keys and blobs out.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use tagbid_catalog::{Dataset, Registry, RegistryEpoch, TagDefinition};
use tagbid_ports::{MAX_NAMES, NameAnswer, NamesError, NamesQuestion};
use tagbid_tagset::UserKey;
use tagbid_tagset::offline::{self, OfflineTag};
use tagbid_types::{AdvertiserId, TagId, Timestamp};
use tagbid_wire::pb::tags as pb;
use tagbid_wire::pb::tags::load_snapshot_request::Step;
use tagbid_wire::pb::tags::load_snapshot_response::Answer;
use tonic::Status;

use super::read::standard_id;
use super::refusal::{Violation, not_done, not_written};
use super::snapshots::{load_name, snapshots_to};
use super::write::{MAX_USERS, Write, each, lifetime, weight};
use crate::Service;
use crate::versions::{Begin, Load, Progress};

/// One load for one caller.
pub(super) struct Loading {
    service: Service,
    tenant: Option<AdvertiserId>,
    by: String,
    begun: Option<Begun>,
}

struct Begun {
    load: Load,
    as_of: Timestamp,
    /// What names of tags mean, as far as they came.
    names: HashMap<String, Result<TagId, String>>,
}

impl Loading {
    pub(super) fn new(service: Service, tenant: Option<AdvertiserId>, by: String) -> Self {
        Self { service, tenant, by, begun: None }
    }

    /// One step and its answer.
    pub(super) async fn take(
        &mut self,
        step: pb::LoadSnapshotRequest,
    ) -> Result<pb::LoadSnapshotResponse, Status> {
        let answer = match step.step {
            Some(Step::Begin(begin)) if self.begun.is_none() => self.begin(begin).await?,
            Some(Step::Users(users)) => self.users(users).await?,
            Some(Step::Finish(finish)) => self.finish(finish).await?,
            Some(Step::Begin(_)) => {
                return Err(Violation::new("begin", "came before: begin a load once").into());
            }
            None => return Err(Violation::new("step", "missing: send begin, users or finish").into()),
        };
        Ok(pb::LoadSnapshotResponse { answer: Some(answer) })
    }

    async fn begin(&mut self, begin: pb::BeginLoad) -> Result<Answer, Status> {
        let write = Write::new(&self.service, self.tenant);
        let dataset = write.own_dataset(begin.dataset).map_err(|one| one.within("begin"))?;
        load_name(&begin.load)?;
        let as_of = write.past(begin.as_of.as_ref(), "begin.as_of")?;
        let as_of = as_of
            .ok_or_else(|| Violation::new("begin.as_of", "missing: the moment that the tags describe"))?;
        let epoch = epoch(&begin.registry_epoch, &write.registry)?;
        let from = begin.from.unwrap_or_default();
        let from = Progress { position: from.position, stored: from.stored };
        let begin = Begin { dataset, load: begin.load, as_of, epoch, by: self.by.clone(), from };
        let _open = self.service.inner.writer.enter().await.map_err(not_written)?;
        let load = Load::begin(&self.service.inner.versions, begin).await.map_err(not_done)?;
        let begun = self.begun.insert(Begun { load, as_of, names: HashMap::new() });
        Ok(Answer::Progress(begun.progress(Vec::new())))
    }

    async fn users(&mut self, users: pb::LoadUsers) -> Result<Answer, Status> {
        let Some(begun) = &mut self.begun else { return Err(not_begun().into()) };
        let count = users.users.len();
        if !(1..=MAX_USERS).contains(&count) {
            let problem = format!("{count} users: send 1 to {MAX_USERS} in one message");
            return Err(Violation::new("users", problem).into());
        }
        begun.learn(&self.service, &users).await?;
        let write = Write::new(&self.service, self.tenant);
        let dataset = write.registry.dataset(begun.load.version.dataset).cloned().unwrap_or_default();
        let (mut good, mut rejects) = (Vec::with_capacity(count), Vec::new());
        for (position, user) in (0..).zip(&users.users) {
            match begun.user(&write, &dataset, user) {
                Ok(one) => good.push(one),
                Err((key, violation)) => rejects.push(pb::LoadReject {
                    user: position,
                    field: violation.field,
                    description: violation.description,
                    key: key.map_or_else(String::new, |key| key.to_string()),
                }),
            }
        }
        let _open = self.service.inner.writer.enter().await.map_err(not_written)?;
        begun.load.take(good, rejects.len() as u64).await.map_err(not_done)?;
        Ok(Answer::Progress(begun.progress(rejects)))
    }

    async fn finish(&mut self, finish: pb::FinishLoad) -> Result<Answer, Status> {
        let Some(begun) = self.begun.take() else { return Err(not_begun().into()) };
        let version = begun.load.version;
        let _open = self.service.inner.writer.enter().await.map_err(not_written)?;
        let (users, mut dataset) = begun.load.finish(finish.users).await.map_err(not_done)?;
        if finish.activate {
            dataset = self.service.inner.versions.activate(version, &self.by).await.map_err(not_done)?;
        }
        Ok(Answer::Finished(pb::LoadFinished { users, snapshots: Some(snapshots_to(&dataset)) }))
    }
}

impl Begun {
    fn progress(&self, rejects: Vec<pb::LoadReject>) -> pb::LoadProgress {
        let Progress { position, stored } = self.load.progress;
        pb::LoadProgress { version: self.load.version.number, position, stored, rejects }
    }

    /// Asks for the names that did not come before.
    async fn learn(&mut self, service: &Service, users: &pb::LoadUsers) -> Result<(), Status> {
        let tags = users.users.iter().flat_map(|user| &user.tags);
        let names = tags.filter_map(|tag| match &tag.tag {
            Some(pb::load_tag::Tag::Name(name)) if !self.names.contains_key(name) => Some(name),
            _ => None,
        });
        let names: HashSet<_> = names.collect();
        let names: Vec<_> = names.into_iter().cloned().collect();
        for names in names.chunks(MAX_NAMES) {
            let dataset = self.load.version.dataset;
            let question = NamesQuestion { dataset, names: names.to_vec(), register: true };
            let answer = service.inner.names.resolve(question).await.map_err(not_resolved)?;
            let meanings = answer.names.into_iter().map(meaning);
            self.names.extend(names.iter().cloned().zip(meanings));
        }
        Ok(())
    }

    /// A user's key and blob; the key beside what is wrong, where there is one.
    fn user(
        &self,
        write: &Write<'_>,
        dataset: &Dataset,
        user: &pb::LoadUser,
    ) -> Result<(UserKey, Bytes), (Option<UserKey>, Violation)> {
        let id = standard_id(user.user.as_ref()).map_err(|one| (None, one.within("user")))?;
        let key = write.service.inner.keys.current.user_key(&id);
        self.blob(write, dataset, user).map(|blob| (key, blob)).map_err(|violation| (Some(key), violation))
    }

    fn blob(&self, write: &Write<'_>, dataset: &Dataset, user: &pb::LoadUser) -> Result<Bytes, Violation> {
        let tags = each(&user.tags, |tag| {
            let (id, rules) = match &tag.tag {
                None => return Err(Violation::new("tag", "missing: give id or name")),
                Some(pb::load_tag::Tag::Id(id)) => {
                    let definition = write.tag(*id, true)?;
                    (definition.id, write.registry.rules(definition))
                }
                Some(pb::load_tag::Tag::Name(name)) => {
                    let id = self.named(name)?;
                    // One that was made a moment ago follows its dataset.
                    let made = || TagDefinition::default().rules(Some(dataset));
                    (id, write.registry.tag(id).map_or_else(made, |tag| write.registry.rules(tag)))
                }
            };
            let ttl_s = lifetime(tag.expires.as_ref(), self.as_of, rules)?;
            Ok(OfflineTag { id, weight: weight(tag.weight)?, ttl_s })
        })?;
        let blob = offline::encode(self.as_of, &tags).map_err(|problem| Violation::new("tags", problem))?;
        Ok(blob.into())
    }

    fn named(&self, name: &str) -> Result<TagId, Violation> {
        let unknown = || Err("was not asked for".to_owned());
        let meaning = self.names.get(name).cloned().unwrap_or_else(unknown);
        meaning.map_err(|problem| Violation::new("name", format!("{name:?} {problem}")))
    }
}

fn not_begun() -> Violation {
    Violation::new("step", "nothing was begun: send begin first")
}

/// What ids of tags mean in this load.
fn epoch(text: &str, registry: &Registry) -> Result<RegistryEpoch, Violation> {
    if text.is_empty() {
        return Ok(registry.epoch());
    }
    let epoch: RegistryEpoch =
        text.parse().map_err(|problem| Violation::new("begin.registry_epoch", problem))?;
    let refused = |problem| Violation::new("begin.registry_epoch", problem);
    registry.check_epoch(&epoch).map_err(refused)?;
    Ok(epoch)
}

/// The tag of a name, or what to do about it.
fn meaning(answer: NameAnswer) -> Result<TagId, String> {
    let among = |tags: Vec<TagId>| tags.iter().map(TagId::to_string).collect::<Vec<_>>().join(", ");
    match answer {
        NameAnswer::Known(id) | NameAnswer::Registered(id) => Ok(id),
        NameAnswer::Ambiguous(tags) => {
            Err(format!("may mean one of the tags {}: add it as a synonym to the right one", among(tags)))
        }
        NameAnswer::Unknown(_) => {
            Err("is unknown, and the dataset registers no names: define the tag, or let it register".into())
        }
        NameAnswer::OverLimit => Err("is unknown, and the dataset has max_tags already: raise it".into()),
        NameAnswer::Invalid(problem) => Err(format!("is no name: {problem}")),
    }
}

fn not_resolved(error: NamesError) -> Status {
    match error {
        NamesError::Refused(problem) => Violation::new("users", problem).into(),
        NamesError::Unavailable(problem) => {
            Status::unavailable(format!("{problem}; resume the load from the last progress"))
        }
    }
}
