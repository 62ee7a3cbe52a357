//! Tells systemd how the process is, where a unit of `Type=notify` started it: sd_notify(3), one datagram a message.
//! Nothing waits for systemd, and without it nothing happens.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::Drain;
use crate::admin::Admin;

/// How often readiness is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// The manager that started this process.
#[derive(Debug)]
pub struct Systemd {
    socket: UnixDatagram,
    /// It wants to hear from us at least so often, and would end us otherwise.
    watchdog: Option<Duration>,
}

impl Systemd {
    /// As the environment says (`NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`); none where nobody asked to be told.
    pub fn of_process() -> Option<Self> {
        let socket = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty())?;
        let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC").filter(|micros| ours && *micros > 0);
        match Self::open(&socket, watchdog.map(Duration::from_micros)) {
            Ok(systemd) => Some(systemd),
            Err(error) => {
                tracing::warn!(%error, "NOTIFY_SOCKET cannot be used: systemd is told nothing");
                None
            }
        }
    }

    /// A path, or behind "@" the name of an abstract socket.
    fn open(socket: &OsStr, watchdog: Option<Duration>) -> std::io::Result<Self> {
        let address = match socket.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(socket)?,
        };
        let ours = UnixDatagram::unbound()?;
        ours.set_nonblocking(true)?;
        ours.connect_addr(&address)?;
        Ok(Self { socket: ours, watchdog })
    }

    /// Says when the roles are ready, what they wait for from time to time, and that the process leaves; in between, that
    /// this runtime still turns. Ends when the process leaves.
    pub async fn follow(self, admin: Arc<Admin>, drain: Drain) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut told, mut ready) = (String::new(), false);
        let mut fed = Instant::now();
        loop {
            tokio::select! {
                () = drain.wait_leaving() => break,
                _ = look.tick() => {}
            }
            let waiting = admin.waiting().join("; ");
            if waiting.is_empty() && !ready {
                ready = true;
                self.say("READY=1");
            }
            let status = if waiting.is_empty() { "ready".into() } else { format!("waits: {waiting}") };
            if status != told {
                self.say(&format!("STATUS={}", status.replace('\n', " ")));
                told = status;
            }
            if self.watchdog.is_some_and(|limit| fed.elapsed() >= limit / 2) {
                self.say("WATCHDOG=1");
                fed = Instant::now();
            }
        }
        self.say("STOPPING=1\nSTATUS=leaving");
    }

    fn say(&self, message: &str) {
        if let Err(error) = self.socket.send(message.as_bytes()) {
            tracing::debug!(%error, message, "systemd was not told");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::Tasks;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// What a manager at this address hears next.
    fn hear(manager: &UnixDatagram) -> String {
        manager.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut message = [0; 256];
        let length = manager.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).into_owned()
    }

    async fn hear_soon(manager: &Arc<UnixDatagram>) -> String {
        let manager = Arc::clone(manager);
        tokio::task::spawn_blocking(move || hear(&manager)).await.unwrap()
    }

    #[tokio::test]
    async fn the_manager_hears_of_readiness_and_of_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = Arc::new(UnixDatagram::bind(&path).unwrap());
        let (admin, drain) = (Arc::new(Admin::new(String::new())), Drain::default());
        let ready = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&ready);
        let check = move || if flag.load(Ordering::Relaxed) { Ok(()) } else { Err("the catalog".into()) };
        admin.ready_when("bidder", Box::new(check));
        let systemd = Systemd::open(path.as_os_str(), None).unwrap();
        let tasks = Tasks::new(drain.clone());
        tasks.spawn("systemd", systemd.follow(admin, drain.clone()));
        assert_eq!(hear_soon(&manager).await, "STATUS=waits: bidder: the catalog");
        ready.store(true, Ordering::Relaxed);
        assert_eq!(hear_soon(&manager).await, "READY=1");
        assert_eq!(hear_soon(&manager).await, "STATUS=ready");
        drain.leave();
        assert_eq!(hear_soon(&manager).await, "STOPPING=1\nSTATUS=leaving");
        assert!(tasks.finish(PATIENCE).await);
    }

    #[tokio::test]
    async fn a_watchdog_at_an_abstract_address_is_fed() {
        let name = format!("tagbid-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let manager = Arc::new(UnixDatagram::bind_addr(&address).unwrap());
        let at = format!("@{name}");
        let systemd = Systemd::open(OsStr::new(&at), Some(Duration::from_millis(1))).unwrap();
        let (admin, tasks) = (Arc::new(Admin::new(String::new())), Tasks::new(Drain::default()));
        tasks.spawn("systemd", systemd.follow(admin, tasks.drain().clone()));
        let mut heard = Vec::new();
        while heard.iter().filter(|one| *one == "WATCHDOG=1").count() < 2 {
            heard.push(hear_soon(&manager).await);
        }
        assert_eq!(heard[0], "READY=1");
        tasks.drain().leave();
        assert!(tasks.finish(PATIENCE).await);
    }

    #[test]
    fn a_manager_that_is_not_there_is_an_error_and_no_end() {
        assert!(Systemd::open(OsStr::new("/no/such/socket"), None).is_err());
    }
}
