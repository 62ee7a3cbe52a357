//! A deployment under test: one process with every role, or one process a role over Redis and PostgreSQL.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use tagbid_testkit::{PostgresDb, Process, RedisDb, postgres, redis, wait_until};

/// Time that a process gets to come up on a busy machine.
pub const START: Duration = Duration::from_secs(30);
/// Time within which a change must be seen; far above the second that the product promises, for busy machines.
pub const SOON: Duration = Duration::from_secs(20);

pub const OPERATOR: &str = "operator-token-for-tests";
pub const ADVERTISER_1: &str = "advertiser-1-token-for-tests";
pub const ADVERTISER_2: &str = "advertiser-2-token-for-tests";
const ROLE: &str = "role-token-for-tests";

/// What every process of a deployment has in common.
const SHARED: &str = r#"
[listen]
http = "127.0.0.1:0"
grpc = "127.0.0.1:0"
admin = "127.0.0.1:0"

[keys]
user = "1:a-user-key-of-thirty-two-letters"
notice = "1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

[[auth.tokens]]
name = "operator"
token = "operator-token-for-tests"
scope = "operator"
[[auth.tokens]]
name = "advertiser-1"
token = "advertiser-1-token-for-tests"
scope = "advertiser:1"
[[auth.tokens]]
name = "advertiser-2"
token = "advertiser-2-token-for-tests"
scope = "advertiser:2"
[[auth.tokens]]
name = "roles"
token = "role-token-for-tests"
scope = "role"

[campaigns]
creative_domains = ["*"]

[bidder]
tags_wait_us = 100000
[bidder.fx]
EUR = 1.1
[bidder.consent]
vendor_id = 755
[bidder.exchanges.demo]
tmax_ms = 2000
network_margin_ms = 1
[bidder.exchanges.nbr]
tmax_ms = 2000
network_margin_ms = 1
no_bid = "nbr"
error_body = true
"#;

/// A running deployment.
pub struct Stack {
    pub bidder: Process,
    /// The others, by role; empty when one process has all.
    pub others: Vec<(&'static str, Process)>,
    pub http: SocketAddr,
    /// Where notices go.
    pub notices: SocketAddr,
    pub admin: SocketAddr,
    pub campaigns: SocketAddr,
    pub tags: SocketAddr,
    pub ledger: SocketAddr,
    pub bidding: SocketAddr,
    _databases: Vec<PostgresDb>,
    _redis: Option<RedisDb>,
    _files: tempfile::TempDir,
}

impl Stack {
    /// Every role in one process, memory and SQLite.
    pub fn all() -> Self {
        Self::all_with("")
    }

    /// The same with more settings.
    pub fn all_with(extra: &str) -> Self {
        let files = tempfile::tempdir().unwrap();
        let path = |name: &str| files.path().join(name).display().to_string();
        let http = tagbid_testkit::free_port();
        let flags = [
            format!("listen.http=\"127.0.0.1:{http}\""),
            format!("bidder.notice_url=\"http://127.0.0.1:{http}\""),
            format!("bidder.catalog_copy=\"{}\"", path("copy")),
            format!("campaigns.database=\"sqlite:{}\"", path("catalog.db")),
            format!("ledger.database=\"sqlite:{}\"", path("ledger.db")),
            format!("tags.memory_file=\"{}\"", path("tags.bin")),
        ];
        let process = start("all", &files, extra, &flags);
        let (http, grpc, admin) = (
            process.listening("http", START),
            process.listening("grpc", START),
            process.listening("admin", START),
        );
        let stack = Self {
            bidder: process,
            others: Vec::new(),
            http,
            notices: http,
            admin,
            campaigns: grpc,
            tags: grpc,
            ledger: grpc,
            bidding: grpc,
            _databases: Vec::new(),
            _redis: None,
            _files: files,
        };
        stack.wait_ready();
        stack
    }

    /// One process a role, Redis for tags, PostgreSQL for the rest.
    pub fn separate() -> Self {
        let files = tempfile::tempdir().unwrap();
        let (redis, catalog_db, ledger_db) = (redis(), postgres(), postgres());
        let role = format!("peers.token=\"{ROLE}\"");
        let campaigns =
            start("campaigns", &files, "", &[format!("campaigns.database=\"{}\"", catalog_db.url())]);
        let campaigns_at = campaigns.listening("grpc", START);
        let peer = format!("peers.campaigns=\"http://{campaigns_at}\"");
        let tags_flags = [
            role.clone(),
            peer.clone(),
            "tags.store=\"redis\"".into(),
            format!("tags.redis_url=\"{}\"", redis.url()),
        ];
        let tags = start("tags", &files, "", &tags_flags);
        let tags_at = tags.listening("grpc", START);
        let ledger_flags = [role.clone(), peer.clone(), format!("ledger.database=\"{}\"", ledger_db.url())];
        let ledger = start("ledger", &files, "", &ledger_flags);
        let (ledger_at, notices) = (ledger.listening("grpc", START), ledger.listening("http", START));
        let bidder_flags = [
            role,
            peer,
            format!("peers.tags=[\"http://{tags_at}\"]"),
            format!("bidder.notice_url=\"http://{notices}\""),
            format!("bidder.catalog_copy=\"{}\"", files.path().join("copy").display()),
        ];
        let bidder = start("bidder", &files, "", &bidder_flags);
        let (http, bidding, admin) = (
            bidder.listening("http", START),
            bidder.listening("grpc", START),
            bidder.listening("admin", START),
        );
        let stack = Self {
            bidder,
            others: vec![("campaigns", campaigns), ("tags", tags), ("ledger", ledger)],
            http,
            notices,
            admin,
            campaigns: campaigns_at,
            tags: tags_at,
            ledger: ledger_at,
            bidding,
            _databases: vec![catalog_db, ledger_db],
            _redis: Some(redis),
            _files: files,
        };
        stack.wait_ready();
        stack
    }

    /// The process of a role, to be stopped or frozen.
    pub fn role(&mut self, name: &str) -> &mut Process {
        let found = self.others.iter_mut().find(|(role, _)| *role == name);
        found.map(|(_, process)| process).unwrap_or_else(|| panic!("no process of its own for {name}"))
    }

    /// Waits until the bidder says that it is ready.
    pub fn wait_ready(&self) {
        wait_until("the bidder to be ready", START, || self.admin_get("/readyz").0 == 200);
    }

    /// A page of the admin port: status and text.
    pub fn admin_get(&self, path: &str) -> (u16, String) {
        crate::exchange::get(self.admin, path)
    }
}

fn start(role: &'static str, files: &tempfile::TempDir, extra: &str, flags: &[String]) -> Process {
    let config = files.path().join(format!("{role}.toml"));
    std::fs::write(&config, format!("{SHARED}\n{extra}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tagbid"));
    command.arg(role).arg("--config").arg(config).current_dir(files.path());
    for flag in flags {
        command.arg("--set").arg(flag);
    }
    Process::start(role, &command).unwrap()
}
