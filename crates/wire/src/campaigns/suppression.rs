//! Users of requests about people, turned into keys at the edge: raw ids go no further.

use tagbid_catalog::people::{Id, PeopleChange};
use tagbid_tagset::{IdError, IdKind, MacKey, MacKeys, UserId, UserKey};
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

/// A user under every key that makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdKeys {
    /// Under the keys in use: the current one first.
    pub used: Vec<Id>,
    /// Under retired keys: of interest where the list already knows them, and for erasing.
    pub retired: Vec<Id>,
}

/// Every key of a user. One that comes as a key is that key, made by nobody knows which.
pub fn user_from(user: &pb::SuppressionUser, keys: &MacKeys) -> Result<IdKeys, SuppressionUserError> {
    match user.user.as_ref().ok_or(SuppressionUserError::Missing)? {
        User::UserKey(bytes) => {
            let key = UserKey::from_slice(bytes).ok_or(SuppressionUserError::KeyLength(bytes.len()))?;
            Ok(IdKeys { used: vec![Id { key, mac: None }], retired: Vec::new() })
        }
        User::Id(raw) => {
            let kind = match pb::UserIdKind::try_from(raw.kind) {
                Ok(pb::UserIdKind::BuyerUid) => IdKind::BuyerUid,
                Ok(pb::UserIdKind::Eid) => IdKind::Eid,
                Ok(pb::UserIdKind::Ifa) => IdKind::Ifa,
                Ok(pb::UserIdKind::ExchangeUser) => IdKind::ExchangeUser,
                Ok(pb::UserIdKind::Unspecified) | Err(_) => return Err(SuppressionUserError::Kind),
            };
            let id = UserId { kind, source: &raw.source, id: &raw.id }.standard()?;
            let under = |key: &MacKey| Id { key: key.user_key(&id), mac: Some(key.version()) };
            let used = [&keys.current].into_iter().chain(&keys.previous).map(under).collect();
            Ok(IdKeys { used, retired: keys.retired.iter().map(under).collect() })
        }
    }
}

/// A raw id for a request.
pub fn raw_user(kind: IdKind, source: &str, id: &str) -> pb::SuppressionUser {
    let kind = match kind {
        IdKind::BuyerUid => pb::UserIdKind::BuyerUid,
        IdKind::Eid => pb::UserIdKind::Eid,
        IdKind::Ifa => pb::UserIdKind::Ifa,
        IdKind::ExchangeUser => pb::UserIdKind::ExchangeUser,
    };
    let raw = pb::RawUserId { kind: kind.into(), source: source.into(), id: id.into() };
    pb::SuppressionUser { user: Some(User::Id(raw)) }
}

/// The request that links these; keys go as they are, with the version of the MAC key that made them.
pub fn links_to(persons: &[Vec<Id>]) -> pb::LinkKeysRequest {
    let id = |id: &Id| pb::LinkedKey { user_key: id.key.0.to_vec(), mac_version: id.mac.map(u32::from) };
    let person = |ids: &Vec<Id>| pb::LinkedKeys { ids: ids.iter().map(id).collect() };
    pb::LinkKeysRequest { persons: persons.iter().map(person).collect() }
}

/// Reads such a request; none when a key is not 16 bytes long or a version none.
pub fn links_from(request: &pb::LinkKeysRequest) -> Option<Vec<Vec<Id>>> {
    let id = |id: &pb::LinkedKey| {
        let mac = id.mac_version.map(u8::try_from).transpose().ok()?;
        Some(Id { key: UserKey::from_slice(&id.user_key)?, mac })
    };
    let person = |person: &pb::LinkedKeys| person.ids.iter().map(id).collect();
    request.persons.iter().map(person).collect()
}

/// What a request wants; none when it does not say.
pub fn people_change_from(action: i32) -> Option<PeopleChange> {
    Some(match pb::PeopleAction::try_from(action).ok()? {
        pb::PeopleAction::Unspecified => return None,
        pb::PeopleAction::Suppress => PeopleChange::Suppress,
        pb::PeopleAction::Lift => PeopleChange::Lift,
        pb::PeopleAction::Erase => PeopleChange::Erase,
        pb::PeopleAction::Link => PeopleChange::Link,
        pb::PeopleAction::Unlink => PeopleChange::Unlink,
    })
}

/// The same on the wire.
pub fn people_change_to(change: PeopleChange) -> pb::PeopleAction {
    match change {
        PeopleChange::Suppress => pb::PeopleAction::Suppress,
        PeopleChange::Lift => pb::PeopleAction::Lift,
        PeopleChange::Erase => pb::PeopleAction::Erase,
        PeopleChange::Link => pb::PeopleAction::Link,
        PeopleChange::Unlink => pb::PeopleAction::Unlink,
    }
}
