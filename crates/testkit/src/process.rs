//! One of our binaries as a child process.

use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

use crate::error::or_fail;
use crate::supervisor::Supervised;
use crate::{KitError, wait};

/// What Rust's panic hook writes in front of the place.
const PANIC: &str = "panicked at ";

/// A running child. On drop it is killed, and the test fails if anything in it panicked.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Supervised,
}

impl Process {
    /// Starts `command` (program, arguments, environment, directory; its redirections are ignored). Standard
    /// output and standard error go to the log.
    pub fn start(name: &str, command: &Command) -> Result<Self, KitError> {
        let dir = tempfile::Builder::new()
            .prefix("tagbid-process-")
            .tempdir()
            .map_err(KitError::io("cannot create", std::env::temp_dir()))?
            .keep();
        let child = Supervised::start(name, dir, "KILL", command, None)?;
        Ok(Self { name: name.to_owned(), child })
    }

    /// The name that failure messages call it by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    pub fn pid(&self) -> Option<u32> {
        self.child.pid()
    }

    /// Everything it has written so far.
    pub fn log(&self) -> String {
        self.child.log()
    }

    /// Waits for a line that contains `text` and returns it.
    ///
    /// # Panics
    /// After `within`, or when the process ends without it; the message shows the end of the log.
    #[track_caller]
    pub fn wait_line(&self, text: &str, within: Duration) -> String {
        self.wait_log(&format!("a line with {text:?}"), within, |line| {
            line.contains(text).then(|| line.to_owned())
        })
    }

    /// Waits for a line with `listening on ADDRESS` that also contains `what` and returns the address: with port
    /// 0 in the configuration this is how a test learns the port.
    ///
    /// # Panics
    /// As [`Process::wait_line`].
    #[track_caller]
    pub fn listening(&self, what: &str, within: Duration) -> SocketAddr {
        self.wait_log(&format!("\"listening on\" and {what:?}"), within, |line| {
            if line.contains(what) { listening_address(line) } else { None }
        })
    }

    #[track_caller]
    fn wait_log<T>(&self, what: &str, within: Duration, find: impl Fn(&str) -> Option<T>) -> T {
        let look = || {
            // Ask for the end first: what was written before it is then in the log.
            let ended = self.child.exit();
            match self.child.log().lines().find_map(&find) {
                Some(found) => Some(Ok(found)),
                None => ended.map(Err),
            }
        };
        match wait::poll(within, look) {
            Some(Ok(found)) => found,
            Some(Err(code)) => self.fail(&format!("ended with {code} before {what}")),
            None => self.fail(&format!("no sign of {what} after {within:?}")),
        }
    }

    /// Asks it to end (SIGTERM): it drains.
    pub fn terminate(&self) {
        self.child.signal(Signal::TERM);
    }

    /// Kills it at once (SIGKILL) and waits until it is gone.
    ///
    /// # Panics
    /// When it will not die.
    #[track_caller]
    pub fn kill(&self) {
        or_fail(self.child.kill());
    }

    /// Stops it (SIGSTOP): connections stay open, nothing is answered.
    pub fn freeze(&self) {
        self.child.freeze();
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) {
        self.child.signal(Signal::CONT);
    }

    /// Starts the same command again after its end. The log goes on.
    pub fn restart(&mut self) -> Result<(), KitError> {
        self.child.restart()
    }

    /// Lets no file of it grow beyond so many bytes until it is restarted: writes fail as on a full disk.
    ///
    /// # Panics
    /// When the kernel refuses.
    #[track_caller]
    pub fn limit_files(&self, bytes: u64) {
        let limit = Rlimit { current: Some(bytes), maximum: None };
        let pid = self.pid().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        if let Err(error) = prlimit(pid, Resource::Fsize, limit) {
            self.fail(&format!("no limit of {bytes} bytes: {error}"));
        }
    }

    /// True while it has not ended.
    pub fn is_running(&self) -> bool {
        self.child.exit().is_none()
    }

    /// Waits for its end: the exit code, or 128 and the signal that killed it.
    ///
    /// # Panics
    /// When it still runs after `within`.
    #[track_caller]
    pub fn wait_exit(&self, within: Duration) -> i32 {
        or_fail(self.child.wait_exit(within))
    }

    #[track_caller]
    #[expect(clippy::panic, reason = "the process did not do what the test needs: the test has failed")]
    fn fail(&self, what: &str) -> ! {
        panic!("{}: {what}; the end of its log:\n{}", self.name, self.child.tail())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.signal(Signal::KILL);
        // The supervisor's own end, in the next drop, waits for the child as well.
        self.child.wait_exit(Duration::from_secs(20)).ok();
        let panicked = self.child.log().contains(PANIC);
        // A panic while panicking would abort and hide the first failure.
        if panicked && !thread::panicking() {
            self.fail("a thread of it panicked");
        }
    }
}

/// The address behind `listening on` in a log line, with or without a scheme.
fn listening_address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on ")?;
    let word = rest.split_whitespace().next()?;
    let address = word.split_once("://").map_or(word, |(_, address)| address);
    address.trim_end_matches([',', ';', '.', '/']).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]).env("GREETING", "hello");
        Process::start("script", &command).unwrap()
    }

    #[test]
    fn addresses_are_read_from_lines_of_several_forms() {
        let expected = "127.0.0.1:8080".parse().ok();
        assert_eq!(listening_address("listening on 127.0.0.1:8080"), expected);
        assert_eq!(listening_address("http listening on http://127.0.0.1:8080/ role=bidder"), expected);
        assert_eq!(listening_address("listening at 127.0.0.1:8080"), None);
    }

    #[test]
    fn a_process_is_waited_for_by_what_it_says() {
        let process = shell("echo $GREETING; echo grpc listening on 127.0.0.1:7001; exec sleep 600");
        assert_eq!(process.wait_line("hell", PATIENCE), "hello");
        assert_eq!(process.listening("grpc", PATIENCE).port(), 7001);
        assert!(process.is_running());

        process.terminate();
        assert_eq!(process.wait_exit(PATIENCE), 128 + 15);
        assert!(!process.is_running());
    }

    #[test]
    #[should_panic(
        expected = "script: ended with 3 before a line with \"ready\"; the end of its log:\nno disk"
    )]
    fn a_process_that_ends_early_fails_the_wait_with_its_log() {
        shell("echo no disk >&2; exit 3").wait_line("ready", PATIENCE);
    }

    #[test]
    #[should_panic(expected = "a thread of it panicked")]
    fn a_panic_in_the_process_fails_the_test() {
        let process = shell("echo \"thread 'main' panicked at src/main.rs:1:1\"; exec sleep 600");
        process.wait_line("panicked", PATIENCE);
    }
}
