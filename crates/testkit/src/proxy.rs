//! A way to a server that can be made slow, silent or broken.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::KitError;

/// Pieces that are under way in one direction; a sender of more waits.
const UNDER_WAY: usize = 4_096;

/// How the way is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As if there were no proxy.
    Clear,
    /// Every answer comes so much later.
    Slow(Duration),
    /// Connections stay, and new ones are accepted, but nothing comes through until the way changes.
    Silent,
    /// Connections break, and new ones do at once.
    Broken,
}

/// A TCP proxy on a port of 127.0.0.1. Its connections break when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    now: Mutex<Now>,
    changed: Condvar,
}

#[derive(Debug)]
struct Now {
    way: Way,
    open: Vec<TcpStream>,
    accepted: usize,
    ended: bool,
}

impl Proxy {
    /// Listens, and connects each caller to this port of 127.0.0.1.
    pub fn start(to: u16) -> Result<Self, KitError> {
        let failed = || KitError::io("cannot listen on", "127.0.0.1");
        let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed())?;
        let port = listener.local_addr().map_err(failed())?.port();
        let now = Now { way: Way::Clear, open: Vec::new(), accepted: 0, ended: false };
        let state = Arc::new(State { now: Mutex::new(now), changed: Condvar::new() });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for caller in listener.incoming().flatten() {
                if !shared.connect(caller, to) {
                    return;
                }
            }
        });
        Ok(Self { port, state })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Connections that it has accepted.
    pub fn accepted(&self) -> usize {
        self.state.lock().accepted
    }

    /// Changes the way, for connections that are open too.
    pub fn set(&self, way: Way) {
        let mut now = self.state.lock();
        now.way = way;
        if way == Way::Broken {
            now.cut();
        }
        self.state.changed.notify_all();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.set(Way::Broken);
        self.state.lock().ended = true;
        // Wakes the thread that accepts.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
    }
}

impl Now {
    fn cut(&mut self) {
        for stream in self.open.drain(..) {
            stream.shutdown(Shutdown::Both).ok();
        }
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False when there is no proxy any more.
    fn connect(self: &Arc<Self>, caller: TcpStream, to: u16) -> bool {
        let mut now = self.lock();
        if now.way == Way::Broken {
            return !now.ended;
        }
        now.accepted += 1;
        let Ok(server) = TcpStream::connect(("127.0.0.1", to)) else { return true };
        for stream in [&caller, &server] {
            stream.set_nodelay(true).ok();
            now.open.extend(stream.try_clone());
        }
        if let (Ok(questions), Ok(answers)) = (caller.try_clone(), server.try_clone()) {
            self.carry(questions, server, false);
            self.carry(answers, caller, true);
        }
        true
    }

    /// Carries bytes one way, on two threads, so that what is late does not hold up what comes after it.
    fn carry(self: &Arc<Self>, from: TcpStream, to: TcpStream, slowed: bool) {
        let (pieces, under_way) = sync_channel(UNDER_WAY);
        thread::spawn(move || read_all(from, &pieces));
        let state = Arc::clone(self);
        thread::spawn(move || state.write_all(&under_way, to, slowed));
    }

    fn write_all(&self, under_way: &Receiver<(Instant, Vec<u8>)>, mut to: TcpStream, slowed: bool) {
        for (came, bytes) in under_way {
            let way = self.passable();
            if let (Way::Slow(by), true) = (way, slowed) {
                thread::sleep((came + by).saturating_duration_since(Instant::now()));
            }
            if way == Way::Broken || to.write_all(&bytes).is_err() {
                break;
            }
        }
        to.shutdown(Shutdown::Both).ok();
    }

    /// Waits while the way is silent.
    fn passable(&self) -> Way {
        let silent = |now: &mut Now| now.way == Way::Silent;
        self.changed.wait_while(self.lock(), silent).unwrap_or_else(PoisonError::into_inner).way
    }
}

fn read_all(mut from: TcpStream, pieces: &SyncSender<(Instant, Vec<u8>)>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let piece = buffer.get(..length).unwrap_or_default().to_vec();
        if pieces.send((Instant::now(), piece)).is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that sends back what it gets, and a proxy before it.
    fn echo() -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    let mut back = stream.try_clone().unwrap();
                    std::io::copy(&mut stream, &mut back).ok();
                });
            }
        });
        Proxy::start(port).unwrap()
    }

    fn call(proxy: &Proxy) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn ping(stream: &mut TcpStream) -> std::io::Result<Duration> {
        let began = Instant::now();
        stream.write_all(b"ping")?;
        let mut answer = [0; 4];
        stream.read_exact(&mut answer)?;
        assert_eq!(&answer, b"ping");
        Ok(began.elapsed())
    }

    #[test]
    fn what_is_slow_comes_later_and_in_order() {
        let proxy = echo();
        let mut stream = call(&proxy);
        ping(&mut stream).unwrap();
        proxy.set(Way::Slow(Duration::from_millis(50)));
        assert!(ping(&mut stream).unwrap() >= Duration::from_millis(50));
        assert_eq!(proxy.accepted(), 1);
    }

    #[test]
    fn what_is_silent_comes_when_the_way_is_clear_again() {
        let proxy = echo();
        let mut stream = call(&proxy);
        proxy.set(Way::Silent);
        stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        stream.write_all(b"late").unwrap();
        assert!(stream.read(&mut [0; 4]).is_err());
        proxy.set(Way::Clear);
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"late");
    }

    #[test]
    fn what_is_broken_breaks_until_it_is_mended() {
        let proxy = echo();
        let mut stream = call(&proxy);
        ping(&mut stream).unwrap();
        proxy.set(Way::Broken);
        assert!(ping(&mut stream).is_err());
        assert!(ping(&mut call(&proxy)).is_err());
        proxy.set(Way::Clear);
        ping(&mut call(&proxy)).unwrap();
    }
}
