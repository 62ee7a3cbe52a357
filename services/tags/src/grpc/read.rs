//! One user's tags in words, for people.

use std::sync::Arc;
use std::time::Duration;

use tagbid_catalog::Registry;
use tagbid_ports::{DatasetTags, Datasets, OtherKeys, SourceStatus, TagAnswer, UserKeys};
use tagbid_tagset::frequency::{Counted, Counts};
use tagbid_tagset::offline::Offline;
use tagbid_tagset::realtime::Realtime;
use tagbid_tagset::{BlobError, IdError, MacKeys, StandardId};
use tagbid_types::{AdvertiserId, DatasetId, TagId, Timestamp};
use tagbid_wire::pb::tags as pb;
use tagbid_wire::tags as wire;
use tonic::Status;

use super::refusal::Violation;
use crate::Service;
use crate::lookup::Wanted;

/// How long a person waits: no auction depends on it.
const PATIENCE: Duration = Duration::from_secs(2);

const HOUR: Duration = Duration::from_secs(3_600);

pub(super) async fn lookup(
    service: &Service,
    tenant: Option<AdvertiserId>,
    request: pb::LookupRequest,
) -> Result<pb::LookupResponse, Status> {
    let id = standard_id(request.user.as_ref()).map_err(|one| one.within("user"))?;
    if request.datasets.len() > Datasets::MOST {
        let problem = format!("{} of them: name at most {}", request.datasets.len(), Datasets::MOST);
        return Err(Violation::new("datasets", problem).into());
    }
    let inner = &service.inner;
    let keys = user_keys(&inner.keys, &id);
    let deadline = inner.clock.monotonic().after(PATIENCE);
    let datasets = match &request.datasets[..] {
        [] => Datasets::ALL,
        named => named.iter().map(|id| DatasetId(*id)).collect(),
    };
    let wanted = Wanted { datasets, ..Wanted::EVERYTHING };
    let answers = inner.lookup.many(&[keys], wanted, deadline).await;
    let answer = answers.into_iter().next().unwrap_or_default();
    // That of the store: offline tags may be lost by themselves, and are said to be.
    match answer.realtime_status {
        SourceStatus::Known => {}
        SourceStatus::Late => return Err(Status::deadline_exceeded("the tag store did not answer in time")),
        SourceStatus::Failed | SourceStatus::Stale => {
            return Err(Status::unavailable("the tag store failed; try again"));
        }
        SourceStatus::Uncertain => {
            return Err(Status::unavailable(
                "the suppression list is being replayed into the tag store; try again in a moment",
            ));
        }
    }
    let words = Words { registry: inner.registry.now(), tenant, now: inner.clock.now() };
    let unreadable = |Unreadable { what, error, remedy }: Unreadable| {
        Status::data_loss(format!("user {}: {what}: {error}; {remedy}", keys.user))
    };
    Ok(pb::LookupResponse {
        key: keys.user.to_string(),
        suppressed: answer.suppressed,
        tags: words.tags(&answer).map_err(unreadable)?,
        counts: words.counts(&answer).map_err(unreadable)?,
        datasets: words.datasets(&answer),
    })
}

/// A user as a lookup asks for them, who came with no other id.
fn user_keys(keys: &MacKeys, id: &StandardId<'_>) -> UserKeys {
    let (user, previous) = keys.user_keys(id);
    let mut others = OtherKeys::NONE;
    // A deployment that has rotated its keys more often than that lost count of them.
    let _all = keys.retired.iter().all(|key| others.push(key.user_key(id)));
    UserKeys { user, previous, others }
}

/// The raw id in its standard form.
pub(super) fn standard_id(user: Option<&pb::UserId>) -> Result<StandardId<'_>, Violation> {
    let user = user.ok_or_else(|| Violation::new("", "missing: give kind and id"))?;
    let id = wire::user_id(user).ok_or_else(|| {
        let problem = if user.kind == 0 { "missing".to_owned() } else { format!("{} is unknown", user.kind) };
        Violation::new("kind", format!("{problem}: use BUYERUID, EID, IFA or EXCHANGE_USER"))
    })?;
    id.standard().map_err(|problem| match problem {
        IdError::NoSource | IdError::UnwantedSource | IdError::BadSource => Violation::new("source", problem),
        IdError::Empty | IdError::Placeholder => {
            Violation::new("id", format!("{problem}: leave the user out"))
        }
        IdError::TooLong(_) | IdError::Control => Violation::new("id", problem),
    })
}

/// A value in the store that is none of ours.
struct Unreadable {
    what: String,
    error: BlobError,
    remedy: &'static str,
}

impl Unreadable {
    fn realtime(error: BlobError) -> Self {
        Self { what: "real-time tags".into(), error, remedy: "the next event replaces them" }
    }

    fn offline(dataset: DatasetId) -> impl Fn(BlobError) -> Self {
        let remedy = "load the dataset anew, or write the user's tags again";
        move |error| Self { what: format!("tags of dataset {dataset}"), error, remedy }
    }

    fn counts(error: BlobError) -> Self {
        Self { what: "counts".into(), error, remedy: "the next impression begins them anew" }
    }
}

/// Decodes for one caller at one moment.
struct Words {
    registry: Arc<Registry>,
    tenant: Option<AdvertiserId>,
    now: Timestamp,
}

impl Words {
    fn tags(&self, answer: &TagAnswer) -> Result<Vec<pb::KnownTag>, Unreadable> {
        let mut tags = Vec::new();
        if let Some(blob) = &answer.realtime {
            for tag in Realtime::parse(blob).map_err(Unreadable::realtime)?.tags() {
                let tag = tag.map_err(Unreadable::realtime)?;
                tags.extend(self.tag(tag.id, tag.weight_at(self.now), tag.event, tag.expiry()));
            }
            tags.retain(|tag| tag.weight > 0);
        }
        for one in &answer.offline {
            let Some(source) = self.dataset(one.dataset) else {
                continue;
            };
            let Some(blob) = &one.blob else { continue };
            let unreadable = Unreadable::offline(one.dataset);
            let read = Offline::parse(blob).map_err(&unreadable)?;
            for tag in read.tags() {
                let tag = tag.map_err(&unreadable)?;
                let expires = read.expiry(&tag);
                if expires > self.now {
                    let known = self.tag(tag.id, tag.weight, read.as_of(), expires);
                    tags.extend(known.map(|known| pb::KnownTag {
                        source: source.clone(),
                        dataset: Some(one.dataset.0),
                        version: Some(one.version),
                        ..known
                    }));
                }
            }
        }
        Ok(tags)
    }

    /// What was read, as far as the caller may see it.
    fn datasets(&self, answer: &TagAnswer) -> Vec<pb::ReadDataset> {
        let read = |one: &DatasetTags| {
            let known = self.registry.dataset(one.dataset);
            if !self.may_see(known, |dataset, tenant| dataset.is_open_to(tenant)) {
                return None;
            }
            Some(pb::ReadDataset {
                dataset: one.dataset.0,
                name: known.map_or_else(String::new, |dataset| dataset.name.clone()),
                version: one.version,
                as_of: one.as_of.map(wire::to_timestamp),
                lost: !one.status.is_usable(),
            })
        };
        answer.offline.iter().filter_map(read).collect()
    }

    /// A real-time tag, if the caller may see it.
    fn tag(&self, id: TagId, weight: u8, since: Timestamp, expires: Timestamp) -> Option<pb::KnownTag> {
        let definition = self.registry.tag(id);
        if !self.may_see(definition, |tag, tenant| self.registry.is_open_to(tenant, tag)) {
            return None;
        }
        Some(pb::KnownTag {
            tag: id.0,
            name: definition.map_or_else(|| format!("tag {id}, not in the registry"), |tag| tag.name.clone()),
            source: "realtime".into(),
            weight: weight.into(),
            age_s: u32::try_from(self.now.since(since).as_secs()).unwrap_or(u32::MAX),
            expires: Some(wire::to_timestamp(expires)),
            dataset: None,
            version: None,
        })
    }

    /// The dataset's name, if the caller may see it.
    fn dataset(&self, id: DatasetId) -> Option<String> {
        let dataset = self.registry.dataset(id);
        let name = dataset.map_or_else(|| id.to_string(), |dataset| dataset.name.clone());
        let may_see = self.may_see(dataset, |dataset, tenant| dataset.is_open_to(tenant));
        may_see.then(|| format!("offline: {name}"))
    }

    /// What is open to the caller; what the registry does not know, only the operator sees.
    fn may_see<T>(&self, found: Option<T>, is_open: impl Fn(T, AdvertiserId) -> bool) -> bool {
        match (self.tenant, found) {
            (None, _) => true,
            (Some(tenant), Some(found)) => is_open(found, tenant),
            (Some(_), None) => false,
        }
    }

    fn counts(&self, answer: &TagAnswer) -> Result<Vec<pb::KnownCount>, Unreadable> {
        let (Some(blob), None) = (&answer.frequency, self.tenant) else {
            return Ok(Vec::new());
        };
        let read = || {
            let counts = Counts::parse(blob)?;
            let entities = counts.entities()?.into_iter();
            entities.map(|counted| self.count(&counts, counted)).collect::<Result<Vec<_>, BlobError>>()
        };
        read().map_err(Unreadable::counts)
    }

    fn count(&self, counts: &Counts<'_>, counted: Counted) -> Result<pb::KnownCount, BlobError> {
        let (kind, id) = match counted {
            Counted::LineItem(id) => ("line_item", id.0),
            Counted::Campaign(id) => ("campaign", id.0),
            Counted::Advertiser(id) => ("advertiser", id.0),
        };
        Ok(pb::KnownCount {
            kind: kind.into(),
            id,
            hour: counts.count(counted, Some(HOUR), self.now)?,
            day: counts.count(counted, Some(HOUR * 24), self.now)?,
            week: counts.count(counted, Some(HOUR * 24 * 7), self.now)?,
            total: counts.count(counted, None, self.now)?,
        })
    }
}
