//! What the users of a message become: keys and blobs, or a reason why not. It takes a processor for milliseconds, so it is
//! done on a thread that gives way to whoever answers lookups.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tagbid_catalog::{Dataset, TagDefinition};
use tagbid_ports::{MAX_NAMES, NameAnswer, NamesError, NamesQuestion};
use tagbid_runtime::background;
use tagbid_tagset::UserKey;
use tagbid_tagset::offline::{self, OfflineTag};
use tagbid_types::{AdvertiserId, DatasetId, TagId, Timestamp};
use tagbid_wire::pb::tags as pb;
use tonic::Status;

use crate::Service;
use crate::grpc::read::standard_id;
use crate::grpc::refusal::{Violation, not_listed};
use crate::grpc::write::{Write, each, lifetime, weight};
use crate::listed::{self, Listed};

/// Names that a load remembers; beyond, it forgets them all and asks again.
const MOST_NAMES: usize = 1_000_000;

/// Characters of a name that an answer quotes.
const SHOWN: usize = 80;

/// What names mean, or why they mean nothing.
type Names = HashMap<String, Result<TagId, String>>;

/// Of one load. Cheap to clone; clones share what names mean.
#[derive(Clone)]
pub(super) struct Encoder {
    pub(super) service: Service,
    pub(super) tenant: Option<AdvertiserId>,
    pub(super) dataset: DatasetId,
    pub(super) as_of: Timestamp,
    names: Arc<Mutex<Arc<Names>>>,
}

/// A message's users.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    pub(super) good: Vec<(UserKey, Bytes)>,
    pub(super) rejects: Vec<pb::LoadReject>,
    /// Users of whom nothing is kept, though nothing is wrong with them.
    pub(super) left_out: usize,
}

impl Encoder {
    pub(super) fn new(
        service: Service,
        tenant: Option<AdvertiserId>,
        dataset: DatasetId,
        as_of: Timestamp,
    ) -> Self {
        Self { service, tenant, dataset, as_of, names: Arc::default() }
    }

    /// Encodes users; asks for names that did not come before.
    pub(super) async fn encode(self, users: pb::LoadUsers) -> Result<Encoded, Status> {
        let users = Arc::new(users);
        let mut asked = HashSet::new();
        loop {
            let (encoder, of, again) = (self.clone(), Arc::clone(&users), asked.clone());
            let tried = background("tags load", move || encoder.attempt(&of, &again)).await;
            match tried.map_err(|lost| Status::internal(lost.to_string()))? {
                Ok(encoded) => return self.without_listed(encoded, &users).await,
                Err(unknown) => {
                    self.learn(&unknown).await?;
                    asked.extend(unknown);
                }
            }
        }
    }

    /// Names that nobody asked for yet are an error. What was `asked` may be forgotten again: then it has no meaning.
    fn attempt(&self, users: &pb::LoadUsers, asked: &HashSet<String>) -> Result<Encoded, Vec<String>> {
        let names = self.names();
        let tags = users.users.iter().flat_map(|user| &user.tags);
        let unknown = tags.filter_map(|tag| match &tag.tag {
            Some(pb::load_tag::Tag::Name(name)) if !names.contains_key(name) && !asked.contains(name) => {
                Some(name.as_str())
            }
            _ => None,
        });
        let unknown: HashSet<_> = unknown.collect();
        if !unknown.is_empty() {
            return Err(unknown.into_iter().map(str::to_owned).collect());
        }
        let write = Write::new(&self.service, self.tenant);
        let dataset = write.registry.dataset(self.dataset).cloned().unwrap_or_default();
        let of = OneDataset { write, dataset: &dataset, names: &names, as_of: self.as_of };
        let mut encoded = Encoded { good: Vec::with_capacity(users.users.len()), ..Encoded::default() };
        for (position, user) in (0..).zip(&users.users) {
            match of.user(user) {
                Ok(one) => encoded.good.push(one),
                Err((key, violation)) => encoded.rejects.push(pb::LoadReject {
                    user: position,
                    field: violation.field,
                    description: violation.description,
                    key: key.map_or_else(String::new, |key| key.to_string()),
                }),
            }
        }
        Ok(encoded)
    }

    /// Leaves out whom the list of people knows under another MAC key.
    async fn without_listed(&self, mut encoded: Encoded, users: &pb::LoadUsers) -> Result<Encoded, Status> {
        let inner = &self.service.inner;
        let ids = users.users.iter().filter_map(|user| standard_id(user.user.as_ref()).ok());
        let others: Vec<_> =
            ids.flat_map(|id| listed::others(&inner.keys, &id).collect::<Vec<_>>()).collect();
        let listed = Listed::of(&*inner.writer.store, &others).await.map_err(not_listed)?;
        let before = encoded.good.len();
        encoded.good.retain(|(user, blob)| listed.keeps_offline(*user, blob));
        encoded.left_out = before - encoded.good.len();
        Ok(encoded)
    }

    async fn learn(&self, unknown: &[String]) -> Result<(), Status> {
        for names in unknown.chunks(MAX_NAMES) {
            let question = NamesQuestion { dataset: self.dataset, names: names.to_vec(), register: true };
            let answer = self.service.inner.names.resolve(question).await.map_err(not_resolved)?;
            let meanings = answer.names.into_iter().map(meaning);
            let mut known = self.names.lock().unwrap_or_else(PoisonError::into_inner);
            let known = Arc::make_mut(&mut known);
            if known.len() + names.len() > MOST_NAMES {
                known.clear();
            }
            known.extend(names.iter().cloned().zip(meanings));
        }
        Ok(())
    }

    fn names(&self) -> Arc<Names> {
        Arc::clone(&self.names.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a user's tags are read with.
struct OneDataset<'a> {
    write: Write<'a>,
    dataset: &'a Dataset,
    names: &'a Names,
    as_of: Timestamp,
}

impl OneDataset<'_> {
    /// A user's key and blob; the key beside what is wrong, where there is one.
    fn user(&self, user: &pb::LoadUser) -> Result<(UserKey, Bytes), (Option<UserKey>, Violation)> {
        let id = standard_id(user.user.as_ref()).map_err(|one| (None, one.within("user")))?;
        let key = self.write.service.inner.keys.current.user_key(&id);
        self.blob(user).map(|blob| (key, blob)).map_err(|violation| (Some(key), violation))
    }

    fn blob(&self, user: &pb::LoadUser) -> Result<Bytes, Violation> {
        let registry = &self.write.registry;
        let tags = each(&user.tags, |tag| {
            let (id, rules) = match &tag.tag {
                None => return Err(Violation::new("tag", "missing: give id or name")),
                Some(pb::load_tag::Tag::Id(id)) => {
                    let definition = self.write.tag(*id, true)?;
                    (definition.id, registry.rules(definition))
                }
                Some(pb::load_tag::Tag::Name(name)) => {
                    let id = self.named(name)?;
                    // One that was made a moment ago follows its dataset.
                    let made = || TagDefinition::default().rules(Some(self.dataset));
                    (id, registry.tag(id).map_or_else(made, |tag| registry.rules(tag)))
                }
            };
            let ttl_s = lifetime(tag.expires.as_ref(), self.as_of, rules)?;
            Ok(OfflineTag { id, weight: weight(tag.weight)?, ttl_s })
        })?;
        let tags = heaviest(tags);
        let blob = offline::encode(self.as_of, &tags).map_err(|problem| Violation::new("tags", problem))?;
        Ok(blob.into())
    }

    fn named(&self, name: &str) -> Result<TagId, Violation> {
        let unknown = || Err("was not asked for".to_owned());
        let meaning = self.names.get(name).cloned().unwrap_or_else(unknown);
        meaning.map_err(|problem| Violation::new("name", format!("{} {problem}", shown(name))))
    }
}

/// Each tag once. Several raw names may mean one, and who sends them cannot know: of the same tag the heavier counts, of
/// the same weight the one that lives longer.
fn heaviest(mut tags: Vec<OfflineTag>) -> Vec<OfflineTag> {
    tags.sort_unstable_by_key(|tag| (tag.id, Reverse((tag.weight, tag.ttl_s))));
    tags.dedup_by_key(|tag| tag.id);
    tags
}

/// A name as an answer quotes it: a thousand of the longest, with all letters escaped, have to fit into one.
fn shown(name: &str) -> String {
    match name.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", name.get(..end).unwrap_or_default()),
        None => format!("{name:?}"),
    }
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
