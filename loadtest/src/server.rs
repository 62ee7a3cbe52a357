//! Servers under test: real processes, kept to a core, ended with their owner.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use http::{Request, StatusCode, Uri};
use rustix::process::{Pid, Signal, kill_process};
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
    /// What it prints once it is filled and serves.
    pub ready: &'a str,
    /// Where it will take bid requests.
    pub url: Uri,
    /// Its admin port.
    pub admin: Uri,
}

impl Server {
    /// A server of this same binary, by its command, on this core: the transport floor, for one.
    pub fn of_this(core: usize, command: &[&str]) -> anyhow::Result<Self> {
        let this = std::env::current_exe().context("cannot find this binary")?;
        let mut child = pinned(core, &this)?.args(command).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().context("no output of the server")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ");
        let address = address.with_context(|| format!("{command:?} did not start"))?;
        Ok(Self { url: format!("http://{address}/openrtb2/demo").parse()?, child, admin: None })
    }

    /// A program on this core. Waits until it prints its last word of preparation.
    pub fn start(core: usize, command: &ServerCommand<'_>, within: Duration) -> anyhow::Result<Self> {
        let mut child = pinned(core, command.program)?
            .args(&command.args)
            .current_dir(command.folder)
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {}", command.program.display()))?;
        let stdout = child.stdout.take();
        let mut server = Self { child, url: command.url.clone(), admin: Some(command.admin.clone()) };
        let ready = watch(stdout.context("no output of the server")?, command.ready.to_owned());
        server.wait_ready(&ready, within)?;
        Ok(server)
    }

    /// A program on this core that says on its admin port when it is ready: see [`Server::wait_until_ready`].
    pub fn serve(
        core: usize,
        program: &Path,
        args: &[String],
        folder: &Path,
        (url, admin): (Uri, Uri),
    ) -> anyhow::Result<Self> {
        let mut command = pinned(core, program)?;
        command.args(args).current_dir(folder).stdout(Stdio::null());
        let child = command.spawn().with_context(|| format!("cannot run {}", program.display()))?;
        Ok(Self { child, url, admin: Some(admin) })
    }

    /// Waits until the admin port says so.
    pub fn wait_until_ready(&mut self, within: Duration) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let why = match self.ask_admin("/readyz") {
                Ok(answer) if answer.status == StatusCode::OK => return Ok(()),
                Ok(answer) => String::from_utf8_lossy(&answer.body).into_owned(),
                Err(error) => error.to_string(),
            };
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status} before it was ready");
            }
            ensure!(start.elapsed() < within, "it is not ready after {within:?}: {}", why.trim());
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn wait_ready(&mut self, ready: &AtomicBool, within: Duration) -> anyhow::Result<()> {
        let start = Instant::now();
        while !ready.load(Ordering::Relaxed) {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended with {status} before it was ready");
            }
            ensure!(start.elapsed() < within, "the server is not ready after {within:?}");
            thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    /// CPU time used so far.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        cpu::used(self.child.id())
    }

    /// Asks the admin port.
    pub fn ask_admin(&self, path: &str) -> anyhow::Result<Answer> {
        let admin = self.admin.as_ref().context("the server has no admin port")?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let host = authority(admin)?;
        let request = Request::get(path).header(http::header::HOST, host.as_str()).body(Bytes::new())?;
        let mut connection = Connection::new(host, Duration::from_secs(5));
        Ok(runtime.block_on(connection.send(&request))?)
    }
}

impl Drop for Server {
    /// Asks it to end, so that it takes its files away; after ten seconds it is made to.
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        let asked = pid.is_some_and(|pid| kill_process(pid, Signal::TERM).is_ok());
        let start = Instant::now();
        while asked && start.elapsed() < Duration::from_secs(10) {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        // It may have ended meanwhile; then there is nothing to end or to wait for.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Reads a server's output to its end, so that it never waits for us, and says when a line held `word`.
fn watch(output: ChildStdout, word: String) -> Arc<AtomicBool> {
    let seen = Arc::new(AtomicBool::new(false));
    let tell = Arc::clone(&seen);
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if line.contains(&word) {
                tell.store(true, Ordering::Relaxed);
            }
        }
    });
    seen
}

/// A command that becomes `program` on one core, before it starts any thread.
pub(crate) fn pinned(core: usize, program: &Path) -> anyhow::Result<Command> {
    let this = std::env::current_exe().context("cannot find this binary")?;
    let mut command = Command::new(this);
    command.arg("pin").arg(core.to_string()).arg(program);
    Ok(command)
}

/// A port that is free now. Another process may take it before it is used; the start then fails and says so.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
