//! The catalog stream: events cut into messages of a size that gRPC carries, and put together again.

use std::sync::Arc;

use prost::Message;
use tagbid_catalog::{Catalog, Change, Entity, EntityKind, Place, Report};
use tagbid_ports::{CatalogEvent, SuppressionChange, SuppressionEvent};
use tagbid_tagset::UserKey;
use tagbid_types::{CatalogLife, Revision, TagId, Timestamp};
use thiserror::Error;

use super::Resource;
use super::common::{time_to, timestamp};
use crate::pb::campaigns as pb;
use pb::entity::Entity as Body;
use pb::watch_response::Event;

/// Entities are gathered into one message up to this many bytes.
const CHUNK: usize = 256 * 1024;

/// What came over the stream is not what our server sends.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StreamError {
    /// A message without content, or of a kind that this version does not know.
    #[error("a message of a kind that this version does not know")]
    Unknown,
    /// An entity that cannot be read.
    #[error("an entity that cannot be read: {0}")]
    Entity(String),
    /// A key that is not 16 bytes long.
    #[error("a user key of {0} bytes")]
    UserKey(usize),
}

/// The question of a reader that is at this place.
pub fn place_to(place: Place) -> pb::WatchRequest {
    pb::WatchRequest {
        from_revision: place.revision.0,
        life: place.life.0,
        changed: Some(time_to(place.changed)),
        newest_tag_id: place.newest_tag.0,
    }
}

/// Where the reader is that asks.
pub fn place_from(request: &pb::WatchRequest) -> Place {
    Place {
        life: CatalogLife(request.life),
        revision: Revision(request.from_revision),
        changed: request.changed.as_ref().and_then(timestamp).unwrap_or_default(),
        newest_tag: TagId(request.newest_tag_id),
    }
}

/// The messages of an event, in order.
pub fn catalog_event_to(event: &CatalogEvent) -> Vec<pb::WatchResponse> {
    let events = match event {
        CatalogEvent::Snapshot(catalog) => snapshot_to(catalog),
        CatalogEvent::Changes(changes) => changes_to(changes),
        CatalogEvent::UpToDate { revision, at } => {
            vec![Event::UpToDate(pb::UpToDate { revision: revision.0, at: Some(time_to(*at)) })]
        }
    };
    let wrap = |event| pb::WatchResponse { event: Some(event) };
    events.into_iter().map(wrap).collect()
}

fn snapshot_to(catalog: &Catalog) -> Vec<Event> {
    let mut chunks = chunks(catalog.entities.values().map(entity_to));
    // An empty catalog is a snapshot too.
    let last = chunks.pop().unwrap_or_default();
    let chunk = |entities, last| {
        Event::Snapshot(pb::SnapshotChunk {
            revision: catalog.revision.0,
            entities,
            last,
            life: catalog.life.0,
            changed: Some(time_to(catalog.changed)),
        })
    };
    let mut events: Vec<Event> = chunks.into_iter().map(|entities| chunk(entities, false)).collect();
    events.push(chunk(last, true));
    events
}

fn changes_to(changes: &[Change]) -> Vec<Event> {
    let each = changes
        .iter()
        .map(|change| pb::Change { revision: change.revision.0, entity: Some(entity_to(&change.entity)) });
    let wrap = |changes| Event::Changes(pb::Changes { changes });
    chunks(each).into_iter().map(wrap).collect()
}

fn chunks<M: Message>(messages: impl Iterator<Item = M>) -> Vec<Vec<M>> {
    let mut chunks = Vec::new();
    let (mut chunk, mut size) = (Vec::new(), 0);
    for message in messages {
        size += message.encoded_len();
        chunk.push(message);
        if size >= CHUNK {
            chunks.push(std::mem::take(&mut chunk));
            size = 0;
        }
    }
    if !chunk.is_empty() {
        chunks.push(chunk);
    }
    chunks
}

fn entity_to(entity: &Entity) -> pb::Entity {
    let body = match entity.kind() {
        EntityKind::Advertiser => Resource::write(entity).map(Body::Advertiser),
        EntityKind::Campaign => Resource::write(entity).map(Body::Campaign),
        EntityKind::LineItem => Resource::write(entity).map(Body::LineItem),
        EntityKind::Creative => Resource::write(entity).map(Body::Creative),
        EntityKind::Deal => Resource::write(entity).map(Body::Deal),
        EntityKind::List => Resource::write(entity).map(Body::List),
        EntityKind::Dataset => Resource::write(entity).map(Body::Dataset),
        EntityKind::Tag => Resource::write(entity).map(Body::TagDefinition),
    };
    pb::Entity { entity: body }
}

fn entity_from(entity: Option<&pb::Entity>) -> Result<Entity, StreamError> {
    let body = entity.and_then(|e| e.entity.as_ref()).ok_or(StreamError::Unknown)?;
    let mut report = Report::on("entity");
    let read = match body {
        Body::Advertiser(e) => e.read(&mut report),
        Body::Campaign(e) => e.read(&mut report),
        Body::LineItem(e) => e.read(&mut report),
        Body::Creative(e) => e.read(&mut report),
        Body::Deal(e) => e.read(&mut report),
        Body::List(e) => e.read(&mut report),
        Body::Dataset(e) => e.read(&mut report),
        Body::TagDefinition(e) => e.read(&mut report),
    };
    match (read, report.problems()) {
        (Some(entity), []) => Ok(entity),
        (_, problems) => {
            let problem = problems.first().map(ToString::to_string);
            Err(StreamError::Entity(problem.unwrap_or_default()))
        }
    }
}

/// Puts the messages of a stream together again.
#[derive(Debug, Default)]
pub struct CatalogReader {
    /// The chunks so far of a snapshot that is not complete.
    partial: Catalog,
}

impl CatalogReader {
    /// Takes the next message; gives an event when one is complete.
    pub fn read(&mut self, message: pb::WatchResponse) -> Result<Option<CatalogEvent>, StreamError> {
        match message.event.ok_or(StreamError::Unknown)? {
            Event::Snapshot(chunk) => self.snapshot(&chunk),
            Event::Changes(changes) => {
                let each = changes.changes.iter().map(|change| {
                    Ok(Change {
                        revision: Revision(change.revision),
                        entity: entity_from(change.entity.as_ref())?,
                    })
                });
                Ok(Some(CatalogEvent::Changes(each.collect::<Result<_, _>>()?)))
            }
            Event::UpToDate(state) => Ok(Some(CatalogEvent::UpToDate {
                revision: Revision(state.revision),
                at: state.at.as_ref().and_then(timestamp).unwrap_or(Timestamp(0)),
            })),
        }
    }

    fn snapshot(&mut self, chunk: &pb::SnapshotChunk) -> Result<Option<CatalogEvent>, StreamError> {
        if (self.partial.revision.0, self.partial.life.0) != (chunk.revision, chunk.life) {
            self.partial = Catalog {
                life: CatalogLife(chunk.life),
                revision: Revision(chunk.revision),
                ..Catalog::default()
            };
        }
        self.partial.changed = chunk.changed.as_ref().and_then(timestamp).unwrap_or_default();
        for entity in &chunk.entities {
            let entity = entity_from(Some(entity))?;
            self.partial.entities.insert_mut(entity.key(), entity);
        }
        let whole = chunk.last.then(|| std::mem::take(&mut self.partial));
        Ok(whole.map(|catalog| CatalogEvent::Snapshot(Arc::new(catalog))))
    }
}

/// The message of an event; `position` is the list's position that the reader has after it.
pub fn suppression_event_to(event: &SuppressionEvent, position: Revision) -> pb::WatchSuppressionsResponse {
    match event {
        SuppressionEvent::Users(changes) => pb::WatchSuppressionsResponse {
            revision: changes.last().map_or(position.0, |last| last.revision.0),
            users: changes.iter().map(change_to).collect(),
            caught_up: false,
        },
        SuppressionEvent::CaughtUp => {
            pb::WatchSuppressionsResponse { revision: position.0, users: Vec::new(), caught_up: true }
        }
    }
}

fn change_to(change: &SuppressionChange) -> pb::SuppressedUser {
    pb::SuppressedUser {
        user_key: change.user.0.to_vec(),
        suppressed: change.suppressed,
        revision: change.revision.0,
        erased: Some(change.erased.0),
        others: change.others.iter().map(|key| key.0.to_vec()).collect(),
    }
}

/// The events of a message: users, then perhaps that these were the last for now.
pub fn suppression_event_from(
    message: &pb::WatchSuppressionsResponse,
) -> Result<Vec<SuppressionEvent>, StreamError> {
    let key = |bytes: &Vec<u8>| UserKey::from_slice(bytes).ok_or(StreamError::UserKey(bytes.len()));
    let users = message.users.iter().map(|user| {
        let revision = Revision(if user.revision == 0 { message.revision } else { user.revision });
        Ok(SuppressionChange {
            revision,
            user: key(&user.user_key)?,
            suppressed: user.suppressed,
            erased: user.erased.map_or(revision, Revision),
            others: user.others.iter().map(key).collect::<Result<_, _>>()?,
        })
    });
    let users = users.collect::<Result<Vec<_>, StreamError>>()?;
    let mut events = Vec::new();
    if !users.is_empty() {
        events.push(SuppressionEvent::Users(users));
    }
    if message.caught_up {
        events.push(SuppressionEvent::CaughtUp);
    }
    Ok(events)
}
