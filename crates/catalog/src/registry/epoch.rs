//! Whether ids of tags mean the same to two processes, or to yesterday's snapshot and today's catalog.
//!
//! New tags make nothing incompatible: an id, once given out, keeps its meaning. What does is another catalog database, and one
//! that was restored from a backup: it forgets the ids given out since, and gives them out again for other tags. So an epoch
//! names the database, the highest id given out so far, and the moment at which that id was. Ids are given out in order and
//! never taken back, hence a registry in which that id was given out at that moment has the same history up to it, and with
//! it every id that the bearer of the epoch can name. A restored database meets the id unknown, or made at another moment.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tagbid_types::{CatalogLife, TagId, Timestamp};
use thiserror::Error;

/// What ids of tags meant when they were taken from a registry. As text: "LIFE.TAG.MICROSECONDS", the first in
/// hexadecimal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RegistryEpoch {
    /// The catalog database.
    pub life: CatalogLife,
    /// The highest id given out; zero: none was.
    pub tag: TagId,
    /// The moment at which it was.
    pub made: Timestamp,
}

/// Why ids that were taken at an epoch cannot be trusted here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EpochError {
    /// They are of another catalog database.
    #[error("its tags are of another catalog database: make it anew from the names")]
    OtherLife,
    /// They go beyond what was given out here. This process may be some changes behind; when it is up to date, the
    /// catalog was restored from a backup.
    #[error(
        "it knows tags up to {theirs}, this catalog only up to {ours}: wait until this process is up to date; if that \
         changes nothing, the catalog was restored from a backup, and it must be made anew from the names"
    )]
    Ahead {
        /// The highest id given out where they come from.
        theirs: TagId,
        /// The highest id given out here.
        ours: TagId,
    },
    /// The highest id was given out twice: the catalog was restored from a backup in between.
    #[error(
        "its tag {0} is not the one of this catalog, which was restored from a backup since: make it anew from the names"
    )]
    OtherHistory(TagId),
}

impl RegistryEpoch {
    /// Checks it against a registry: its database, its highest id, and when it gave out the epoch's highest id.
    pub(super) fn check(
        &self,
        life: CatalogLife,
        newest: TagId,
        made: Option<Timestamp>,
    ) -> Result<(), EpochError> {
        if self.life != life {
            return Err(EpochError::OtherLife);
        }
        match made {
            _ if self.tag == TagId(0) => Ok(()),
            Some(made) if made == self.made => Ok(()),
            Some(_) => Err(EpochError::OtherHistory(self.tag)),
            // One that was skipped, because it had been given out before the catalog was restored.
            None if self.tag <= newest => Err(EpochError::OtherHistory(self.tag)),
            None => Err(EpochError::Ahead { theirs: self.tag, ours: newest }),
        }
    }
}

impl fmt::Display for RegistryEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}.{}.{}", self.life.0, self.tag, self.made.0)
    }
}

impl FromStr for RegistryEpoch {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split('.');
        let life = parts.next().and_then(|life| u64::from_str_radix(life, 16).ok());
        let tag = parts.next().and_then(|tag| tag.parse().ok());
        let made = parts.next().and_then(|made| made.parse().ok());
        match (life, tag, made, parts.next()) {
            (Some(life), Some(tag), Some(made), None) => {
                Ok(Self { life: CatalogLife(life), tag: TagId(tag), made: Timestamp(made) })
            }
            _ => Err("not an epoch of a tag registry: LIFE.TAG.MICROSECONDS".into()),
        }
    }
}

impl TryFrom<String> for RegistryEpoch {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<RegistryEpoch> for String {
    fn from(epoch: RegistryEpoch) -> Self {
        epoch.to_string()
    }
}
