//! Events into real-time tags: which tag each means, and one atomic merge for each user.
//!
//! Nothing is queued here: a batch is acknowledged when the store has it, a stream reads its next batch when one before it is
//! done, and the store's own bounds hold beneath. Order and repetition need no memory of events: of each tag the event with
//! the latest time stands, which is the same whatever comes first and however often.

mod resolve;
mod stats;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tagbid_catalog::people::Id;
use tagbid_ports::{LinksError, PeopleLinks, TagNames, TagRegistry};
use tagbid_runtime::Drain;
use tagbid_tagset::UserKey;
use tagbid_tagset::realtime::{self, RealtimeTag};
use tagbid_types::{AdvertiserId, Clock, DatasetId, TagId, Timestamp};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::listed::Listed;
use crate::store::{StoreError, Written};
use crate::writer::DirectWriter;

pub(crate) use stats::{Busy, IngestStats};

/// How far a sender's clock may run ahead. An event of the far future would win over every later one.
pub(crate) const CLOCK_SKEW: Duration = Duration::from_secs(300);

/// How long a batch is tried again for users whose part of the store is away: longer than most failovers.
const INSIST: Duration = Duration::from_secs(5);

/// Between attempts, doubled each time up to [`MAX_PAUSE`].
const PAUSE: Duration = Duration::from_millis(20);
const MAX_PAUSE: Duration = Duration::from_millis(500);

/// Batches that are in the store's hands at the same time, over all streams of a node. A batch is 256 commands at a time: these
/// leave three quarters of `tags.redis_concurrency` (4,096) and of Redis' time in each moment to lookups.
pub(crate) const AT_ONCE: usize = 4;

/// Something a user did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) user: UserKey,
    /// The user under MAC keys that are not written.
    pub(crate) others: Vec<UserKey>,
    /// All keys of all ids of the person, if the event has several ids.
    pub(crate) person: Vec<Id>,
    pub(crate) dataset: DatasetId,
    pub(crate) tag: TagRef,
    pub(crate) at: Timestamp,
    pub(crate) weight: u8,
}

/// A tag as the sender says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TagRef {
    Id(TagId),
    Name(String),
}

/// Why an event was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Reason {
    EventId,
    Conflict,
    User,
    Dataset,
    Tag,
    Name,
    UnknownName,
    AmbiguousName,
    NameLimit,
    EventTime,
    Expired,
    Weight,
    RegistryUnavailable,
    StoreUnavailable,
    Also,
    PeopleUnavailable,
}

impl Reason {
    pub(crate) const LABELS: [&str; 16] = [
        "event_id",
        "conflict",
        "user",
        "dataset",
        "tag",
        "name",
        "unknown_name",
        "ambiguous_name",
        "name_limit",
        "event_time",
        "expired",
        "weight",
        "registry_unavailable",
        "store_unavailable",
        "also",
        "people_unavailable",
    ];

    /// Whether the same event may be taken in later.
    pub(crate) fn may_be_sent_again(self) -> bool {
        matches!(self, Self::RegistryUnavailable | Self::StoreUnavailable | Self::PeopleUnavailable)
    }
}

/// What is wrong with an event, and what to do about it. Says nothing of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) reason: Reason,
    pub(crate) description: String,
}

impl Problem {
    pub(crate) fn new(reason: Reason, description: impl Into<String>) -> Self {
        Self { reason, description: description.into() }
    }
}

/// Events of a batch that were not taken in, by their places in it.
pub(crate) type Rejects = BTreeMap<usize, Problem>;

/// Takes events in, for all streams of a node.
pub(crate) struct Ingest {
    pub(crate) registry: Arc<dyn TagRegistry>,
    pub(crate) names: Arc<dyn TagNames>,
    pub(crate) people: Arc<dyn PeopleLinks>,
    pub(crate) writer: DirectWriter,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) drain: Drain,
    pub(crate) stats: Arc<IngestStats>,
    /// One for each of [`AT_ONCE`].
    pub(crate) turns: Semaphore,
}

/// A user's events of a batch, and what they come to.
struct UserEvents {
    user: UserKey,
    events: Vec<usize>,
    blob: Bytes,
}

impl Ingest {
    /// Takes a batch of this caller's in: those events that could be read, by their places. Returns with the last of them
    /// durable or rejected, beside those that were rejected before.
    pub(crate) async fn batch(
        &self,
        tenant: Option<AdvertiserId>,
        events: Vec<(usize, Event)>,
        mut rejects: Rejects,
    ) -> Rejects {
        let mut events = self.once(events, &mut rejects);
        self.link(&mut events, &mut rejects).await;
        self.leave_out_listed(&mut events, &mut rejects).await;
        let found = self.resolve(tenant, &events).await;
        let now = self.clock.now();
        let mut users: BTreeMap<UserKey, (Vec<usize>, Vec<RealtimeTag>)> = BTreeMap::new();
        for ((place, event), found) in events.iter().zip(found) {
            match found.and_then(|(id, rules)| timely(event, id, rules, now)) {
                Ok(tag) => {
                    let (places, tags) = users.entry(event.user).or_default();
                    places.push(*place);
                    tags.push(tag);
                }
                Err(problem) => drop(rejects.insert(*place, problem)),
            }
        }
        let mut ready = Vec::with_capacity(users.len());
        for (user, (events, tags)) in users {
            match realtime::condense(tags, now) {
                Ok(merged) => ready.push(UserEvents { user, events, blob: merged.blob.into() }),
                Err(error) => {
                    let problem = Problem::new(Reason::EventTime, error.to_string());
                    rejects.extend(events.into_iter().map(|place| (place, problem.clone())));
                }
            }
        }
        self.store(ready, &mut rejects).await;
        self.stats.rejected(rejects.values().map(|problem| problem.reason));
        rejects
    }

    /// Each event once. Who says two things under one id is told so.
    fn once(&self, events: Vec<(usize, Event)>, rejects: &mut Rejects) -> Vec<(usize, Event)> {
        let mut seen: HashMap<String, usize> = HashMap::with_capacity(events.len());
        let mut unique: Vec<(usize, Event)> = Vec::with_capacity(events.len());
        for (place, event) in events {
            let first = seen.get(&event.id).and_then(|first| unique.get(*first));
            match first {
                None => {
                    seen.insert(event.id.clone(), unique.len());
                    unique.push((place, event));
                }
                Some((_, first)) if *first == event => self.stats.repeated(1),
                Some((first, _)) => {
                    let what = format!("event {first} of the batch has the same id and says something else");
                    rejects.insert(place, Problem::new(Reason::Conflict, what));
                }
            }
        }
        unique
    }

    /// Has the persons of events with several ids kept, before anything is kept under one of these: they may be suppressed.
    async fn link(&self, events: &mut Vec<(usize, Event)>, rejects: &mut Rejects) {
        let linked = || events.iter().filter(|(_, event)| !event.person.is_empty());
        let persons: Vec<_> = linked().map(|(_, event)| event.person.clone()).collect();
        if persons.is_empty() {
            return;
        }
        let places: Vec<usize> = linked().map(|(place, _)| *place).collect();
        let problems = match self.people.link(persons).await {
            Ok(problems) => {
                let problem = |problem: String| Problem::new(Reason::Also, format!("also: {problem}"));
                problems.into_iter().map(|one| one.map(problem)).collect()
            }
            Err(LinksError::Refused(problem)) => {
                vec![Some(Problem::new(Reason::Also, problem)); places.len()]
            }
            Err(LinksError::Unavailable(problem)) => {
                let problem = format!("{problem}: send it again");
                vec![Some(Problem::new(Reason::PeopleUnavailable, problem)); places.len()]
            }
        };
        let refused = places.into_iter().zip(problems).filter_map(|(place, one)| Some((place, one?)));
        rejects.extend(refused);
        events.retain(|(place, _)| !rejects.contains_key(place));
    }

    /// Leaves out what must not be kept of users whom the list of people knows under another MAC key.
    async fn leave_out_listed(&self, events: &mut Vec<(usize, Event)>, rejects: &mut Rejects) {
        let others =
            events.iter().flat_map(|(_, event)| event.others.iter().map(|other| (event.user, *other)));
        match Listed::of(&*self.writer.store, &others.collect::<Vec<_>>()).await {
            Ok(listed) => {
                let before = events.len();
                events.retain(|(_, event)| listed.keeps(event.user, event.at));
                self.stats.suppressed(before - events.len());
            }
            Err(error) => {
                let problem = Problem::new(Reason::StoreUnavailable, format!("{error}: send it again"));
                rejects.extend(events.drain(..).map(|(place, _)| (place, problem.clone())));
            }
        }
    }

    /// Merges into the store, and again for those whose part of it is away.
    async fn store(&self, mut users: Vec<UserEvents>, rejects: &mut Rejects) {
        let (until, mut pause) = (Instant::now() + INSIST, PAUSE);
        while !users.is_empty() {
            let blobs = users.iter().map(|one| (one.user, one.blob.clone())).collect();
            let written = {
                let _turn = self.turns.acquire().await;
                self.writer.merge_each(blobs).await
            };
            if let Ok(written) = written {
                users = self.left(users, written, rejects);
            }
            if users.is_empty() || Instant::now() + pause >= until || self.drain.started() {
                break;
            }
            tokio::time::sleep(pause).await;
            pause = MAX_PAUSE.min(pause * 2);
        }
        reject_all(users, rejects);
    }

    /// Those that may be tried again.
    fn left(
        &self,
        users: Vec<UserEvents>,
        written: Vec<Result<Written, StoreError>>,
        rejects: &mut Rejects,
    ) -> Vec<UserEvents> {
        let mut left = Vec::new();
        for (one, written) in users.into_iter().zip(written) {
            match written {
                Ok(Written::Suppressed) => self.stats.suppressed(one.events.len()),
                Ok(Written::Stored | Written::Crowded | Written::Repeated) => {
                    self.stats.stored(one.events.len())
                }
                // What lies in the way of this user alone does not go away by waiting.
                Err(StoreError::Failed(_) | StoreError::Blob(..)) => reject_all(vec![one], rejects),
                Err(_) => left.push(one),
            }
        }
        left
    }
}

fn reject_all(users: Vec<UserEvents>, rejects: &mut Rejects) {
    let what = "the tag store did not take it: send it again";
    for place in users.into_iter().flat_map(|one| one.events) {
        rejects.insert(place, Problem::new(Reason::StoreUnavailable, what));
    }
}

/// The tag that an event gives, if it still does.
fn timely(
    event: &Event,
    id: TagId,
    rules: tagbid_catalog::TagRules,
    now: Timestamp,
) -> Result<RealtimeTag, Problem> {
    let problem = |reason, what: &str| Err(Problem::new(reason, what));
    let tag = RealtimeTag {
        id,
        weight: event.weight,
        event: event.at,
        half_life_s: rules.half_life_s,
        ttl_s: rules.ttl_s,
    };
    if event.at.0 < 0 {
        return problem(Reason::EventTime, "event_time lies before 1970: give seconds since 1970");
    }
    if event.at > now.after(CLOCK_SKEW) {
        return problem(
            Reason::EventTime,
            "event_time lies over five minutes in the future: set the sender's clock",
        );
    }
    if tag.expiry() <= now {
        return problem(
            Reason::Expired,
            "the tag's lifetime after event_time is over: raise the lifetime or send events sooner",
        );
    }
    Ok(tag)
}
