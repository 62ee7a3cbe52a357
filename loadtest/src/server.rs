//! Servers under test: real processes, kept to a core, ended with their owner.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{Request, Uri};
use tagbid_exchange::net::{Answer, Connection, authority};

use crate::cpu;

/// A server process.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it takes bid requests.
    pub url: Uri,
    /// Its admin port; none: it has none.
    pub admin: Option<Uri>,
}

/// How to start a server, and where it will answer.
#[derive(Clone, Debug)]
pub struct ServerCommand<'a> {
    /// The program, by an absolute path.
    pub program: &'a Path,
    /// Its arguments.
    pub args: Vec<String>,
    /// Where it runs and leaves its files.
    pub folder: &'a Path,
    /// Where it will take bid requests.
    pub url: Uri,
    /// Its admin port.
    pub admin: Uri,
}

impl Server {
    /// The transport floor, by this same binary, on this core.
    pub fn floor(core: usize) -> anyhow::Result<Self> {
        let this = std::env::current_exe().context("cannot find this binary")?;
        let mut child = pinned(core, &this)?.arg("floor").stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("no output of the floor")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line
            .trim()
            .strip_prefix("listening on ")
            .context("the floor did not start")?;
        Ok(Self {
            url: format!("http://{address}/openrtb2/demo").parse()?,
            child,
            admin: None,
        })
    }

    /// A program on this core. Waits until `/readyz` of its admin port says 200.
    pub fn start(core: usize, command: &ServerCommand<'_>, within: Duration) -> anyhow::Result<Self> {
        let child = pinned(core, command.program)?
            .args(&command.args)
            .current_dir(command.folder)
            .stdout(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot run {}", command.program.display()))?;
        let mut server = Self {
            child,
            url: command.url.clone(),
            admin: Some(command.admin.clone()),
        };
        server.wait_ready(within)?;
        Ok(server)
    }

    fn wait_ready(&mut self, within: Duration) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let waits_for = match self.ask_admin("/readyz") {
                Ok(answer) if answer.status == 200 => return Ok(()),
                Ok(answer) => String::from_utf8_lossy(&answer.body).trim().to_owned(),
                Err(error) => error.to_string(),
            };
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status} before it was ready");
            }
            if start.elapsed() > within {
                bail!("the server is not ready after {within:?}: {waits_for}");
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// CPU time used so far.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        cpu::used(self.child.id())
    }

    /// Asks the admin port.
    pub fn ask_admin(&self, path: &str) -> anyhow::Result<Answer> {
        let admin = self.admin.as_ref().context("the server has no admin port")?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let host = authority(admin)?;
        let request = Request::get(path)
            .header(http::header::HOST, host.as_str())
            .body(Bytes::new())?;
        let mut connection = Connection::new(host, Duration::from_secs(5));
        Ok(runtime.block_on(connection.send(&request))?)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end or to wait for.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A command that becomes `program` on one core, before it starts any thread.
fn pinned(core: usize, program: &Path) -> anyhow::Result<Command> {
    let this = std::env::current_exe().context("cannot find this binary")?;
    let mut command = Command::new(this);
    command.arg("pin").arg(core.to_string()).arg(program);
    Ok(command)
}

/// A port that is free now. Another process may take it before it is used; the start then fails and says so.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
