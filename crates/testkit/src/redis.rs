//! Real Redis for tests.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
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
    mode: Mode,
    frozen: AtomicBool,
}

/// What a server is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// It stands alone.
    Alone,
    /// It will be a node of a cluster, and talks to the others on this port.
    Node { bus: u16 },
}

impl Mode {
    fn config(self) -> String {
        match self {
            Self::Alone => format!("databases {DATABASES}\n"),
            // Without the delay of 5 s a replica is in sync at once; one that is gone takes no other with it; and one that
            // a slow machine held up for long may still take its primary's place.
            Self::Node { bus } => format!(
                "databases 1\ncluster-enabled yes\ncluster-config-file nodes.conf\ncluster-port {bus}\n\
                 cluster-node-timeout 1000\ncluster-require-full-coverage no\ncluster-allow-replica-migration no\n\
                 cluster-replica-validity-factor 0\n\
                 repl-diskless-sync yes\nrepl-diskless-sync-delay 0\nrepl-ping-replica-period 1\n"
            ),
        }
    }

    /// With another port, when somebody took the one it had.
    fn again(self) -> Self {
        match self {
            Self::Alone => Self::Alone,
            Self::Node { .. } => Self::Node { bus: free_port() },
        }
    }
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    pub fn start() -> Result<Self, KitError> {
        Self::start_as(Mode::Alone)
    }

    /// Starts a server that knows no other node yet and has no slots.
    pub(crate) fn start_node() -> Result<Self, KitError> {
        Self::start_as(Mode::Node { bus: free_port() })
    }

    fn start_as(mut mode: Mode) -> Result<Self, KitError> {
        let program = find::on_path("redis-server")?;
        let dir = tempfile::Builder::new()
            .prefix("tagbid-redis-")
            .tempdir()
            .map_err(KitError::io("cannot create", std::env::temp_dir()))?;
        let mut port = free_port();
        write_config(dir.path(), port, mode)?;
        let mut command = Command::new(program);
        command.arg(dir.path().join("redis.conf")).current_dir(dir.path());
        let mut server = Supervised::start("redis-server", dir.keep(), "KILL", &command, None)?;
        // Someone else may have taken the port since it was chosen.
        for _ in 0..5 {
            if wait_ready(&server)? {
                return Ok(Self {
                    server,
                    port,
                    next: AtomicU32::new(0),
                    mode,
                    frozen: AtomicBool::new(false),
                });
            }
            (port, mode) = (free_port(), mode.again());
            write_config(server.dir(), port, mode)?;
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

    /// Where it listens for the other nodes of its cluster, if it is made for one.
    pub(crate) fn bus_port(&self) -> Option<u16> {
        match self.mode {
            Mode::Alone => None,
            Mode::Node { bus } => Some(bus),
        }
    }

    /// Whether its process is stopped.
    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.load(Ordering::Relaxed)
    }

    /// Whether its process runs, or is stopped.
    pub(crate) fn is_up(&self) -> bool {
        self.server.exit().is_none()
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
        self.frozen.store(false, Ordering::Relaxed);
    }

    /// Stops its process: connections stay open, nothing is answered.
    pub fn freeze(&self) {
        self.frozen.store(true, Ordering::Relaxed);
        self.server.freeze();
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        self.server.signal(Signal::CONT);
        self.frozen.store(false, Ordering::Relaxed);
    }

    /// Starts a killed server again on the same port, empty.
    pub fn restart(&mut self) -> Result<(), KitError> {
        // A replica leaves what it was sent there, and would begin with it as a primary.
        fs::remove_file(self.server.dir().join("dump.rdb")).ok();
        self.server.restart()?;
        if wait_ready(&self.server)? { Ok(()) } else { Err(self.server.not_ready(STARTUP)) }
    }
}

fn write_config(dir: &Path, port: u16, mode: Mode) -> Result<(), KitError> {
    let path = dir.join("redis.conf");
    let config = format!(
        "bind 127.0.0.1\nport {port}\nunixsocket {socket}\ndir {dir}\n{mode}\
         save \"\"\nappendonly no\nmaxmemory 512mb\nmaxmemory-policy noeviction\n",
        socket = socket(dir).display(),
        dir = dir.display(),
        mode = mode.config(),
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
