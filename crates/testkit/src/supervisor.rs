//! Children that end with the test process, however that ends.
//!
//! A test process can end without running a destructor: statics are never dropped, a failing harness calls
//! `exit`, somebody sends SIGKILL. So every child has a tiny supervisor, `supervise.sh`, that reads from a pipe of
//! which only the test process holds the other end (Rust opens pipes close-on-exec, so no other child inherits
//! it). The kernel closes that end when the process is gone, and the supervisor kills its server and removes the
//! directory. `PR_SET_PDEATHSIG` was the alternative: it is bound to the *thread* that forked, and the test
//! harness ends a thread with every test. The supervisor leads a process group of its own, so that Ctrl-C and
//! `kill -- -PGID` end the test and leave the supervisor alive to clean up.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::KitError;
use crate::wait::poll;

/// How long a child may take to appear, or to be gone after SIGKILL.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lines of the log that go into a failure message.
const TAIL: usize = 60;

/// A child process under a supervisor.
#[derive(Debug)]
pub(crate) struct Supervised {
    name: String,
    dir: PathBuf,
    supervisor: Child,
}

impl Supervised {
    /// Runs `command` with its output in `dir/log`. `dir` belongs to the child from now on and goes with it.
    /// `ending` is the signal (as `kill -s` calls it) that ends the child for good.
    pub(crate) fn start(
        name: &str,
        dir: PathBuf,
        ending: &str,
        command: &Command,
        user: Option<(u32, u32)>,
    ) -> Result<Self, KitError> {
        let mut sh = Command::new("sh");
        sh.args(["-c", include_str!("supervise.sh"), "supervise.sh"]).arg(&dir).arg(ending);
        sh.arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => sh.env(key, value),
                None => sh.env_remove(key),
            };
        }
        if let Some(cwd) = command.get_current_dir() {
            sh.current_dir(cwd);
        }
        if let Some((uid, gid)) = user {
            sh.uid(uid).gid(gid);
        }
        sh.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let supervisor = sh.spawn().map_err(KitError::io("cannot start", "sh"))?;
        let this = Self { name: name.to_owned(), dir, supervisor };
        this.wait_started()?;
        Ok(this)
    }

    fn wait_started(&self) -> Result<(), KitError> {
        poll(PATIENCE, || self.pid()).map(|_| ()).ok_or_else(|| self.not_ready(PATIENCE))
    }

    /// Where the child keeps its files.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The child's process id; the last one when it has ended.
    pub(crate) fn pid(&self) -> Option<u32> {
        read_number(&self.dir.join("pid")).and_then(|pid| u32::try_from(pid).ok())
    }

    /// How the child ended, as a shell tells it: its exit code, or 128 and the signal. None while it runs.
    pub(crate) fn exit(&self) -> Option<i32> {
        read_number(&self.dir.join("exit"))
    }

    /// Sends a signal; nothing happens when the child has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.exit().is_some() {
            return;
        }
        let pid = self.pid().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended between the look and the signal; then there is nothing left to do.
            kill_process(pid, signal).ok();
        }
    }

    /// Stops the child (SIGSTOP) and waits until it has: its threads may answer for a moment after the signal.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
        let Some(pid) = self.pid() else { return };
        poll(PATIENCE, || (self.exit().is_some() || is_stopped(pid)).then_some(()));
    }

    /// Waits for the child's end.
    pub(crate) fn wait_exit(&self, within: Duration) -> Result<i32, KitError> {
        poll(within, || self.exit()).ok_or_else(|| KitError::Failed {
            what: "waiting for a child to end",
            output: format!(
                "{} still runs after {within:?}; the end of its log:\n{}",
                self.name,
                self.tail()
            ),
        })
    }

    /// Kills the child at once and waits until it is gone.
    pub(crate) fn kill(&self) -> Result<(), KitError> {
        self.signal(Signal::KILL);
        self.wait_exit(PATIENCE).map(|_| ())
    }

    /// Starts the same command again; the child must have ended.
    pub(crate) fn restart(&mut self) -> Result<(), KitError> {
        self.wait_exit(PATIENCE)?;
        for file in ["pid", "exit"] {
            let path = self.dir.join(file);
            fs::remove_file(&path).map_err(KitError::io("cannot remove", path))?;
        }
        if let Some(stdin) = &mut self.supervisor.stdin {
            stdin
                .write_all(b"again\n")
                .map_err(KitError::io("cannot write to the supervisor of", &self.name))?;
        }
        self.wait_started()
    }

    /// Everything the child wrote to standard output and standard error.
    pub(crate) fn log(&self) -> String {
        let bytes = fs::read(self.dir.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The last lines of the log.
    pub(crate) fn tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default().join("\n")
    }

    /// The error for a child that did not come up.
    pub(crate) fn not_ready(&self, within: Duration) -> KitError {
        KitError::NotReady { name: self.name.clone(), seconds: within.as_secs(), log: self.tail() }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        self.supervisor.wait().ok();
    }
}

fn read_number(path: &Path) -> Option<i32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Whether no thread of a process runs. True where there is no `/proc` to ask.
fn is_stopped(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return true;
    };
    threads.flatten().all(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // proc(5): the state follows the name, which stands in parentheses and may have any character in it.
        stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('T'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wait::wait_until;

    fn sleeper(script: &str) -> Supervised {
        let dir = tempfile::tempdir().unwrap().keep();
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Supervised::start("sleeper", dir, "KILL", &command, None).unwrap()
    }

    #[test]
    fn a_child_that_ends_by_itself_leaves_its_code_and_its_log() {
        let child = sleeper("echo so long; exit 7");
        assert_eq!(child.wait_exit(PATIENCE).unwrap(), 7);
        assert_eq!(child.log(), "so long\n");
    }

    #[test]
    fn a_killed_child_can_be_started_again() {
        let mut child = sleeper("echo up; exec sleep 600");
        let first = child.pid().unwrap();
        // A process has an id before it has said anything: killed too early it would never say it.
        wait_until("the first life is up", PATIENCE, || child.log() == "up\n");
        child.kill().unwrap();
        assert_eq!(child.exit(), Some(128 + 9));

        child.restart().unwrap();
        assert_ne!(child.pid().unwrap(), first);
        assert_eq!(child.exit(), None);
        wait_until("the second life is up", PATIENCE, || child.log() == "up\nup\n");
    }

    #[test]
    fn dropping_ends_the_child_and_removes_its_directory() {
        let child = sleeper("exec sleep 600");
        let (pid, dir) = (child.pid().unwrap(), child.dir().to_owned());
        drop(child);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
        assert!(!dir.exists());
    }
}
