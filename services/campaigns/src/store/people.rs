//! The list of people: see [`tagbid_catalog::people`], which decides what a change does to whom.

use std::collections::BTreeMap;

use serde_json::json;
use tagbid_catalog::people::{Id, Listed, People, PeopleChange, PeopleError};
use tagbid_ports::SuppressionChange;
use tagbid_tagset::{Fingerprint, UserKey};
use tagbid_types::{Revision, Timestamp};

use super::{Dialect, Row, Session, StoreError, entities};

/// The rows of some ids, and of all ids of their persons.
macro_rules! rows_of {
    ($named:literal) => {
        concat!(
            "WITH named (user_key) AS (",
            $named,
            ") SELECT user_key, suppressed, erased, COALESCE(person, 0), COALESCE(mac, -1) FROM suppressions \
             WHERE user_key IN (SELECT user_key FROM named) \
             UNION SELECT user_key, suppressed, erased, COALESCE(person, 0), COALESCE(mac, -1) FROM suppressions \
             WHERE person IN (SELECT person FROM suppressions \
               WHERE user_key IN (SELECT user_key FROM named) AND person IS NOT NULL)"
        )
    };
}

const PUT_SQLITE: &str = "INSERT INTO suppressions (user_key, revision, suppressed, erased, person, mac) \
     SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 \
     FROM json_each($1) WHERE true \
     ON CONFLICT (user_key) DO UPDATE SET revision = excluded.revision, suppressed = excluded.suppressed, \
       erased = excluded.erased, person = excluded.person, mac = excluded.mac";

const PUT_POSTGRES: &str = "INSERT INTO suppressions (user_key, revision, suppressed, erased, person, mac) \
     SELECT r ->> 0, (r ->> 1)::bigint, (r ->> 2)::bigint, (r ->> 3)::bigint, (r ->> 4)::bigint, \
       (r ->> 5)::bigint FROM json_array_elements(CAST($1 AS json)) AS r \
     ON CONFLICT (user_key) DO UPDATE SET revision = excluded.revision, suppressed = excluded.suppressed, \
       erased = excluded.erased, person = excluded.person, mac = excluded.mac";

/// Ids of one entry of a change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    /// These take part.
    pub(crate) ids: Vec<Id>,
    /// These do where the list knows them: the same ids under retired MAC keys.
    pub(crate) if_listed: Vec<Id>,
}

impl Entry {
    /// One id.
    #[cfg(test)]
    pub(crate) fn of(key: UserKey) -> Self {
        Self { ids: vec![Id { key, mac: None }], if_listed: Vec::new() }
    }
}

/// What became of a batch of changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    /// The list's position after it.
    pub(crate) revision: Revision,
    /// How many ids changed.
    pub(crate) changed: u64,
    /// Entries that changed nothing, by their places.
    pub(crate) refused: Vec<(usize, PeopleError)>,
}

/// Makes the same change of several entries, one after the other.
///
/// Positions are microseconds since 1970, or one more than the last where the clock is behind: a list that was
/// restored from a backup never gives out again what tag stores have already heard, and would take for old news.
pub(crate) async fn change(
    session: &mut dyn Session,
    change: PeopleChange,
    entries: &[Entry],
    now: Timestamp,
) -> Result<Done, StoreError> {
    let ids = entries.iter().flat_map(|entry| entry.ids.iter().chain(&entry.if_listed));
    let keys: Vec<_> = ids.map(|id| id.key).collect();
    let rows = get(session, &keys).await?;
    let mut people = People::new(rows.clone());
    let mut refused = Vec::new();
    for (place, entry) in entries.iter().enumerate() {
        let mut ids = entry.ids.clone();
        ids.extend(entry.if_listed.iter().filter(|id| rows.contains_key(&id.key)));
        if let Err(error) = people.apply(change, &ids) {
            refused.push((place, error));
        }
    }
    let changed = people.changes();
    if changed == 0 {
        let revision = Revision(entities::counter(session, "suppression").await?);
        return Ok(Done { revision, changed, refused });
    }
    let before = advance(session, changed, now).await?;
    let told = people.finish(Revision(before + 1));
    let rows: Vec<_> = told
        .iter()
        .map(|(revision, key, row)| {
            let suppressed = u8::from(row.suppressed);
            json!([key.to_string(), revision.0, suppressed, row.erased.0, row.person, row.mac])
        })
        .collect();
    let put = match session.dialect() {
        Dialect::Sqlite => PUT_SQLITE,
        Dialect::Postgres => PUT_POSTGRES,
    };
    session.execute(put, &[json!(rows).to_string().as_str().into()]).await?;
    Ok(Done { revision: Revision(before + changed), changed, refused })
}

/// What the list says of these ids and of all others of their persons.
pub(crate) async fn get(
    session: &mut dyn Session,
    keys: &[UserKey],
) -> Result<BTreeMap<UserKey, Listed>, StoreError> {
    let keys: Vec<_> = keys.iter().map(UserKey::to_string).collect();
    let select = match session.dialect() {
        Dialect::Sqlite => rows_of!("SELECT value FROM json_each($1)"),
        Dialect::Postgres => rows_of!("SELECT json_array_elements_text(CAST($1 AS json))"),
    };
    let rows = session.rows(select, &[json!(keys).to_string().as_str().into()]).await?;
    rows.iter().map(listed).collect()
}

fn listed(row: &Row) -> Result<(UserKey, Listed), StoreError> {
    let person = Some(row.count(3)?).filter(|person| *person > 0);
    let listed = Listed {
        suppressed: row.int(1)? == 1,
        erased: Revision(row.count(2)?),
        person,
        mac: u8::try_from(row.int(4)?).ok(),
    };
    Ok((parse(row.text(0)?)?, listed))
}

/// Takes so many positions; the one before them.
async fn advance(session: &mut dyn Session, changes: u64, now: Timestamp) -> Result<u64, StoreError> {
    let last = entities::add(session, "suppression", 0).await?;
    let start = last.max(u64::try_from(now.0).unwrap_or(0));
    entities::add(session, "suppression", start - last + changes).await?;
    Ok(start)
}

/// How many users are suppressed.
pub(crate) async fn count(session: &mut dyn Session) -> Result<u64, StoreError> {
    let rows = session.rows("SELECT COUNT(*) FROM suppressions WHERE suppressed = 1", &[]).await?;
    rows.first().map_or(Ok(0), |row| row.count(0))
}

/// The changes after a position, in order. An id that changed twice comes once, as of the last change.
pub(crate) async fn after(
    session: &mut dyn Session,
    from: Revision,
    limit: u32,
) -> Result<Vec<SuppressionChange>, StoreError> {
    let page = [from.0.into(), i64::from(limit).into()];
    let rows = session
        .rows(
            "SELECT revision, user_key, suppressed, erased, COALESCE(person, 0) FROM suppressions \
             WHERE revision > $1 ORDER BY revision LIMIT $2",
            &page,
        )
        .await?;
    let mut persons: BTreeMap<u64, Vec<UserKey>> = BTreeMap::new();
    for row in &rows {
        let person = row.count(4)?;
        if person > 0 {
            persons.entry(person).or_default();
        }
    }
    if !persons.is_empty() {
        let all = session
            .rows(
                "WITH page AS (SELECT person FROM suppressions WHERE revision > $1 ORDER BY revision LIMIT $2) \
                 SELECT person, user_key FROM suppressions \
                 WHERE person IN (SELECT person FROM page WHERE person IS NOT NULL) ORDER BY user_key",
                &page,
            )
            .await?;
        for row in &all {
            persons.entry(row.count(0)?).or_default().push(parse(row.text(1)?)?);
        }
    }
    let change = |row: &Row| {
        let user = parse(row.text(1)?)?;
        let others = persons.get(&row.count(4)?).into_iter().flatten().copied();
        Ok(SuppressionChange {
            revision: Revision(row.count(0)?),
            user,
            suppressed: row.int(2)? == 1,
            erased: Revision(row.count(3)?),
            others: others.filter(|other| *other != user).collect(),
        })
    };
    rows.iter().map(change).collect()
}

/// The MAC keys that this deployment has used.
pub(crate) async fn mac_keys(session: &mut dyn Session) -> Result<Vec<Fingerprint>, StoreError> {
    let rows = session.rows("SELECT fingerprint FROM mac_keys ORDER BY version", &[]).await?;
    let key = |row: &Row| {
        row.text(0)?.parse().map_err(|_| StoreError::Corrupt {
            what: "the fingerprint of a MAC key".into(),
            problem: "it is none".into(),
        })
    };
    rows.iter().map(key).collect()
}

/// Notes that a MAC key is used.
pub(crate) async fn note_mac_key(session: &mut dyn Session, key: Fingerprint) -> Result<(), StoreError> {
    let insert =
        "INSERT INTO mac_keys (version, fingerprint) VALUES ($1, $2) ON CONFLICT (version) DO NOTHING";
    let (version, text) = (i64::from(key.version), key.to_string());
    session.execute(insert, &[version.into(), text.as_str().into()]).await.map(drop)
}

/// How many suppressed users are known under each version of the MAC key; none: nobody said which.
pub(crate) async fn suppressed_by_mac(
    session: &mut dyn Session,
) -> Result<Vec<(Option<u8>, u64)>, StoreError> {
    let rows = session
        .rows("SELECT COALESCE(mac, -1), COUNT(*) FROM suppressions WHERE suppressed = 1 GROUP BY mac", &[])
        .await?;
    rows.iter().map(|row| Ok((u8::try_from(row.int(0)?).ok(), row.count(1)?))).collect()
}

fn parse(text: &str) -> Result<UserKey, StoreError> {
    UserKey::from_text(text).ok_or_else(|| StoreError::Corrupt {
        what: "an id of the list of people".into(),
        problem: "the key is not 16 bytes in base64url".into(),
    })
}
