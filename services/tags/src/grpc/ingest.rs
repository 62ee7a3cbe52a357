//! Events and impressions over gRPC. Raw ids become keys here.

use std::sync::Arc;

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use tagbid_catalog::people::{Id, MAX_IDS};
use tagbid_ports::{CountError, CountOutcome, ImpressionCounter, MAX_IMPRESSIONS};
use tagbid_runtime::auth::{self, Tokens};
use tagbid_tagset::StandardId;
use tagbid_types::{AdvertiserId, DatasetId, TagId};
use tagbid_wire::frequency::{impression_from, outcome_to};
use tagbid_wire::pb::tags as pb;
use tagbid_wire::pb::tags::ingest_service_server::{IngestService, IngestServiceServer};
use tagbid_wire::tags as wire;
use tokio::sync::OwnedSemaphorePermit;
use tonic::service::RoutesBuilder;
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status, Streaming};

use super::read::standard_id;
use super::refusal::Violation;
use super::{MAX_REQUEST, need_role, tenant};
use crate::Service;
use crate::ingest::{Busy, Event, Problem, Reason, Rejects, TagRef};
use crate::listed;
use crate::service::Inner;

/// Streams of one node. With [`BATCHES`] of [`MAX_REQUEST`] bytes each they hold 128 MiB at the very most.
pub(crate) const MAX_STREAMS: usize = 64;

/// Batches of one stream that are taken in at the same time; the next is not read. Two keep the store busy while the sender
/// answers an Ack; more only lie in wait, and their events are seen later.
const BATCHES: usize = 2;

/// Most events of a batch.
const MAX_EVENTS: usize = 1_000;

/// Most other ids of an event: with its own half as many as a person may have, because each may have two keys.
const MAX_ALSO: usize = MAX_IDS / 2 - 1;

/// Longest event id in bytes.
const MAX_ID: usize = 64;

pub(super) fn add_service(service: &Service, routes: &mut RoutesBuilder, tokens: Tokens) {
    let server = IngestServiceServer::new(service.clone()).max_decoding_message_size(MAX_REQUEST);
    routes.add_service(InterceptedService::new(server, tokens));
}

#[tonic::async_trait]
impl IngestService for Service {
    type IngestStream = BoxStream<'static, Result<pb::IngestAck, Status>>;

    async fn ingest(
        &self,
        request: Request<Streaming<pb::IngestBatch>>,
    ) -> Result<Response<Self::IngestStream>, Status> {
        let tenant = tenant(&auth::principal(&request)?)?;
        let place = Arc::clone(&self.inner.ingest_streams).try_acquire_owned().map_err(|_| {
            Status::resource_exhausted(format!(
                "this node takes {MAX_STREAMS} streams of events: send more in each, or to another node"
            ))
        })?;
        Ok(Response::new(acks(Arc::clone(&self.inner), tenant, place, request.into_inner()).boxed()))
    }

    async fn count_impressions(
        &self,
        request: Request<pb::CountImpressionsRequest>,
    ) -> Result<Response<pb::CountImpressionsResponse>, Status> {
        need_role(&request, "the ledger's reports")?;
        let impressions = request.into_inner().impressions;
        if impressions.is_empty() || impressions.len() > MAX_IMPRESSIONS {
            let what = format!("{} impressions: send 1 to {MAX_IMPRESSIONS}", impressions.len());
            return Err(Violation::new("impressions", what).into());
        }
        let (mut read, mut good) = (Vec::with_capacity(impressions.len()), Vec::new());
        for one in &impressions {
            match impression_from(one) {
                Ok(one) => {
                    good.push(one);
                    read.push(None);
                }
                Err(problem) => read.push(Some(CountOutcome::Refused(problem.into()))),
            }
        }
        let counted = self.inner.counter.count(good).await.map_err(|error| match error {
            CountError::Refused(problem) => Status::invalid_argument(problem),
            CountError::Unavailable(problem) => Status::unavailable(problem),
        })?;
        let mut counted = counted.into_iter();
        let results = read.into_iter().filter_map(|refused| refused.or_else(|| counted.next()));
        Ok(Response::new(pb::CountImpressionsResponse { results: results.map(outcome_to).collect() }))
    }
}

/// Answers batches in order, some of them taken in at the same time. Ends with the sender's stream, with a batch that is none,
/// or with the drain: what has no Ack by then is sent to another node.
fn acks(
    inner: Arc<Inner>,
    tenant: Option<AdvertiserId>,
    place: OwnedSemaphorePermit,
    batches: Streaming<pb::IngestBatch>,
) -> impl Stream<Item = Result<pb::IngestAck, Status>> + Send {
    let drain = inner.drain.clone();
    let open: (OwnedSemaphorePermit, Busy) = (place, inner.ingest.stats.stream());
    let batches = batches.take_until(async move { drain.wait().await });
    let acks = batches.map(move |batch| {
        let inner = Arc::clone(&inner);
        async move { take(&inner, tenant, batch?).await }
    });
    acks.buffered(BATCHES).map(move |ack| {
        let _open = &open;
        ack
    })
}

async fn take(
    inner: &Inner,
    tenant: Option<AdvertiserId>,
    batch: pb::IngestBatch,
) -> Result<pb::IngestAck, Status> {
    let (sequence, count) = (batch.sequence, batch.events.len());
    if !(1..=MAX_EVENTS).contains(&count) {
        let what = format!("batch {sequence} has {count} events: send 1 to {MAX_EVENTS}");
        return Err(Violation::new("events", what).into());
    }
    let _busy = inner.ingest.stats.batch();
    let (mut events, mut rejects) = (Vec::with_capacity(count), Rejects::new());
    for (place, event) in batch.events.into_iter().enumerate() {
        match read(inner, event) {
            Ok(event) => events.push((place, event)),
            Err(problem) => drop(rejects.insert(place, problem)),
        }
    }
    let rejects = inner.ingest.batch(tenant, events, rejects).await;
    let index = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
    Ok(pb::IngestAck {
        sequence,
        accepted: index(count - rejects.len()),
        rejects: rejects.into_iter().map(|(place, problem)| reject(index(place), problem)).collect(),
    })
}

fn read(inner: &Inner, event: pb::Event) -> Result<Event, Problem> {
    if event.event_id.is_empty() || event.event_id.len() > MAX_ID {
        return Err(Problem::new(Reason::EventId, format!("event_id: send 1 to {MAX_ID} bytes")));
    }
    let id = standard_id(event.user.as_ref()).map_err(|violation| {
        let violation = violation.within("user");
        Problem::new(Reason::User, format!("{}: {}", violation.field, violation.description))
    })?;
    let user = inner.keys.current.user_key(&id);
    let person = person(inner, &id, &event.also)?;
    let tag = match event.tag {
        Some(pb::event::Tag::TagId(id)) => TagRef::Id(TagId(id)),
        Some(pb::event::Tag::TagName(name)) => TagRef::Name(name),
        None => return Err(Problem::new(Reason::Tag, "send tag_id or tag_name")),
    };
    let at = event.event_time.as_ref().and_then(wire::timestamp);
    let at = at.ok_or_else(|| Problem::new(Reason::EventTime, "event_time is missing, or no valid time"))?;
    let weight = u8::try_from(event.weight)
        .map_err(|_| Problem::new(Reason::Weight, format!("weight {}: use 0 to 255", event.weight)))?;
    let others = listed::others(&inner.keys, &id).map(|(_, other)| other).collect();
    let dataset = DatasetId(event.dataset);
    Ok(Event { id: event.event_id, user, others, person, dataset, tag, at, weight })
}

/// The keys of all ids of an event that has several.
fn person(inner: &Inner, id: &StandardId<'_>, also: &[pb::UserId]) -> Result<Vec<Id>, Problem> {
    if also.is_empty() {
        return Ok(Vec::new());
    }
    if also.len() > MAX_ALSO {
        let what = format!("also: has {} ids; send {MAX_ALSO} at most", also.len());
        return Err(Problem::new(Reason::Also, what));
    }
    let mut person = keys_of(inner, id);
    for (place, other) in also.iter().enumerate() {
        let other = standard_id(Some(other)).map_err(|violation| {
            let violation = violation.within(&format!("also[{place}]"));
            Problem::new(Reason::Also, format!("{}: {}", violation.field, violation.description))
        })?;
        person.extend(keys_of(inner, &other));
    }
    Ok(person)
}

/// An id under each MAC key in use.
fn keys_of(inner: &Inner, id: &StandardId<'_>) -> Vec<Id> {
    let keys = [&inner.keys.current].into_iter().chain(&inner.keys.previous);
    keys.map(|key| Id { key: key.user_key(id), mac: Some(key.version()) }).collect()
}

fn reject(event: u32, problem: Problem) -> pb::RejectedEvent {
    use pb::RejectReason as R;
    let reason = match problem.reason {
        Reason::EventId => R::EventId,
        Reason::Conflict => R::Conflict,
        Reason::User => R::User,
        Reason::Dataset => R::Dataset,
        Reason::Tag => R::Tag,
        Reason::Name => R::Name,
        Reason::UnknownName => R::UnknownName,
        Reason::AmbiguousName => R::AmbiguousName,
        Reason::NameLimit => R::NameLimit,
        Reason::EventTime => R::EventTime,
        Reason::Expired => R::Expired,
        Reason::Weight => R::Weight,
        Reason::RegistryUnavailable => R::RegistryUnavailable,
        Reason::StoreUnavailable => R::StoreUnavailable,
        Reason::Also => R::Also,
        Reason::PeopleUnavailable => R::PeopleUnavailable,
    };
    pb::RejectedEvent {
        event,
        reason: reason.into(),
        description: problem.description,
        retry: problem.reason.may_be_sent_again(),
    }
}
