//! Events as data teams send them: `tagbid tags ingest`.

use tagbid_types::{DatasetId, Timestamp};
use tagbid_wire::pb::tags as pb;
use tagbid_wire::pb::tags::ingest_service_client::IngestServiceClient;
use tagbid_wire::tags as wire;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

use crate::load::{SnapshotsError, TagRef};
use crate::{Endpoint, RawId, pack};

/// Batches on their way to the connection.
const AHEAD: usize = 2;

/// What a user did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventToSend {
    /// Identity of the event, 1 to 64 bytes.
    pub id: String,
    /// Who did it.
    pub user: RawId,
    /// A dataset of real-time tags.
    pub dataset: DatasetId,
    /// What tells of it.
    pub tag: TagRef,
    /// When it happened.
    pub at: Timestamp,
    /// 0 to 255, at that moment.
    pub weight: u32,
    /// Other ids of the same person.
    pub also: Vec<RawId>,
}

/// What became of a batch: all that is not refused is in every lookup from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// Events that were taken in.
    pub accepted: u64,
    /// All others.
    pub refused: Vec<RefusedEvent>,
}

/// An event that was not taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedEvent {
    /// Its place in the batch.
    pub event: usize,
    /// Why.
    pub reason: String,
    /// The same may be taken in later.
    pub retry: bool,
}

/// Batches of events, on one stream.
#[derive(Debug)]
pub struct EventStream {
    sequence: u64,
    batches: mpsc::Sender<pb::IngestBatch>,
    acks: Streaming<pb::IngestAck>,
}

impl EventStream {
    /// A stream to a tags role.
    pub async fn open(tags: &Endpoint) -> Result<Self, SnapshotsError> {
        let mut client = IngestServiceClient::new(tags.connect().await?);
        let (batches, outgoing) = mpsc::channel(AHEAD);
        let acks = client.ingest(ReceiverStream::new(outgoing)).await?.into_inner();
        Ok(Self { sequence: 0, batches, acks })
    }

    /// Sends 1 to 1,000 events. When the stream has ended, the next answer says why.
    pub async fn send<'a>(&mut self, events: impl Iterator<Item = &'a EventToSend>) {
        self.sequence += 1;
        let batch = pb::IngestBatch { sequence: self.sequence, events: events.map(event_to).collect() };
        let _ended = self.batches.send(batch).await;
    }

    /// The answer to the earliest batch that has none yet. May be dropped and asked again.
    pub async fn answer(&mut self) -> Result<Taken, SnapshotsError> {
        let ended = || Status::unavailable("the tags role ended the stream; it may be draining");
        let ack = self.acks.message().await?.ok_or_else(ended)?;
        let refused = ack.rejects.into_iter().map(|one| RefusedEvent {
            event: one.event as usize,
            reason: one.description,
            retry: one.retry,
        });
        Ok(Taken { accepted: ack.accepted.into(), refused: refused.collect() })
    }
}

fn event_to(event: &EventToSend) -> pb::Event {
    let id = |user: &RawId| pack::id(user.kind, &user.source, &user.id);
    pb::Event {
        event_id: event.id.clone(),
        user: Some(id(&event.user)),
        dataset: event.dataset.0,
        tag: Some(match &event.tag {
            TagRef::Id(id) => pb::event::Tag::TagId(*id),
            TagRef::Name(name) => pb::event::Tag::TagName(name.clone()),
        }),
        event_time: Some(wire::to_timestamp(event.at)),
        weight: event.weight,
        also: event.also.iter().map(id).collect(),
    }
}
