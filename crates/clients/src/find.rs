//! Looking through all keys of a tag store.

use std::io;

use tagbid_tagset::IdKind;
use tagbid_wire::pb::tags as pb;
use tagbid_wire::pb::tags::tag_service_client::TagServiceClient;
use thiserror::Error;
use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use crate::catalog::Bearer;
use crate::{Endpoint, RawId};

/// Why a search came to no end.
#[derive(Debug, Error)]
pub enum FindError {
    /// It was refused, or broke off.
    #[error("{}", .0.message())]
    Refused(Box<Status>),
    /// The stream ended before every key was looked at.
    #[error("the tags role ended the search before its end: look again")]
    Ended,
    /// What was found could not be written down.
    #[error(transparent)]
    Output(#[from] io::Error),
}

impl From<Status> for FindError {
    fn from(status: Status) -> Self {
        Self::Refused(Box::new(status))
    }
}

/// Asks a tags node.
#[derive(Debug)]
pub struct KeyFinder(TagServiceClient<InterceptedService<Channel, Bearer>>);

impl KeyFinder {
    /// Connects to the tags role.
    pub async fn connect(tags: &Endpoint) -> Result<Self, tonic::transport::Error> {
        Ok(Self(TagServiceClient::new(tags.connect().await?)))
    }

    /// Gives the names of all keys that hold something of these users, 1,000 at most, to `sink`. Returns when every key has
    /// been looked at.
    pub async fn find(
        &mut self,
        users: &[RawId],
        mut sink: impl FnMut(&str) -> io::Result<()>,
    ) -> Result<(), FindError> {
        let request = pb::FindKeysRequest { users: users.iter().map(user_id).collect() };
        let mut found = self.0.find_keys(request).await?.into_inner();
        while let Some(some) = found.message().await? {
            some.keys.iter().try_for_each(|key| sink(key))?;
            if some.last {
                return Ok(());
            }
        }
        Err(FindError::Ended)
    }
}

/// As the tags role is told of an id.
pub(crate) fn user_id(id: &RawId) -> pb::UserId {
    let kind = match id.kind {
        IdKind::BuyerUid => pb::IdKind::Buyeruid,
        IdKind::Eid => pb::IdKind::Eid,
        IdKind::Ifa => pb::IdKind::Ifa,
        IdKind::ExchangeUser => pb::IdKind::ExchangeUser,
    };
    pb::UserId { kind: kind.into(), source: id.source.clone(), id: id.id.clone() }
}
