//! Users of suppression requests, turned into keys at the edge: raw ids go no further.

use tagbid_tagset::{IdError, IdKind, MacKeys, UserId, UserKey};
use thiserror::Error;

use crate::pb::campaigns as pb;
use pb::suppression_user::User;

/// What is wrong with a user of a request. Never contains the id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SuppressionUserError {
    /// Neither an id nor a key.
    #[error("says no user")]
    Missing,
    /// The key is not 16 bytes long.
    #[error("user_key has {0} bytes instead of 16")]
    KeyLength(usize),
    /// The id's kind is not said or not known.
    #[error("kind is not said")]
    Kind,
    /// The id stands for nobody.
    #[error(transparent)]
    Id(#[from] IdError),
}

/// Every key of a user: while MAC keys rotate a raw id has one under each.
pub fn users_from(user: &pb::SuppressionUser, keys: &MacKeys) -> Result<Vec<UserKey>, SuppressionUserError> {
    match user.user.as_ref().ok_or(SuppressionUserError::Missing)? {
        User::UserKey(bytes) => {
            let key = <[u8; 16]>::try_from(bytes.as_slice());
            Ok(vec![UserKey(key.map_err(|_| SuppressionUserError::KeyLength(bytes.len()))?)])
        }
        User::Id(raw) => {
            let kind = match pb::UserIdKind::try_from(raw.kind) {
                Ok(pb::UserIdKind::BuyerUid) => IdKind::BuyerUid,
                Ok(pb::UserIdKind::Eid) => IdKind::Eid,
                Ok(pb::UserIdKind::Ifa) => IdKind::Ifa,
                Ok(pb::UserIdKind::ExchangeUser) => IdKind::ExchangeUser,
                Ok(pb::UserIdKind::Unspecified) | Err(_) => return Err(SuppressionUserError::Kind),
            };
            let id = UserId { kind, source: &raw.source, id: &raw.id };
            let (current, previous) = keys.user_keys(&id.standard()?);
            Ok([Some(current), previous].into_iter().flatten().collect())
        }
    }
}
