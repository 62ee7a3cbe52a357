//! The settings of the role: the table `[ledger]` of the configuration.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tagbid_budget::Terms;
use tagbid_runtime::auth::Secret;
use tagbid_runtime::files::writable_file;
use tagbid_types::ExchangeName;

use crate::prices::Prices;

/// Settings of the ledger role.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// `sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`; masked in dumps for the password's sake. Default
    /// `sqlite:tagbid-ledger.db`; the file is created.
    pub database: Secret,
    /// Connections to the database. Default 4: one writes notices, the others answer gRPC.
    pub connections: u32,
    /// Notices that may wait for the database; more are answered 503 with Retry-After. Default 8192: sixteen full
    /// transactions, some 5 MB.
    pub queue: usize,
    /// Notices in one transaction at most. Default 512.
    pub batch: usize,
    /// How long a notice waits for its commit before it is answered 503, in milliseconds; an outage that is shorter
    /// costs no notice. Default 5000.
    pub answer_within_ms: u64,
    /// How long after the bid a notice still bills, in hours. Default 72.
    pub accept_for_h: u32,
    /// For how long a bidder may spend what it has leased without hearing from the ledger, in seconds. Default 30.
    pub session_s: u32,
    /// The longest that a bid may hold money, in seconds; what a silent bidder has leased returns after this. How long holds have to last
    /// at an exchange is learnt up to this, and concluded once so long was watched. Default 3600.
    pub longest_hold_s: u32,
    /// How long after the end of a hold its notices are still waited for, in seconds. Default 2.
    pub grace_s: u32,
    /// The parameter of a landing page's address that tells it the id of the click, for its conversions. Default "tagbid_click";
    /// empty: addresses stay as they are in the catalog.
    pub click_id: String,
    /// File of the catalog's disk copy, from which it starts when the campaigns role is away; its directory is made when missing.
    /// Default: none.
    pub catalog_copy: String,
    /// How exchanges differ, by the name in their bid URL; most need no entry.
    pub exchanges: BTreeMap<ExchangeName, Exchange>,
}

/// Settings of one exchange: the table `[ledger.exchanges.NAME]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Exchange {
    /// Keys of its price macros, `ENCRYPTION:INTEGRITY` in base64 as the exchange shows them, the newest first, and the one before it
    /// while they rotate. Its prices are in Google's scheme then, and a plain one is not believed. Empty: they are plain.
    pub price_keys: Vec<Secret>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            database: Secret::new("sqlite:tagbid-ledger.db"),
            connections: 4,
            queue: 8192,
            batch: 512,
            answer_within_ms: 5_000,
            accept_for_h: 72,
            session_s: 30,
            longest_hold_s: 3_600,
            grace_s: 2,
            click_id: "tagbid_click".into(),
            catalog_copy: String::new(),
            exchanges: BTreeMap::new(),
        }
    }
}

impl Options {
    /// Names the first setting that cannot work, and the remedy.
    pub(crate) fn check(&self) -> Result<(), String> {
        let at_least_one = [
            ("connections", u64::from(self.connections)),
            ("queue", self.queue as u64),
            ("batch", self.batch as u64),
            ("answer_within_ms", self.answer_within_ms),
            ("session_s", self.session_s.into()),
            ("longest_hold_s", self.longest_hold_s.into()),
        ];
        match at_least_one.iter().find(|(_, value)| *value == 0) {
            Some((key, _)) => Err(format!("ledger.{key}: use at least 1")),
            None if !self
                .click_id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)) =>
            {
                Err("ledger.click_id: use letters, digits, '_', '-' and '.', such as \"tagbid_click\"".into())
            }
            None => {
                let copy = Some(&self.catalog_copy).filter(|path| !path.is_empty()).map(Path::new);
                let copy = copy.map_or(Ok(()), writable_file);
                copy.map_err(|problem| format!("ledger.catalog_copy: {problem}"))?;
                self.prices().map(drop)
            }
        }
    }

    /// How prices are read.
    pub(crate) fn prices(&self) -> Result<Prices, String> {
        Prices::new(&self.exchanges)
    }

    pub(crate) fn terms(&self) -> Terms {
        let Self { session_s, longest_hold_s, grace_s, .. } = *self;
        Terms { session_s, longest_hold_s, grace_s }
    }

    pub(crate) fn answer_within(&self) -> Duration {
        Duration::from_millis(self.answer_within_ms)
    }

    pub(crate) fn accept_for(&self) -> Duration {
        Duration::from_secs(u64::from(self.accept_for_h) * 3_600)
    }
}
