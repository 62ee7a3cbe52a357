//! What is known of one user, in words, for people.

use tagbid_types::Timestamp;
use tagbid_wire::pb::tags as pb;
use tagbid_wire::pb::tags::tag_service_client::TagServiceClient;
use tagbid_wire::tags::timestamp;
use thiserror::Error;
use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use crate::catalog::Bearer;
use crate::find::user_id;
use crate::{Endpoint, RawId};

/// Why nothing was told: the server's words.
#[derive(Debug, Error)]
#[error("{}", .0.message())]
pub struct KnownError(Box<Status>);

/// A user as the caller may see them.
#[derive(Clone, Debug, Default)]
pub struct KnownUser {
    /// As the user stands in the store's keys and in logs.
    pub key: String,
    /// The user asked not to be known: nothing else is here.
    pub suppressed: bool,
    /// What counts now.
    pub tags: Vec<KnownTag>,
    /// How often the user was shown something.
    pub counts: Vec<KnownCount>,
    /// What was read.
    pub datasets: Vec<ReadDataset>,
}

/// A tag that counts now.
#[derive(Clone, Debug)]
pub struct KnownTag {
    /// Its id.
    pub id: u32,
    /// Its name in the registry.
    pub name: String,
    /// "realtime", or "offline: " and the dataset's name.
    pub source: String,
    /// Decayed to now, 0 to 255.
    pub weight: u32,
    /// Seconds since the event, or since the moment that the dataset describes.
    pub age_s: u32,
    /// When it ceases to count.
    pub expires: Option<Timestamp>,
}

/// Impressions of one line item, campaign or advertiser, in rolling windows.
#[derive(Clone, Debug)]
pub struct KnownCount {
    /// "line_item", "campaign" or "advertiser".
    pub kind: String,
    /// Which one.
    pub id: u64,
    /// In the last hour, day and week, and ever.
    pub windows: [u32; 4],
}

/// A dataset and the version that was read.
#[derive(Clone, Debug)]
pub struct ReadDataset {
    /// Its name.
    pub name: String,
    /// The version.
    pub version: u32,
    /// The moment that the version describes; none: it is written user by user.
    pub as_of: Option<Timestamp>,
    /// The store lacks a part of it: which tags the user has there, nobody knows.
    pub lost: bool,
}

/// Asks a tags node.
#[derive(Debug)]
pub struct UserReader(TagServiceClient<InterceptedService<Channel, Bearer>>);

impl UserReader {
    /// Connects to the tags role.
    pub async fn connect(tags: &Endpoint) -> Result<Self, tonic::transport::Error> {
        Ok(Self(TagServiceClient::new(tags.connect().await?)))
    }

    /// What is known of the user.
    pub async fn read(&mut self, user: &RawId) -> Result<KnownUser, KnownError> {
        let request = pb::LookupRequest { user: Some(user_id(user)), datasets: Vec::new() };
        let answer = self.0.lookup(request).await.map_err(|status| KnownError(Box::new(status)))?;
        Ok(known(answer.into_inner()))
    }
}

fn known(answer: pb::LookupResponse) -> KnownUser {
    let tag = |tag: pb::KnownTag| KnownTag {
        id: tag.tag,
        name: tag.name,
        source: tag.source,
        weight: tag.weight,
        age_s: tag.age_s,
        expires: tag.expires.as_ref().and_then(timestamp),
    };
    let count = |count: pb::KnownCount| KnownCount {
        windows: [count.hour, count.day, count.week, count.total],
        kind: count.kind,
        id: count.id,
    };
    let dataset = |read: pb::ReadDataset| ReadDataset {
        name: read.name,
        version: read.version,
        as_of: read.as_of.as_ref().and_then(timestamp),
        lost: read.lost,
    };
    KnownUser {
        key: answer.key,
        suppressed: answer.suppressed,
        tags: answer.tags.into_iter().map(tag).collect(),
        counts: answer.counts.into_iter().map(count).collect(),
        datasets: answer.datasets.into_iter().map(dataset).collect(),
    }
}
