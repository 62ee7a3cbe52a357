//! Real PostgreSQL for tests.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::{Signal, geteuid};

use crate::error::or_fail;
use crate::supervisor::Supervised;
use crate::{KitError, find, free_port, wait};

/// How long a server may take to answer its first query.
const STARTUP: Duration = Duration::from_secs(60);

/// The superuser inside the database; trusted without a password, on 127.0.0.1 only.
const ROLE: &str = "tagbid";

/// What a commit promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Nothing survives a crash of the machine; fast.
    Off,
    /// As in production: fsync and synchronous commit on. For tests that kill the server.
    On,
}

/// A database of its own for the calling test, on the server that all tests of this binary share.
///
/// # Panics
/// When there is no PostgreSQL, naming the command that installs it.
#[track_caller]
pub fn postgres() -> PostgresDb {
    static SERVER: OnceLock<Result<PostgresServer, KitError>> = OnceLock::new();
    match SERVER.get_or_init(|| PostgresServer::start(Durability::Off)) {
        Ok(server) => or_fail(server.database()),
        Err(error) => {
            or_fail(Err(KitError::Failed { what: "starting PostgreSQL", output: error.to_string() }))
        }
    }
}

/// One empty database of a server.
#[derive(Clone, Debug)]
pub struct PostgresDb {
    url: String,
}

impl PostgresDb {
    /// `postgres://tagbid@127.0.0.1:PORT/NAME`.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// A PostgreSQL server of the caller's own. Ends on drop, and its data with it.
#[derive(Debug)]
pub struct PostgresServer {
    server: Supervised,
    programs: PathBuf,
    port: u16,
    next: AtomicU32,
}

impl PostgresServer {
    /// Creates a cluster, starts a server on it and waits until it answers.
    pub fn start(durability: Durability) -> Result<Self, KitError> {
        let programs = find::postgres_bin()?;
        let user = server_user()?;
        let dir = tempfile::Builder::new()
            .prefix("tagbid-postgres-")
            .tempdir()
            .map_err(KitError::io("cannot create", std::env::temp_dir()))?;
        give_to(dir.path(), user)?;
        initdb(&programs, dir.path(), user)?;
        let mut port = free_port();
        write_config(dir.path(), port, durability, user)?;
        let mut command = Command::new(programs.join("postgres"));
        command.arg("-D").arg(data(dir.path())).current_dir(dir.path());
        // SIGQUIT is PostgreSQL's immediate shutdown: its children go with it, as they would not after SIGKILL.
        let mut server = Supervised::start("postgres", dir.keep(), "QUIT", &command, user)?;
        // Someone else may have taken the port since it was chosen.
        for _ in 0..5 {
            if wait_ready(&server, &programs, port)? {
                return Ok(Self { server, programs, port, next: AtomicU32::new(0) });
            }
            port = free_port();
            write_config(server.dir(), port, durability, user)?;
            server.restart()?;
        }
        Err(server.not_ready(STARTUP))
    }

    /// Creates a new, empty database.
    pub fn database(&self) -> Result<PostgresDb, KitError> {
        let name = format!("test_{}", self.next.fetch_add(1, Ordering::Relaxed));
        // template1 is refused as a template while anybody is connected to it; template0 admits nobody.
        let sql = format!("CREATE DATABASE {name} TEMPLATE template0");
        psql(&self.programs, self.server.dir(), self.port, &sql)?;
        Ok(PostgresDb { url: format!("postgres://{ROLE}@127.0.0.1:{}/{name}", self.port) })
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// Kills it as a crash would: no shutdown, no checkpoint.
    ///
    /// # Panics
    /// When it will not die.
    #[track_caller]
    pub fn kill(&self) {
        or_fail(self.server.kill());
    }

    /// Stops its main process: no new connection is accepted, existing ones go on.
    pub fn freeze(&self) {
        self.server.freeze();
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.server.signal(Signal::CONT);
    }

    /// Starts a killed server again on the same port and data.
    pub fn restart(&mut self) -> Result<(), KitError> {
        // The dead server's children hold its shared memory for a moment, in which a new one refuses to start.
        let started = wait::poll(STARTUP, || {
            let outcome =
                self.server.restart().and_then(|()| wait_ready(&self.server, &self.programs, self.port));
            matches!(outcome, Ok(true)).then_some(())
        });
        started.ok_or_else(|| self.server.not_ready(STARTUP))
    }
}

/// Root may not run PostgreSQL: another user's ids then, else none.
fn server_user() -> Result<Option<(u32, u32)>, KitError> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    find::user(&["postgres", "nobody"]).map(Some).ok_or(KitError::NoUser)
}

fn give_to(path: &Path, user: Option<(u32, u32)>) -> Result<(), KitError> {
    let Some((uid, gid)) = user else { return Ok(()) };
    chown(path, Some(uid), Some(gid)).map_err(KitError::io("cannot change the owner of", path))
}

fn data(dir: &Path) -> PathBuf {
    dir.join("data")
}

fn initdb(programs: &Path, dir: &Path, user: Option<(u32, u32)>) -> Result<(), KitError> {
    let mut command = Command::new(programs.join("initdb"));
    command.arg("-D").arg(data(dir)).args([
        "-U",
        ROLE,
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
        "--no-sync",
    ]);
    command.current_dir(dir);
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid);
    }
    run(command, "initdb")
}

fn write_config(
    dir: &Path,
    port: u16,
    durability: Durability,
    user: Option<(u32, u32)>,
) -> Result<(), KitError> {
    let path = data(dir).join("postgresql.conf");
    let speed = match durability {
        Durability::Off => "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n",
        Durability::On => "",
    };
    // Memory-mapped files, because containers may come without /dev/shm.
    let config = format!(
        "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{}'\n\
         max_connections = 300\nshared_buffers = 64MB\njit = off\n\
         dynamic_shared_memory_type = mmap\n{speed}",
        dir.display()
    );
    fs::write(&path, config).map_err(KitError::io("cannot write", &path))?;
    give_to(&path, user)
}

/// True when the server answers, false when it has ended. It is asked through its own unix socket: on the TCP
/// port somebody else's server might answer.
fn wait_ready(server: &Supervised, programs: &Path, port: u16) -> Result<bool, KitError> {
    let look = || match server.exit() {
        Some(_) => Some(false),
        None => psql(programs, server.dir(), port, "SELECT 1").is_ok().then_some(true),
    };
    wait::poll(STARTUP, look).ok_or_else(|| server.not_ready(STARTUP))
}

fn psql(programs: &Path, socket: &Path, port: u16, sql: &str) -> Result<(), KitError> {
    let mut command = Command::new(programs.join("psql"));
    command.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "-U", ROLE, "-d", "postgres"]);
    command.arg("-h").arg(socket).arg("-p").arg(port.to_string()).args(["-c", sql]);
    run(command, "psql")
}

fn run(mut command: Command, what: &'static str) -> Result<(), KitError> {
    let program = PathBuf::from(command.get_program());
    let output = command.output().map_err(KitError::io("cannot run", program))?;
    if output.status.success() {
        return Ok(());
    }
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    Err(KitError::Failed { what, output: text })
}
