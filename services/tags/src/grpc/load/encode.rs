//! What the users of messages become: keys and blobs, or a reason why not. It takes a processor for milliseconds, so it is
//! done on a thread that gives way to whoever answers lookups.

use std::cmp::Reverse;
use std::collections::HashSet;

use bytes::Bytes;
use tagbid_ports::{MAX_NAMES, NamesError, NamesQuestion};
use tagbid_runtime::background;
use tagbid_tagset::UserKey;
use tagbid_tagset::offline::{self, OfflineTag};
use tagbid_types::{AdvertiserId, DatasetId, Timestamp};
use tagbid_wire::pb::tags as pb;
use tonic::Status;

use super::meanings::{Meaning, Meanings};
use super::packing;
use crate::Service;
use crate::grpc::read::standard_id;
use crate::grpc::refusal::{Violation, not_listed};
use crate::grpc::write::{Write, each, lifetime, weight};
use crate::listed::{self, Listed};

/// Of one load.
pub(super) struct Encoder {
    pub(super) service: Service,
    pub(super) tenant: Option<AdvertiserId>,
    pub(super) dataset: DatasetId,
    pub(super) as_of: Timestamp,
    pub(super) meanings: Meanings,
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
    /// Encodes the users of these messages; asks for names that did not come before.
    pub(super) async fn encode(
        mut self,
        mut messages: Vec<pb::LoadUsers>,
    ) -> Result<(Self, Vec<Encoded>), Status> {
        self.meanings.make_room();
        let mut asked = false;
        loop {
            let attempt = move || {
                let tried = self.attempt(&messages, asked);
                (self, messages, tried)
            };
            let tried = background("tags load", attempt).await;
            let (encoder, left, tried) = tried.map_err(|lost| Status::internal(lost.to_string()))?;
            (self, messages) = (encoder, left);
            match tried {
                Ok(encoded) => {
                    let encoded = self.without_listed(encoded, &messages).await?;
                    return Ok((self, encoded));
                }
                Err(unknown) => {
                    self.learn(unknown).await?;
                    asked = true;
                }
            }
        }
    }

    /// Names that nobody asked for yet are an error; once they are `asked` for, what has no answer has no meaning.
    fn attempt(&mut self, messages: &[pb::LoadUsers], asked: bool) -> Result<Vec<Encoded>, HashSet<String>> {
        if !asked {
            let unknown = self.meanings.unknown(messages);
            if !unknown.is_empty() {
                return Err(unknown);
            }
        }
        let write = Write::new(&self.service, self.tenant);
        self.meanings.follow(&write.registry);
        let mut of = Users { write, dataset: self.dataset, as_of: self.as_of, meanings: &mut self.meanings };
        let mut encoded = Vec::with_capacity(messages.len());
        for message in messages {
            encoded.push(of.encoded(message));
            // Whoever answers lookups may be waiting for this processor; a low priority alone hands it over milliseconds later.
            std::thread::yield_now();
        }
        Ok(encoded)
    }

    /// Leaves out whom the list of people knows under another MAC key.
    async fn without_listed(
        &self,
        mut encoded: Vec<Encoded>,
        messages: &[pb::LoadUsers],
    ) -> Result<Vec<Encoded>, Status> {
        let inner = &self.service.inner;
        let users = messages.iter().flat_map(|message| &message.users);
        let ids = users.filter_map(|user| standard_id(user.user.as_ref()).ok());
        let others: Vec<_> =
            ids.flat_map(|id| listed::others(&inner.keys, &id).collect::<Vec<_>>()).collect();
        let listed = Listed::of(&*inner.writer.store, &others).await.map_err(not_listed)?;
        for one in &mut encoded {
            let before = one.good.len();
            one.good.retain(|(user, blob)| listed.keeps_offline(*user, blob));
            one.left_out = before - one.good.len();
        }
        Ok(encoded)
    }

    async fn learn(&mut self, unknown: HashSet<String>) -> Result<(), Status> {
        let mut unknown = unknown.into_iter();
        loop {
            let names: Vec<String> = unknown.by_ref().take(MAX_NAMES).collect();
            if names.is_empty() {
                return Ok(());
            }
            let question = NamesQuestion { dataset: self.dataset, names: names.clone(), register: true };
            let answer = self.service.inner.names.resolve(question).await.map_err(not_resolved)?;
            self.meanings.learn(names, answer.names);
        }
    }
}

/// Each tag once. Several raw names may mean one, and who sends them cannot know: of the same tag the heavier counts, of
/// the same weight the one that lives longer.
fn heaviest(mut tags: Vec<OfflineTag>) -> Vec<OfflineTag> {
    tags.sort_unstable_by_key(|tag| (tag.id, Reverse((tag.weight, tag.ttl_s))));
    tags.dedup_by_key(|tag| tag.id);
    tags
}

/// What users are read with, all of one moment.
struct Users<'a> {
    write: Write<'a>,
    dataset: DatasetId,
    as_of: Timestamp,
    meanings: &'a mut Meanings,
}

impl Users<'_> {
    fn encoded(&mut self, message: &pb::LoadUsers) -> Encoded {
        let names: Vec<_> = message.names.iter().map(|name| self.meanings.name(name, self.dataset)).collect();
        let mut encoded = Encoded { good: Vec::with_capacity(message.users.len()), ..Encoded::default() };
        for (position, user) in (0..).zip(&message.users) {
            match self.user(user, &names) {
                Ok(one) => encoded.good.push(one),
                Err((key, violation)) => encoded.rejects.push(pb::LoadReject {
                    user: position,
                    field: violation.field,
                    description: violation.description,
                    key: key.map_or_else(String::new, |key| key.to_string()),
                }),
            }
        }
        encoded
    }

    /// A user's key and blob; the key beside what is wrong, where there is one.
    fn user(
        &mut self,
        user: &pb::LoadUser,
        names: &[Result<Meaning, Violation>],
    ) -> Result<(UserKey, Bytes), (Option<UserKey>, Violation)> {
        let id = standard_id(user.user.as_ref()).map_err(|one| (None, one.within("user")))?;
        let key = self.write.service.inner.keys.current.user_key(&id);
        let tags = match &user.packed {
            None => self.tags(&user.tags),
            Some(packed) if user.tags.is_empty() => self.packed(packed, names),
            Some(_) => Err(Violation::new("packed", "came beside tags: send one of the two")),
        };
        let blob = tags.and_then(|tags| {
            let tags = heaviest(tags);
            offline::encode(self.as_of, &tags).map_err(|problem| Violation::new("tags", problem))
        });
        blob.map(|blob| (key, blob.into())).map_err(|violation| (Some(key), violation))
    }

    fn tags(&mut self, tags: &[pb::LoadTag]) -> Result<Vec<OfflineTag>, Violation> {
        packing::count(tags.len())?;
        each(tags, |tag| {
            let meaning = match &tag.tag {
                None => Err(Violation::new("tag", "missing: give id or name")),
                Some(pb::load_tag::Tag::Id(id)) => self.meanings.id(*id, &self.write),
                Some(pb::load_tag::Tag::Name(name)) => self.meanings.name(name, self.dataset),
            }?;
            let ttl_s = lifetime(tag.expires.as_ref(), self.as_of, meaning.ttl_s)?;
            Ok(OfflineTag { id: meaning.id, weight: weight(tag.weight)?, ttl_s })
        })
    }

    fn packed(
        &mut self,
        packed: &pb::PackedTags,
        names: &[Result<Meaning, Violation>],
    ) -> Result<Vec<OfflineTag>, Violation> {
        packing::check(packed)?;
        let mut meaning = |n: usize| match (packed.ids.get(n), packed.names.get(n)) {
            (Some(id), _) => self.meanings.id(*id, &self.write),
            (None, Some(place)) => {
                let unknown = || {
                    Err(Violation::new("name", format!("there is no name {place} in names: list it there")))
                };
                names.get(*place as usize).cloned().unwrap_or_else(unknown)
            }
            (None, None) => Err(Violation::new("tag", "missing")),
        };
        let tags = packed.weights.iter().enumerate().map(|(n, weight)| {
            let Meaning { id, ttl_s } = meaning(n).map_err(|one| one.within(&format!("tags[{n}]")))?;
            Ok(OfflineTag { id, weight: *weight, ttl_s: packing::lifetime(packed, n, ttl_s) })
        });
        tags.collect()
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
