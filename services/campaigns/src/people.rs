//! Changes of the list of people, durable before they are acknowledged; and the MAC keys that it rests on.

use tagbid_catalog::people::{Id, Listed, PeopleChange};
use tagbid_tagset::{MacKeys, UserKey};
use tagbid_types::{Principal, Revision};
use thiserror::Error;

use crate::catalog::Core;
use crate::error::CampaignsError;
use crate::rights::check_role;
use crate::store::people::{self, Done, Entry};
use crate::store::{Store, StoreError, audit};

/// What the list says of a person.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) suppressed: bool,
    /// Ids of the person that are known.
    pub(crate) ids: usize,
    pub(crate) erased: Revision,
}

impl Core {
    /// Makes a change of several entries; it is durable when this returns.
    pub(crate) async fn change_people(
        &self,
        who: &Principal,
        change: PeopleChange,
        entries: &[Entry],
    ) -> Result<Done, CampaignsError> {
        check_role(who)?;
        if change == PeopleChange::Link && self.are_linked(entries).await? {
            // Most of what streams of events tell is known, and needs no lock of the catalog.
            return Ok(Done {
                revision: self.hub.seen().borrow().suppression,
                changed: 0,
                refused: Vec::new(),
            });
        }
        let mut session = self.store.write().await?;
        let now = self.clock.now();
        let done = people::change(session.as_mut(), change, entries, now).await?;
        if done.changed > 0 {
            audit::people(session.as_mut(), who, change, done.changed, done.revision, now).await?;
        }
        session.commit().await?;
        self.hub.wake();
        Ok(done)
    }

    /// The ids of each entry are one person; of each entry none, or why it changed nothing.
    pub(crate) async fn link(
        &self,
        who: &Principal,
        persons: Vec<Vec<Id>>,
    ) -> Result<Vec<Option<String>>, CampaignsError> {
        let mut problems = vec![None; persons.len()];
        let entries = persons.into_iter().map(|ids| Entry { ids, if_listed: Vec::new() });
        let entries: Vec<_> = entries.collect();
        for (place, problem) in self.change_people(who, PeopleChange::Link, &entries).await?.refused {
            if let Some(entry) = problems.get_mut(place) {
                *entry = Some(problem.to_string());
            }
        }
        Ok(problems)
    }

    async fn are_linked(&self, entries: &[Entry]) -> Result<bool, CampaignsError> {
        let keys: Vec<_> = entries.iter().flat_map(|entry| entry.ids.iter().map(|id| id.key)).collect();
        let mut session = self.store.read().await?;
        let rows = people::get(session.as_mut(), &keys).await?;
        let person = |id: &Id| rows.get(&id.key).and_then(|row| row.person);
        let linked = |entry: &Entry| {
            let first = entry.ids.first().and_then(person);
            first.is_some() && entry.if_listed.is_empty() && entry.ids.iter().all(|id| person(id) == first)
        };
        Ok(entries.iter().all(linked))
    }

    /// What the list says of a user, under any of these keys.
    pub(crate) async fn known(&self, who: &Principal, keys: &[UserKey]) -> Result<Known, CampaignsError> {
        check_role(who)?;
        let mut session = self.store.read().await?;
        let rows = people::get(session.as_mut(), keys).await?;
        let asked = |key: &&UserKey| keys.contains(key);
        Ok(Known {
            suppressed: rows.values().any(|row: &Listed| row.suppressed),
            ids: rows.len(),
            erased: rows
                .iter()
                .filter(|(key, _)| asked(key))
                .map(|(_, row)| row.erased)
                .max()
                .unwrap_or_default(),
        })
    }
}

/// MAC keys that this database cannot be used with.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeysError {
    /// One version with two secrets.
    #[error(
        "keys: version {0} has another secret than this database knows it with: give back the secret that it had, and \
         a new secret a new version"
    )]
    Secret(u8),
    /// A key that suppressions need is not there.
    #[error(
        "keys: {users} suppressed users are known only under version {version} of the MAC key, which is not there: put \
         its secret into keys.user_retired of all roles (or keys.user_previous while tags that were written under it \
         are still to be found)"
    )]
    Missing {
        /// The version.
        version: u8,
        /// So many.
        users: u64,
    },
}

/// Checks that nobody's suppression rests on a key that is not there, and notes the keys.
pub(crate) async fn check_keys(
    store: &dyn Store,
    keys: &MacKeys,
) -> Result<Result<(), KeysError>, StoreError> {
    let mut session = store.write().await?;
    let known = people::mac_keys(session.as_mut()).await?;
    for ours in keys.all().map(|key| key.fingerprint()) {
        match known.iter().find(|one| one.version == ours.version) {
            Some(same) if *same != ours => return Ok(Err(KeysError::Secret(ours.version))),
            Some(_) => {}
            None => people::note_mac_key(session.as_mut(), ours).await?,
        }
    }
    let has = |version: u8| keys.all().any(|key| key.version() == version);
    for (version, users) in people::suppressed_by_mac(session.as_mut()).await? {
        // Whose key nobody named may rest on any that there was.
        let needed: Vec<u8> = match version {
            Some(version) => vec![version],
            None => known.iter().map(|one| one.version).collect(),
        };
        if let Some(version) = needed.into_iter().find(|version| !has(*version)) {
            return Ok(Err(KeysError::Missing { version, users }));
        }
    }
    session.commit().await?;
    Ok(Ok(()))
}
