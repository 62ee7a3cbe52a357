//! A deployment under test: one process with every role, or one process a role over Redis and PostgreSQL.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use tagbid_testkit::{PostgresDb, Process, RedisDb, postgres, redis, wait_until};

/// Time that a process gets to come up on a busy machine.
pub(crate) const START: Duration = Duration::from_secs(30);
/// Time within which a change must be seen; far above the second that the product promises, for busy machines.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) const OPERATOR: &str = "operator-token-for-tests";
pub(crate) const ADVERTISER_1: &str = "advertiser-1-token-for-tests";
pub(crate) const ADVERTISER_2: &str = "advertiser-2-token-for-tests";
pub(crate) const ROLE: &str = "role-token-for-tests";

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
# Every request goes through the funnel's pass too: one that panics there fails its test.
funnel_every = 1
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
pub(crate) struct Stack {
    pub(crate) bidder: Process,
    /// The others, by role; empty when one process has all.
    pub(crate) others: Vec<(&'static str, Process)>,
    pub(crate) http: SocketAddr,
    /// Where notices go.
    pub(crate) notices: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) campaigns: SocketAddr,
    pub(crate) tags: SocketAddr,
    pub(crate) ledger: SocketAddr,
    pub(crate) bidding: SocketAddr,
    /// How the bidder's process was started.
    command: Started,
    /// Kept for as long as the deployment.
    databases: Vec<PostgresDb>,
    redis: Option<RedisDb>,
    files: tempfile::TempDir,
}

/// What is special about a deployment of one process a role.
pub(crate) struct Separate {
    pub(crate) ledger_database: String,
    pub(crate) tags: Vec<String>,
    pub(crate) ledger: Vec<String>,
    pub(crate) bidder: Vec<String>,
    /// Of every process.
    pub(crate) every: Vec<String>,
}

impl Separate {
    /// Nothing but the ledger's database.
    pub(crate) fn over(ledger_database: &str) -> Self {
        Self {
            ledger_database: ledger_database.into(),
            tags: Vec::new(),
            ledger: Vec::new(),
            bidder: Vec::new(),
            every: Vec::new(),
        }
    }
}

/// What a process was started with, to start it again.
#[derive(Clone)]
struct Started {
    role: &'static str,
    extra: String,
    flags: Vec<String>,
}

impl Stack {
    /// Every role in one process, memory and SQLite.
    pub(crate) fn all() -> Self {
        Self::all_with("")
    }

    /// The same with more settings.
    pub(crate) fn all_with(extra: &str) -> Self {
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
        let command = Started { role: "all", extra: extra.into(), flags: flags.into() };
        let process = command.start(&files);
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
            command,
            databases: Vec::new(),
            redis: None,
            files,
        };
        stack.wait_ready();
        stack
    }

    /// One process a role, Redis for tags, PostgreSQL for the rest.
    pub(crate) fn separate() -> Self {
        let ledger_db = postgres();
        let mut stack = Self::separate_with(&Separate::over(ledger_db.url()));
        stack.databases.push(ledger_db);
        stack
    }

    /// The same with settings for some roles.
    pub(crate) fn separate_with(with: &Separate) -> Self {
        let files = tempfile::tempdir().unwrap();
        let (redis, catalog_db) = (redis(), postgres());
        let role = format!("peers.token=\"{ROLE}\"");
        let start = |role, mut flags: Vec<String>| {
            flags.extend(with.every.iter().cloned());
            Started { role, extra: String::new(), flags }.start(&files)
        };
        // The campaigns role comes first and asks the others later.
        let at = |port: u16| format!("127.0.0.1:{port}");
        let [tags_on, bidder_at, ledger_at, notices_at] = [(); 4].map(|()| at(tagbid_testkit::free_port()));
        let campaigns_flags = vec![
            role.clone(),
            format!("campaigns.database=\"{}\"", catalog_db.url()),
            format!("peers.tags=[\"http://{tags_on}\"]"),
            format!("peers.bidder=\"http://{bidder_at}\""),
            format!("peers.ledger=\"http://{ledger_at}\""),
        ];
        let campaigns = start("campaigns", campaigns_flags);
        let campaigns_at = campaigns.listening("grpc", START);
        let peer = format!("peers.campaigns=\"http://{campaigns_at}\"");
        let mut tags_flags = vec![
            role.clone(),
            peer.clone(),
            format!("listen.grpc=\"{tags_on}\""),
            "tags.store=\"redis\"".into(),
            format!("tags.redis_url=\"{}\"", redis.url()),
        ];
        tags_flags.extend(with.tags.iter().cloned());
        let tags = start("tags", tags_flags);
        let tags_at = tags.listening("grpc", START);
        let mut ledger_flags = vec![
            role.clone(),
            peer.clone(),
            format!("listen.grpc=\"{ledger_at}\""),
            format!("listen.http=\"{notices_at}\""),
            format!("peers.tags=[\"http://{tags_on}\"]"),
            format!("ledger.database=\"{}\"", with.ledger_database),
            format!("events.dir=\"{}\"", files.path().join("ledger-events").display()),
        ];
        ledger_flags.extend(with.ledger.iter().cloned());
        let ledger = start("ledger", ledger_flags);
        let (ledger_at, notices) = (ledger.listening("grpc", START), ledger.listening("http", START));
        let mut bidder_flags = vec![
            role,
            peer,
            format!("listen.grpc=\"{bidder_at}\""),
            format!("peers.tags=[\"http://{tags_at}\"]"),
            format!("peers.ledger=\"http://{ledger_at}\""),
            format!("bidder.notice_url=\"http://{notices}\""),
            format!("bidder.catalog_copy=\"{}\"", files.path().join("copy").display()),
            format!("events.dir=\"{}\"", files.path().join("events").display()),
            "events.bid_sample=1.0".into(),
        ];
        bidder_flags.extend(with.bidder.iter().chain(&with.every).cloned());
        let command = Started { role: "bidder", extra: String::new(), flags: bidder_flags };
        let bidder = command.start(&files);
        let [http, bidding, admin] = ["http", "grpc", "admin"].map(|port| bidder.listening(port, START));
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
            command,
            databases: vec![catalog_db],
            redis: Some(redis),
            files,
        };
        stack.wait_ready();
        stack
    }

    /// The process of a role, to be stopped or frozen.
    pub(crate) fn role(&mut self, name: &str) -> &mut Process {
        let found = self.others.iter_mut().find(|(role, _)| *role == name);
        found.map(|(_, process)| process).unwrap_or_else(|| panic!("no process of its own for {name}"))
    }

    /// Empties the deployment's Redis.
    pub(crate) fn flush_redis(&self) {
        let url = self.redis.as_ref().unwrap().url();
        let (server, database) = url.trim_start_matches("redis://").split_once('/').unwrap();
        let mut redis = TcpStream::connect(server).unwrap();
        redis.set_read_timeout(Some(SOON)).unwrap();
        write!(redis, "SELECT {database}\r\nFLUSHDB\r\n").unwrap();
        let mut answers = [0; 10];
        redis.read_exact(&mut answers).unwrap();
        assert_eq!(&answers, b"+OK\r\n+OK\r\n");
    }

    /// Waits until the bidder says that it is ready.
    pub(crate) fn wait_ready(&self) {
        wait_until("the bidder to be ready", START, || self.admin_get("/readyz").0 == 200);
    }

    /// Starts the bidder's process again, ended before, on its files and with one more setting.
    pub(crate) fn restart_with(&mut self, setting: Option<&str>) {
        self.command.flags.extend(setting.map(String::from));
        self.bidder = self.command.start(&self.files);
        self.http = self.bidder.listening("http", START);
        self.bidding = self.bidder.listening("grpc", START);
        self.admin = self.bidder.listening("admin", START);
        if self.others.is_empty() {
            (self.campaigns, self.tags, self.ledger) = (self.bidding, self.bidding, self.bidding);
            self.notices = self.http;
        }
        self.wait_ready();
    }

    /// One more bidder with the same settings, and where it bids.
    pub(crate) fn one_more_bidder(&self, number: usize) -> (Process, SocketAddr) {
        let mut started = Started { role: "bidder", ..self.command.clone() };
        let own =
            ["listen.grpc=\"127.0.0.1:0\"".to_owned(), format!("bidder.catalog_copy=\"copy-{number}\"")];
        started.flags.retain(|flag| !flag.starts_with("events.") && !flag.starts_with("listen.grpc"));
        started.flags.extend(own);
        let process = started.start(&self.files);
        let http = process.listening("http", START);
        (process, http)
    }

    /// Kills the bidder's process at once and starts it again.
    pub(crate) fn kill_and_restart(&mut self) {
        self.bidder.kill();
        self.restart_with(None);
    }

    /// Ends the bidder's process and starts it again with these settings about keys.
    pub(crate) fn restart_with_keys(&mut self, settings: &[String]) {
        self.end();
        self.command.flags.retain(|flag| !flag.starts_with("keys."));
        self.command.flags.extend_from_slice(settings);
        self.restart_with(None);
    }

    /// Ends the bidder's process, and starts it with one more setting that it refuses: what it says.
    pub(crate) fn refused_with(&mut self, setting: &str) -> String {
        self.end();
        let output = self.command.command(&self.files).arg("--set").arg(setting).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn end(&mut self) {
        self.bidder.kill();
        self.bidder.wait_exit(START);
    }

    /// The event log of a bidder that is a process of its own.
    pub(crate) fn events(&self) -> PathBuf {
        self.files.path().join("events")
    }

    /// That of a ledger that is one.
    pub(crate) fn ledger_events(&self) -> PathBuf {
        self.files.path().join("ledger-events")
    }

    /// Waits until the bidder has a copy of this catalog on disk.
    pub(crate) fn wait_copy_saved(&self) {
        let copy = self.files.path().join("copy");
        wait_until("the catalog copy", START, || copy.exists());
    }

    /// A page of the admin port: status and text.
    pub(crate) fn admin_get(&self, path: &str) -> (u16, String) {
        crate::exchange::get(self.admin, path)
    }
}

impl Started {
    fn start(&self, files: &tempfile::TempDir) -> Process {
        Process::start(self.role, &self.command(files)).unwrap()
    }

    fn command(&self, files: &tempfile::TempDir) -> Command {
        let config = files.path().join(format!("{}.toml", self.role));
        std::fs::write(&config, format!("{SHARED}\n{}", self.extra)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tagbid"));
        command.arg(self.role).arg("--config").arg(config).current_dir(files.path());
        for flag in &self.flags {
            command.arg("--set").arg(flag);
        }
        command
    }
}
