//! The standard output of commands that print.
//!
//! Whoever reads it may have enough, as `head` does. Most programs are ended by SIGPIPE then, without a word; Rust's hear of it as
//! an error of a write, which would look as if the command had failed. So it is noted where it comes up, and the process ends in
//! silence ([`is_closed`]). A connection that breaks is an error as before.

use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Nobody reads it any more. A process has one standard output.
static CLOSED: AtomicBool = AtomicBool::new(false);

/// The standard output.
pub(crate) struct Out(io::Stdout);

/// The standard output.
pub(crate) fn out() -> Out {
    Out(io::stdout())
}

/// Whether a write has found that nobody reads any more: no error that came of it is worth a word.
pub(crate) fn is_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

/// What a command says at its end, for one whose exit code tells more than that somebody read it.
pub(crate) fn unless_closed<E>(told: Result<(), E>) -> Result<(), E> {
    if is_closed() { Ok(()) } else { told }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes).inspect_err(note)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().inspect_err(note)
    }
}

fn note(error: &io::Error) {
    if error.kind() == ErrorKind::BrokenPipe {
        CLOSED.store(true, Ordering::Relaxed);
    }
}
