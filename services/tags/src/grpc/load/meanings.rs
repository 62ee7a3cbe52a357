//! What the tags of one load mean, kept from user to user: looking sixty of them up in the registry for each of a hundred
//! million users would cost ten times as much as all else that is done with a user.

use std::collections::HashSet;
use std::sync::Arc;

use ahash::HashMap;
use tagbid_catalog::{Registry, TagDefinition};
use tagbid_ports::NameAnswer;
use tagbid_types::{DatasetId, TagId};
use tagbid_wire::pb::tags as pb;

use crate::grpc::refusal::Violation;
use crate::grpc::write::Write;

/// Bytes of names that a load remembers; beyond, it forgets them all and asks again.
const MOST_BYTES: usize = 64 << 20;

/// What a name takes beside its letters.
const ENTRY: usize = 96;

/// Characters of a name that an answer quotes.
const SHOWN: usize = 80;

/// A tag, and how long it lives by default.
#[derive(Clone, Copy)]
pub(super) struct Meaning {
    pub(super) id: TagId,
    pub(super) ttl_s: u32,
}

/// Of one load.
#[derive(Default)]
pub(super) struct Meanings {
    /// What names mean, or why they mean nothing.
    names: HashMap<String, Result<TagId, String>>,
    /// Of those names and reasons.
    bytes: usize,
    /// The registry that the rest is taken from.
    registry: Arc<Registry>,
    /// Lifetimes in seconds of tags that the caller may write by id, and of those that came by name. As many as the
    /// registry has, at most.
    by_id: HashMap<u32, u32>,
    by_name: HashMap<TagId, u32>,
}

impl Meanings {
    /// Forgets what was taken from another registry.
    pub(super) fn follow(&mut self, registry: &Arc<Registry>) {
        if !Arc::ptr_eq(registry, &self.registry) {
            self.registry = Arc::clone(registry);
            self.by_id.clear();
            self.by_name.clear();
        }
    }

    /// Of a tag by its id.
    pub(super) fn id(&mut self, id: u32, write: &Write<'_>) -> Result<Meaning, Violation> {
        if let Some(ttl_s) = self.by_id.get(&id) {
            return Ok(Meaning { id: TagId(id), ttl_s: *ttl_s });
        }
        let ttl_s = self.registry.rules(write.tag(id, true)?).ttl_s;
        self.by_id.insert(id, ttl_s);
        Ok(Meaning { id: TagId(id), ttl_s })
    }

    /// Of a tag by a raw name.
    pub(super) fn name(&mut self, name: &str, dataset: DatasetId) -> Result<Meaning, Violation> {
        let refused = |problem| Violation::new("name", format!("{} {problem}", shown(name)));
        let id = match self.names.get(name) {
            Some(Ok(id)) => *id,
            Some(Err(problem)) => return Err(refused(problem.as_str())),
            None => return Err(refused("has no answer of the registry: send the user again")),
        };
        let registry = &self.registry;
        let ttl_s = *self.by_name.entry(id).or_insert_with(|| {
            // One that was made a moment ago follows its dataset.
            let made = || TagDefinition::default().rules(registry.dataset(dataset).map(Arc::as_ref));
            registry.tag(id).map_or_else(made, |tag| registry.rules(tag)).ttl_s
        });
        Ok(Meaning { id, ttl_s })
    }

    /// Names in these messages that nobody asked for.
    pub(super) fn unknown(&self, messages: &[pb::LoadUsers]) -> HashSet<String> {
        let mut unknown = HashSet::new();
        let mut look = |name: &String| {
            if !self.names.contains_key(name) && !unknown.contains(name) {
                unknown.insert(name.clone());
            }
        };
        for message in messages {
            message.names.iter().for_each(&mut look);
            for tag in message.users.iter().flat_map(|user| &user.tags) {
                if let Some(pb::load_tag::Tag::Name(name)) = &tag.tag {
                    look(name);
                }
            }
        }
        unknown
    }

    /// Forgets names when there are too many. Between messages: in the middle of some, those would be refused whose names
    /// were asked for first.
    pub(super) fn make_room(&mut self) {
        if self.bytes > MOST_BYTES {
            (self.names, self.bytes) = (HashMap::default(), 0);
        }
    }

    /// Learns what names mean.
    pub(super) fn learn(&mut self, names: Vec<String>, answers: Vec<NameAnswer>) {
        for (name, meaning) in names.into_iter().zip(answers.into_iter().map(meaning)) {
            self.bytes += ENTRY + name.len() + meaning.as_ref().err().map_or(0, String::len);
            self.names.insert(name, meaning);
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const DATASET: DatasetId = DatasetId(1);

    /// A message of names of this many bytes together, from the n-th on.
    fn learn(meanings: &mut Meanings, from: u32, bytes: usize) -> Vec<String> {
        let names: Vec<_> = (from..).map(|n| format!("{n:0>32768}")).take(bytes >> 15).collect();
        meanings.learn(names.clone(), vec![NameAnswer::Known(TagId(7)); names.len()]);
        names
    }

    #[test]
    fn names_are_bounded_by_their_bytes_and_those_of_one_batch_are_known_together() {
        let mut meanings = Meanings::default();
        let old = learn(&mut meanings, 0, MOST_BYTES);
        meanings.make_room();
        assert!(meanings.name(&old[0], DATASET).is_err(), "too many were remembered");

        // One batch may ask for more than there is room for, and for some that are known.
        let first = learn(&mut meanings, 0, MOST_BYTES);
        let then = learn(&mut meanings, 10_000, 1 << 20);
        for name in first.iter().chain(&then) {
            assert!(meanings.name(name, DATASET).is_ok_and(|meaning| meaning.id == TagId(7)));
        }
    }
}
