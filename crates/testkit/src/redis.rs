//! Real Redis for tests.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use crate::error::or_fail;
use crate::supervisor::Supervised;
use crate::{KitError, find, free_port, wait};

/// Databases of one server. An empty one costs Redis about 500 bytes.
const DATABASES: u32 = 10_000;

/// How long a server may take to answer its first PING.
const STARTUP: Duration = Duration::from_secs(20);

/// A database of its own for the calling test, on the server that all tests of this binary share.
///
/// # Panics
/// When there is no Redis, naming the command that installs it.
#[track_caller]
pub fn redis() -> RedisDb {
    static SERVER: OnceLock<Result<RedisServer, KitError>> = OnceLock::new();
    match SERVER.get_or_init(RedisServer::start) {
        Ok(server) => or_fail(server.database()),
        Err(error) => or_fail(Err(KitError::Failed { what: "starting Redis", output: error.to_string() })),
    }
}

/// One empty database of a server.
#[derive(Clone, Debug)]
pub struct RedisDb {
    url: String,
}

impl RedisDb {
    /// `redis://127.0.0.1:PORT/DB`.
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// A Redis server of the caller's own: no persistence, at most 512 MiB, refusing writes beyond. Ends on drop.
#[derive(Debug)]
pub struct RedisServer {
    server: Supervised,
    port: u16,
    next: AtomicU32,
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    pub fn start() -> Result<Self, KitError> {
        let program = find::on_path("redis-server")?;
        let dir = tempfile::Builder::new()
            .prefix("tagbid-redis-")
            .tempdir()
            .map_err(KitError::io("cannot create", std::env::temp_dir()))?;
        let mut port = free_port();
        write_config(dir.path(), port)?;
        let mut command = Command::new(program);
        command.arg(dir.path().join("redis.conf")).current_dir(dir.path());
        let mut server = Supervised::start("redis-server", dir.keep(), "KILL", &command, None)?;
        // Someone else may have taken the port since it was chosen.
        for _ in 0..5 {
            if wait_ready(&server)? {
                return Ok(Self { server, port, next: AtomicU32::new(0) });
            }
            port = free_port();
            write_config(server.dir(), port)?;
            server.restart()?;
        }
        Err(server.not_ready(STARTUP))
    }

    /// The next unused database.
    pub fn database(&self) -> Result<RedisDb, KitError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if number >= DATABASES {
            return Err(KitError::NoDatabaseLeft { limit: DATABASES });
        }
        Ok(RedisDb { url: format!("redis://127.0.0.1:{}/{number}", self.port) })
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub fn pid(&self) -> Option<u32> {
        self.server.pid()
    }

    /// Kills it at once; what it held is lost.
    ///
    /// # Panics
    /// When it will not die.
    #[track_caller]
    pub fn kill(&self) {
        or_fail(self.server.kill());
    }

    /// Stops its process: connections stay open, nothing is answered.
    pub fn freeze(&self) {
        self.server.freeze();
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.server.signal(Signal::CONT);
    }

    /// Starts a killed server again on the same port, empty.
    pub fn restart(&mut self) -> Result<(), KitError> {
        self.server.restart()?;
        if wait_ready(&self.server)? { Ok(()) } else { Err(self.server.not_ready(STARTUP)) }
    }
}

fn write_config(dir: &Path, port: u16) -> Result<(), KitError> {
    let path = dir.join("redis.conf");
    let config = format!(
        "bind 127.0.0.1\nport {port}\nunixsocket {socket}\ndir {dir}\ndatabases {DATABASES}\n\
         save \"\"\nappendonly no\nmaxmemory 512mb\nmaxmemory-policy noeviction\n",
        socket = socket(dir).display(),
        dir = dir.display(),
    );
    fs::write(&path, config).map_err(KitError::io("cannot write", path))
}

fn socket(dir: &Path) -> std::path::PathBuf {
    dir.join("redis.sock")
}

/// True when the server answers, false when it has ended. It is asked through its unix socket: on the TCP port
/// somebody else's Redis might answer.
fn wait_ready(server: &Supervised) -> Result<bool, KitError> {
    let path = socket(server.dir());
    let look = || match server.exit() {
        Some(_) => Some(false),
        None => ping(&path).then_some(true),
    };
    wait::poll(STARTUP, look).ok_or_else(|| server.not_ready(STARTUP))
}

fn ping(socket: &Path) -> bool {
    let asked = || -> std::io::Result<[u8; 5]> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    };
    matches!(asked(), Ok(answer) if &answer == b"+PONG")
}
