//! Suppressing users: durable before it is acknowledged.

use tagbid_tagset::UserKey;
use tagbid_types::{Principal, Revision};

use crate::catalog::Core;
use crate::error::CampaignsError;
use crate::rights::check_role;
use crate::store::audit::{self, Action};
use crate::store::suppressions;

impl Core {
    /// Suppresses users, or lifts their suppression; the list's position after that.
    pub(crate) async fn set_suppressed(
        &self,
        who: &Principal,
        users: &[UserKey],
        suppressed: bool,
    ) -> Result<Revision, CampaignsError> {
        check_role(who)?;
        let action = if suppressed { Action::Suppress } else { Action::Lift };
        let mut session = self.store.write().await?;
        let now = self.clock.now();
        let revision = suppressions::set(session.as_mut(), users, suppressed, now).await?;
        audit::suppression(session.as_mut(), who, action, users.len(), revision, now).await?;
        session.commit().await?;
        self.hub.wake();
        Ok(revision)
    }

    /// Whether a user is suppressed under any of these keys.
    pub(crate) async fn is_suppressed(
        &self,
        who: &Principal,
        keys: &[UserKey],
    ) -> Result<bool, CampaignsError> {
        check_role(who)?;
        let mut session = self.store.read().await?;
        for key in keys {
            if suppressions::check(session.as_mut(), *key).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
