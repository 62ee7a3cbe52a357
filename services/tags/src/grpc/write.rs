//! Data teams' writes: raw ids and readable tags in, keys and blobs out.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tagbid_catalog::{Dataset, DatasetKind, Registry, TagDefinition};
use tagbid_ports::TagWriter;
use tagbid_tagset::UserKey;
use tagbid_tagset::offline::{self, OfflineTag};
use tagbid_tagset::realtime::{self, RealtimeTag};
use tagbid_types::{AdvertiserId, DatasetId, TagId, Timestamp};
use tagbid_wire::pb::tags as pb;
use tagbid_wire::tags as wire;
use tonic::Status;

use super::read::standard_id;
use super::refusal::{Violation, bad_request, not_listed, not_written, reject};
use crate::Service;
use crate::listed::{self, Listed};

/// Most users of one request.
pub(super) const MAX_USERS: usize = 1_000;

/// How far a data team's clock may run ahead. An event of the far future would win over every later one.
const CLOCK_SKEW: Duration = Duration::from_secs(300);

pub(super) async fn offline(
    service: &Service,
    tenant: Option<AdvertiserId>,
    request: pb::PutOfflineTagsRequest,
) -> Result<pb::PutOfflineTagsResponse, Status> {
    check_users(request.users.len())?;
    let write = Write::new(service, tenant);
    let dataset = write.own_dataset(request.dataset)?;
    let as_of = write.past(request.as_of.as_ref(), "as_of")?;
    let as_of = as_of.ok_or_else(|| Violation::new("as_of", "missing: the moment that the tags describe"))?;

    let mut seen = HashSet::new();
    let (users, rejects) = split(&request.users, |one| {
        let (key, blob) = write.offline_user(one, as_of)?;
        if !seen.insert(key) {
            return Err(Violation::new("user", "the same user stands twice: send each once"));
        }
        Ok((key, blob))
    })?;
    let stored = users.len() as u32;
    let listed = listed(service, request.users.iter().map(|one| one.user.as_ref())).await?;
    let users = users.into_iter().filter(|(user, blob)| listed.keeps_offline(*user, blob)).collect();
    let version = service.inner.writer.offline(dataset, users).await.map_err(not_written)?;
    Ok(pb::PutOfflineTagsResponse { version, stored, rejects })
}

pub(super) async fn realtime(
    service: &Service,
    tenant: Option<AdvertiserId>,
    request: pb::MergeRealtimeTagsRequest,
) -> Result<pb::MergeRealtimeTagsResponse, Status> {
    check_users(request.users.len())?;
    let write = Write::new(service, tenant);
    let (users, rejects) = split(&request.users, |one| write.realtime_user(one))?;
    let stored = users.len() as u32;
    let listed = listed(service, request.users.iter().map(|one| one.user.as_ref())).await?;
    let mut kept = Vec::with_capacity(users.len());
    for (user, blob) in users {
        let left = listed.left_of(user, blob).map_err(|problem| Violation::new("users", problem))?;
        kept.extend(left.map(|blob| (user, blob)));
    }
    service.inner.writer.merge_realtime(kept).await.map_err(not_written)?;
    Ok(pb::MergeRealtimeTagsResponse { stored, rejects })
}

/// What the list of people says of users under other MAC keys.
async fn listed(
    service: &Service,
    users: impl Iterator<Item = Option<&pb::UserId>>,
) -> Result<Listed, Status> {
    let keys = &service.inner.keys;
    let ids = users.filter_map(|user| standard_id(user).ok());
    let others: Vec<_> = ids.flat_map(|id| listed::others(keys, &id).collect::<Vec<_>>()).collect();
    Listed::of(&*service.inner.writer.store, &others).await.map_err(not_listed)
}

fn check_users(users: usize) -> Result<(), Violation> {
    if (1..=MAX_USERS).contains(&users) {
        return Ok(());
    }
    Err(Violation::new("users", format!("{users} users: send 1 to {MAX_USERS} in one request")))
}

/// The users that can be stored, under their keys.
type Writable = Vec<(UserKey, Bytes)>;

/// Sorts good from bad; an error when there is no good one.
fn split<T>(
    users: &[T],
    mut convert: impl FnMut(&T) -> Result<(UserKey, Bytes), Violation>,
) -> Result<(Writable, Vec<pb::Reject>), Status> {
    let mut good = Vec::with_capacity(users.len());
    let mut bad = Vec::new();
    for (position, user) in users.iter().enumerate() {
        match convert(user) {
            Ok(one) => good.push(one),
            Err(violation) => bad.push((position, violation.within(&format!("users[{position}]")))),
        }
    }
    if good.is_empty() {
        return Err(bad_request(bad.into_iter().map(|(_, violation)| violation).collect()));
    }
    let rejects = bad.into_iter().map(|(position, violation)| reject(position, violation));
    Ok((good, rejects.collect()))
}

/// Converts the users of one request for one caller.
pub(super) struct Write<'a> {
    pub(super) service: &'a Service,
    /// Of one moment for all users.
    pub(super) registry: Arc<Registry>,
    tenant: Option<AdvertiserId>,
    now: Timestamp,
}

impl<'a> Write<'a> {
    pub(super) fn new(service: &'a Service, tenant: Option<AdvertiserId>) -> Self {
        let (registry, now) = (service.inner.registry.now(), service.inner.clock.now());
        Self { service, registry, tenant, now }
    }

    /// The dataset of offline tags, if the caller may write into it.
    pub(super) fn own_dataset(&self, id: u32) -> Result<DatasetId, Violation> {
        let one = self.own(id)?;
        match one.kind {
            DatasetKind::Offline => Ok(one.id),
            DatasetKind::Realtime => Err(Violation::new(
                "dataset",
                format!("dataset {id} is of real-time tags: send events, or write to one of offline tags"),
            )),
        }
    }

    /// The dataset, if it is the caller's. Another's dataset and none at all look the same.
    pub(super) fn own(&self, id: u32) -> Result<&Dataset, Violation> {
        let found = self.registry.dataset(DatasetId(id));
        let may = |one: &&Arc<Dataset>| self.tenant.is_none() || one.advertiser == self.tenant;
        match found.filter(may) {
            None => Err(Violation::new(
                "dataset",
                format!("dataset {id} is unknown or not yours: create it first"),
            )),
            Some(one) if one.header.archived => {
                Err(Violation::new("dataset", format!("dataset {id} is archived: write to another")))
            }
            Some(one) => Ok(one),
        }
    }

    /// The tag, if the caller may write it: its own, and in datasets the shared ones too.
    pub(super) fn tag(&self, id: u32, shared: bool) -> Result<&TagDefinition, Violation> {
        let found = self.registry.tag(TagId(id)).map(Arc::as_ref);
        let may = |one: &&TagDefinition| match self.tenant {
            None => true,
            tenant if one.advertiser == tenant => true,
            Some(tenant) => shared && one.advertiser.is_none() && self.registry.is_open_to(tenant, one),
        };
        match found.filter(may) {
            None => Err(Violation::new("tag", format!("tag {id} is unknown or not yours: define it first"))),
            Some(one) if one.header.archived => {
                Err(Violation::new("tag", format!("tag {id} is archived: use another")))
            }
            Some(one) => Ok(one),
        }
    }

    fn key(&self, user: Option<&pb::UserId>) -> Result<UserKey, Violation> {
        let id = standard_id(user).map_err(|violation| violation.within("user"))?;
        Ok(self.service.inner.keys.current.user_key(&id))
    }

    fn offline_user(&self, one: &pb::OfflineUser, as_of: Timestamp) -> Result<(UserKey, Bytes), Violation> {
        let tags = each(&one.tags, |tag| {
            let definition = self.tag(tag.tag, true)?;
            Ok(OfflineTag {
                id: definition.id,
                weight: weight(tag.weight)?,
                ttl_s: lifetime(tag.expires.as_ref(), as_of, self.registry.rules(definition).ttl_s)?,
            })
        })?;
        let blob = offline::encode(as_of, &tags).map_err(|problem| Violation::new("tags", problem))?;
        Ok((self.key(one.user.as_ref())?, blob.into()))
    }

    fn realtime_user(&self, one: &pb::RealtimeUser) -> Result<(UserKey, Bytes), Violation> {
        if one.tags.is_empty() {
            return Err(Violation::new("tags", "missing: send at least one tag"));
        }
        let tags = each(&one.tags, |tag| {
            let definition = self.tag(tag.tag, false)?;
            let rules = self.registry.rules(definition);
            let event = self.past(tag.event_time.as_ref(), "event_time")?.unwrap_or(self.now);
            let tag = RealtimeTag {
                id: definition.id,
                weight: weight(tag.weight)?,
                event,
                half_life_s: rules.half_life_s,
                ttl_s: lifetime(tag.expires.as_ref(), event, rules.ttl_s)?,
            };
            if tag.expiry() <= self.now {
                let problem = "the tag's lifetime after it is over: raise the lifetime or send events sooner";
                return Err(Violation::new("event_time", problem));
            }
            Ok(tag)
        })?;
        let blob = realtime::encode(&tags).map_err(|problem| Violation::new("tags", problem))?;
        Ok((self.key(one.user.as_ref())?, blob.into()))
    }

    /// A moment that is not in the future, a slow clock apart.
    pub(super) fn past(
        &self,
        at: Option<&prost_types::Timestamp>,
        field: &str,
    ) -> Result<Option<Timestamp>, Violation> {
        let Some(at) = at else {
            return Ok(None);
        };
        match wire::timestamp(at) {
            // A message that somebody forgot to fill in is that moment exactly.
            Some(at) if at.0 <= 0 => {
                Err(Violation::new(field, "lies in 1970 or before: give seconds since 1970"))
            }
            Some(at) if at > self.now.after(CLOCK_SKEW) => {
                Err(Violation::new(field, "lies over five minutes in the future: set the sender's clock"))
            }
            Some(at) => Ok(Some(at)),
            None => Err(Violation::new(
                field,
                "is no valid time: seconds since 1970, and nanos from 0 to 999,999,999",
            )),
        }
    }
}

/// Converts tags; a violation names the position.
pub(super) fn each<T, U>(
    tags: &[T],
    mut convert: impl FnMut(&T) -> Result<U, Violation>,
) -> Result<Vec<U>, Violation> {
    let named = |(position, tag)| {
        convert(tag).map_err(|violation: Violation| violation.within(&format!("tags[{position}]")))
    };
    tags.iter().enumerate().map(named).collect()
}

pub(super) fn weight(weight: u32) -> Result<u8, Violation> {
    u8::try_from(weight).map_err(|_| Violation::new("weight", format!("{weight}: use 0 to 255")))
}

/// Seconds from `start` to the expiry, or as long as the tag lives by `default`.
pub(super) fn lifetime(
    expires: Option<&prost_types::Timestamp>,
    start: Timestamp,
    default: u32,
) -> Result<u32, Violation> {
    let Some(expires) = expires else {
        return Ok(default);
    };
    let seconds = wire::timestamp(expires).map(|at| at.secs().saturating_sub(start.secs()));
    let seconds = seconds.filter(|seconds| *seconds > 0);
    seconds.and_then(|seconds| u32::try_from(seconds).ok()).ok_or_else(|| {
        Violation::new(
            "expires",
            "must be after the event or as-of time, at most 136 years: leave it out for the default",
        )
    })
}
