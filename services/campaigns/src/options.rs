//! The settings of the role: the table `[campaigns]` of the configuration.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tagbid_runtime::auth::Secret;

/// Settings of the campaigns role.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`; masked in dumps for the password's sake. Default
    /// `sqlite:tagbid-catalog.db`; the file is created.
    pub database: Secret,
    /// Domains from which creatives may load, and to which their clicks may lead, besides the advertiser's own;
    /// subdomains included; `"*"` allows every domain. Default: none.
    pub creative_domains: Vec<String>,
    /// How often the database is asked for changes that another process made, in milliseconds; one's own are seen at
    /// once. Default 200.
    pub poll_ms: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self { database: Secret::new("sqlite:tagbid-catalog.db"), creative_domains: Vec::new(), poll_ms: 200 }
    }
}

impl Options {
    pub(crate) fn poll(&self) -> Duration {
        Duration::from_millis(self.poll_ms)
    }
}
