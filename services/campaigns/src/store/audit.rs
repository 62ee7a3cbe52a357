//! Who changed what and when.

use tagbid_catalog::EntityKey;
use tagbid_catalog::people::PeopleChange;
use tagbid_types::{Principal, Revision, Timestamp};

use super::{Session, StoreError};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Create,
    Update,
    Archive,
    People(PeopleChange),
}

impl Action {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Archive => "archive",
            Self::People(change) => change.as_str(),
        }
    }
}

/// Notes a change of an entity, and which fields it touched.
pub(crate) async fn entity(
    session: &mut dyn Session,
    who: &Principal,
    action: Action,
    key: EntityKey,
    revision: Revision,
    fields: &[String],
    now: Timestamp,
) -> Result<(), StoreError> {
    let fields = fields.join(",");
    note(session, who, action, (key.kind.as_str(), key.id), revision, &fields, now).await
}

/// Notes a change of the list of people: how many ids, never whose.
pub(crate) async fn people(
    session: &mut dyn Session,
    who: &Principal,
    change: PeopleChange,
    users: u64,
    revision: Revision,
    now: Timestamp,
) -> Result<(), StoreError> {
    let fields = format!("{users} users");
    note(session, who, Action::People(change), ("suppression", 0), revision, &fields, now).await
}

async fn note(
    session: &mut dyn Session,
    who: &Principal,
    action: Action,
    (kind, id): (&str, u64),
    revision: Revision,
    fields: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    session
        .execute(
            "INSERT INTO audit (made_at, principal, action, kind, id, revision, fields) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            &[
                now.0.into(),
                who.name.as_str().into(),
                action.as_str().into(),
                kind.into(),
                id.into(),
                revision.0.into(),
                fields.into(),
            ],
        )
        .await?;
    Ok(())
}
