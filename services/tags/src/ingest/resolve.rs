//! Which tag an event means: from the registry in memory, and for names that it does not know from the campaigns role.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tagbid_catalog::{Dataset, DatasetKind, Registry, Resolved, TagRules, UnknownNames};
use tagbid_ports::{NameAnswer, NamesError, NamesQuestion};
use tagbid_tagset::StandardName;
use tagbid_types::{AdvertiserId, DatasetId, Revision, TagId};
use tokio::time::Instant;

use super::{Event, Ingest, Problem, Reason, TagRef};

/// How long a batch waits for the campaigns role: others of its stream wait behind it.
const ASK: Duration = Duration::from_secs(2);

/// How long a batch waits until this node's registry shows what the campaigns role has just made: the catalog stream is faster.
const CATCH_UP: Duration = Duration::from_secs(2);

/// Between looks at the registry.
const PAUSE: Duration = Duration::from_millis(5);

type Found = Result<(TagId, TagRules), Problem>;

/// What the registry in memory says of an event.
enum Looked {
    Found(Found),
    /// No tag has the name, and the dataset makes one of it.
    New,
}

/// What the campaigns role said of the names that it was asked for.
type Answers<'a> = HashMap<(DatasetId, &'a str), Result<NameAnswer, Problem>>;

impl Ingest {
    /// The tag of each event with its rules, in their order.
    pub(super) async fn resolve(
        &self,
        tenant: Option<AdvertiserId>,
        events: &[(usize, Event)],
    ) -> Vec<Found> {
        let registry = self.registry.now();
        let looked: Vec<_> = events.iter().map(|(_, event)| look(&registry, tenant, event)).collect();
        let mut new: BTreeMap<DatasetId, BTreeSet<&str>> = BTreeMap::new();
        for ((_, event), looked) in events.iter().zip(&looked) {
            if let (Looked::New, TagRef::Name(name)) = (looked, &event.tag) {
                new.entry(event.dataset).or_default().insert(name);
            }
        }
        let (answers, registry) = if new.is_empty() {
            (Answers::new(), registry)
        } else {
            let (answers, revision) = self.ask(new).await;
            (answers, self.caught_up(revision).await)
        };
        let found = |((_, event), looked): (&(usize, Event), Looked)| match looked {
            Looked::Found(found) => found,
            Looked::New => answered(&registry, event, &answers),
        };
        events.iter().zip(looked).map(found).collect()
    }

    /// Asks for names, one question a dataset; how far the registry has to be to know the answers.
    async fn ask<'a>(&self, new: BTreeMap<DatasetId, BTreeSet<&'a str>>) -> (Answers<'a>, Revision) {
        let (mut answers, mut revision) = (Answers::new(), Revision(0));
        for (dataset, names) in new {
            let question = NamesQuestion {
                dataset,
                names: names.iter().map(|name| (*name).to_owned()).collect(),
                register: true,
            };
            let asked = tokio::time::timeout(ASK, self.names.resolve(question)).await;
            let late = || Err(NamesError::Unavailable("it did not answer in time".into()));
            let each = match asked.unwrap_or_else(|_| late()) {
                Ok(answer) => {
                    revision = revision.max(answer.revision);
                    answer.names.into_iter().map(Ok).collect()
                }
                Err(error) => {
                    let problem = Problem::new(unanswered(&error), error.to_string());
                    vec![Err(problem); names.len()]
                }
            };
            answers.extend(names.into_iter().map(|name| (dataset, name)).zip(each));
        }
        (answers, revision)
    }

    /// The registry, if possible as of that revision.
    async fn caught_up(&self, revision: Revision) -> Arc<Registry> {
        let until = Instant::now() + CATCH_UP;
        loop {
            let registry = self.registry.now();
            if registry.revision() >= revision || Instant::now() >= until {
                return registry;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn unanswered(error: &NamesError) -> Reason {
    match error {
        NamesError::Refused(_) => Reason::UnknownName,
        NamesError::Unavailable(_) => Reason::RegistryUnavailable,
    }
}

fn look(registry: &Registry, tenant: Option<AdvertiserId>, event: &Event) -> Looked {
    let dataset = match own_dataset(registry, tenant, event.dataset) {
        Ok(dataset) => dataset,
        Err(problem) => return Looked::Found(Err(problem)),
    };
    let name = match &event.tag {
        TagRef::Id(id) => return Looked::Found(own_tag(registry, dataset, *id)),
        TagRef::Name(name) => name,
    };
    let name = match StandardName::new(name) {
        Ok(name) => name,
        Err(error) => return Looked::Found(Err(Problem::new(Reason::Name, format!("tag_name: {error}")))),
    };
    Looked::Found(match registry.resolve(dataset, &name) {
        Resolved::Tag(id) => own_tag(registry, dataset, id),
        Resolved::Ambiguous(ids) => Err(ambiguous(&ids)),
        Resolved::Unknown { elsewhere } => match dataset.unknown_names {
            UnknownNames::Register { .. } => return Looked::New,
            UnknownNames::Reject => Err(unknown(&elsewhere)),
        },
    })
}

/// What the campaigns role said of an event's name.
fn answered(registry: &Registry, event: &Event, answers: &Answers<'_>) -> Found {
    let behind = || Problem::new(Reason::RegistryUnavailable, "the name was just registered: send it again");
    let TagRef::Name(name) = &event.tag else { return Err(behind()) };
    let dataset = registry.dataset(event.dataset).ok_or_else(behind)?;
    let answer = answers.get(&(event.dataset, name.as_str())).ok_or_else(behind)?;
    match answer.clone()? {
        NameAnswer::Known(id) | NameAnswer::Registered(id) if registry.tag(id).is_none() => Err(behind()),
        NameAnswer::Known(id) | NameAnswer::Registered(id) => own_tag(registry, dataset, id),
        NameAnswer::Ambiguous(ids) => Err(ambiguous(&ids)),
        NameAnswer::Unknown(elsewhere) => Err(unknown(&elsewhere)),
        NameAnswer::OverLimit => Err(Problem::new(
            Reason::NameLimit,
            "no tag has the name, and the dataset has as many tags as it may register: raise its limit or archive some",
        )),
        NameAnswer::Invalid(problem) => Err(Problem::new(Reason::Name, format!("tag_name: {problem}"))),
    }
}

/// The dataset, if the caller may send events for it. Another's and none at all look the same.
fn own_dataset(
    registry: &Registry,
    tenant: Option<AdvertiserId>,
    id: DatasetId,
) -> Result<&Dataset, Problem> {
    let problem = |what: String| Err(Problem::new(Reason::Dataset, what));
    let found = registry.dataset(id).map(Arc::as_ref);
    match found.filter(|one| tenant.is_none() || one.advertiser == tenant) {
        None => problem(format!("dataset {id} is unknown or not yours: create it first")),
        Some(one) if one.header.archived => problem(format!("dataset {id} is archived: use another")),
        Some(one) if one.kind != DatasetKind::Realtime => {
            problem(format!("dataset {id} is of offline tags: make one of real-time tags"))
        }
        Some(one) => Ok(one),
    }
}

/// The tag, if events of the dataset may give it: it is in the dataset, or of its owner and in none. What is another's would
/// reach whoever targets it.
fn own_tag(registry: &Registry, dataset: &Dataset, id: TagId) -> Found {
    let problem = |what: String| Err(Problem::new(Reason::Tag, what));
    let own = |tag: &&Arc<tagbid_catalog::TagDefinition>| {
        tag.advertiser == dataset.advertiser && tag.dataset.is_none_or(|of| of == dataset.id)
    };
    match registry.tag(id).filter(own) {
        None => problem(format!(
            "tag {id} is unknown, another's, or in another dataset than {}: define it there",
            dataset.id
        )),
        Some(tag) if tag.header.archived => problem(format!("tag {id} is archived: use another")),
        Some(tag) => Ok((id, registry.rules(tag))),
    }
}

fn ambiguous(ids: &[TagId]) -> Problem {
    Problem::new(Reason::AmbiguousName, format!("tags {} have the name: send tag_id", list(ids)))
}

fn unknown(elsewhere: &[TagId]) -> Problem {
    let also = match elsewhere {
        [] => String::new(),
        ids => format!(" (in other datasets tags {} have it)", list(ids)),
    };
    Problem::new(
        Reason::UnknownName,
        format!("no tag of the dataset has the name{also}: define one, or let the dataset register names"),
    )
}

fn list(ids: &[TagId]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
