//! Copies of threads' stacks, made by a signal's handler.
#![expect(unsafe_code, reason = "signals, and memory that their handler shares with a thread")]

use std::cell::UnsafeCell;
use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// Samples in a second of CPU. Not 100: what happens a hundred times a second would be seen always or never.
const PER_SECOND: i64 = 99;

/// Bytes of a stack that are copied; what is further up is not seen.
const STACK: usize = 32 * 1024;

/// Copies that wait to be looked at.
const SLOTS: usize = 128;

/// The granularity at which memory may be unreadable.
const PAGE: u64 = 4096;

/// Pieces of a copy: whole pages, and what is left of the first.
const PIECES: usize = STACK / PAGE as usize + 1;

/// A thread's registers and the top of its stack, at one moment.
pub(super) struct Copy {
    pub(super) ip: u64,
    pub(super) sp: u64,
    pub(super) fp: u64,
    /// The return address where the processor keeps one (aarch64).
    pub(super) lr: u64,
    length: usize,
    stack: [u8; STACK],
}

impl Copy {
    /// The word at an address of the stack, if that was copied.
    pub(super) fn word(&self, address: u64) -> Option<u64> {
        let from = usize::try_from(address.checked_sub(self.sp)?).ok()?;
        let word = self.stack.get(from..from.checked_add(8)?)?;
        let is_copied = from + 8 <= self.length;
        is_copied.then(|| word.try_into().map(u64::from_ne_bytes).ok())?
    }
}

const FREE: u8 = 0;
const WRITING: u8 = 1;
const FULL: u8 = 2;

/// A copy belongs to whoever moved its state there: the handler from FREE to WRITING, the reader from FULL to FREE.
struct Slot {
    state: AtomicU8,
    copy: UnsafeCell<Copy>,
}

// SAFETY: `copy` is touched only by the one who has moved `state` to WRITING, until it is FULL, and then by the only reader
// (`Sampler` is unique while it lives) until it is FREE again. The moves are release, those who rely on them acquire.
unsafe impl Sync for Slot {}

/// Kept for as long as the process lives, because a signal may come late. Memory that nobody wrote to yet costs nothing.
static RING: OnceLock<Box<[Slot]>> = OnceLock::new();
static NEXT: AtomicUsize = AtomicUsize::new(0);
static LOST: AtomicU64 = AtomicU64::new(0);
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The right to sample: one at a time in a process.
pub(super) struct Sampler(());

impl Sampler {
    /// The right, if nobody has it.
    pub(super) fn claim() -> Option<Self> {
        TAKEN.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).ok().map(|_| Self(()))
    }

    /// Has the kernel interrupt whoever computes.
    pub(super) fn start(&self) -> io::Result<()> {
        let ring = RING.get_or_init(|| (0..SLOTS).map(|_| Slot::empty()).collect());
        // Left by the last one.
        for slot in ring {
            let _was = slot.state.compare_exchange(FULL, FREE, Ordering::Acquire, Ordering::Relaxed);
        }
        LOST.store(0, Ordering::Relaxed);
        may_copy()?;
        // SAFETY: an all-zero `sigaction` is valid: no flags, an empty mask. The handler is `extern "C"` with the arguments
        // that SA_SIGINFO promises, does what a handler may (see there), and stays for ever.
        let handled = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handle as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
            libc::sigaction(libc::SIGPROF, &action, std::ptr::null_mut())
        };
        if handled == 0 { set_timer(1_000_000 / PER_SECOND) } else { Err(io::Error::last_os_error()) }
    }

    /// Hands over the copies that were made since.
    pub(super) fn take(&self, mut look: impl FnMut(&Copy)) {
        for slot in RING.get().into_iter().flatten() {
            if slot.state.load(Ordering::Acquire) == FULL {
                // SAFETY: it is FULL, so no handler touches it, and there is no reader but this.
                look(unsafe { &*slot.copy.get() });
                slot.state.store(FREE, Ordering::Release);
            }
        }
    }

    /// No more interrupts. How many samples found no room.
    pub(super) fn stop(&self) -> u64 {
        // It was set with the same call; there is nothing to do about a failure.
        let _stopped = set_timer(0);
        LOST.load(Ordering::Relaxed)
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.stop();
        TAKEN.store(false, Ordering::Release);
    }
}

impl Slot {
    fn empty() -> Self {
        let copy = Copy { ip: 0, sp: 0, fp: 0, lr: 0, length: 0, stack: [0; STACK] };
        Self { state: AtomicU8::new(FREE), copy: UnsafeCell::new(copy) }
    }
}

/// SIGPROF after so many microseconds of the process's CPU each; 0: never.
fn set_timer(micros: i64) -> io::Result<()> {
    let interval = libc::timeval { tv_sec: 0, tv_usec: micros };
    let timer = libc::itimerval { it_interval: interval, it_value: interval };
    // SAFETY: reads a value that lives until it returns.
    let set = unsafe { libc::setitimer(libc::ITIMER_PROF, &timer, std::ptr::null_mut()) };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Runs on whichever thread was interrupted, between any two of its instructions. It takes no lock, allocates nothing and
/// calls nothing but two system calls; it keeps `errno` as it was.
extern "C" fn handle(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let Some(ring) = RING.get() else { return };
    let turn = NEXT.fetch_add(1, Ordering::Relaxed) % SLOTS;
    let Some(slot) = ring.get(turn) else { return };
    if slot.state.compare_exchange(FREE, WRITING, Ordering::Acquire, Ordering::Relaxed).is_err() {
        LOST.fetch_add(1, Ordering::Relaxed);
        return;
    }
    // SAFETY: the thread's own errno; the kernel hands a valid context to handlers that are installed with SA_SIGINFO; the slot is
    // ours while it is WRITING.
    unsafe {
        let errno = *libc::__errno_location();
        fill(&mut *slot.copy.get(), &*context.cast::<libc::ucontext_t>());
        *libc::__errno_location() = errno;
    }
    slot.state.store(FULL, Ordering::Release);
}

/// Whether the system lets a process read itself: some filters of system calls do not.
fn may_copy() -> io::Result<()> {
    let (word, mut copied) = (7_u64, 0_u64);
    let length = size_of::<u64>();
    let theirs = libc::iovec { iov_base: std::ptr::from_ref(&word).cast_mut().cast(), iov_len: length };
    let mine = libc::iovec { iov_base: std::ptr::from_mut(&mut copied).cast(), iov_len: length };
    // SAFETY: reads and writes a word each, both of which live until it returns.
    let read = unsafe { libc::process_vm_readv(libc::getpid(), &mine, 1, &theirs, 1, 0) };
    if usize::try_from(read) == Ok(length) && copied == word {
        Ok(())
    } else {
        let problem = io::Error::last_os_error();
        Err(io::Error::other(format!("process_vm_readv of this process: {problem}; allow that system call")))
    }
}

fn fill(copy: &mut Copy, context: &libc::ucontext_t) {
    (copy.ip, copy.sp, copy.fp, copy.lr) = registers(context);
    let mine = libc::iovec { iov_base: copy.stack.as_mut_ptr().cast(), iov_len: STACK };
    // The stack may end anywhere above: the kernel reads whole pieces up to the first that is not there, where a load would
    // fault.
    let first = (PAGE - copy.sp % PAGE) as usize;
    let piece = |number: usize| {
        let (from, length) = match number {
            0 => (copy.sp, first),
            _ => (copy.sp + first as u64 + (number as u64 - 1) * PAGE, PAGE as usize),
        };
        libc::iovec { iov_base: from as *mut libc::c_void, iov_len: length }
    };
    let theirs: [libc::iovec; PIECES] = std::array::from_fn(piece);
    // SAFETY: writes into `stack` alone, `STACK` bytes at most; what cannot be read of the others is not.
    let read = unsafe {
        libc::process_vm_readv(libc::getpid(), &mine, 1, theirs.as_ptr(), PIECES as libc::c_ulong, 0)
    };
    copy.length = usize::try_from(read).unwrap_or(0);
}

#[cfg(target_arch = "x86_64")]
fn registers(context: &libc::ucontext_t) -> (u64, u64, u64, u64) {
    let register = |number: libc::c_int| {
        let value = context.uc_mcontext.gregs.get(usize::try_from(number).unwrap_or(usize::MAX));
        value.map_or(0, |value| value.cast_unsigned())
    };
    (register(libc::REG_RIP), register(libc::REG_RSP), register(libc::REG_RBP), 0)
}

#[cfg(target_arch = "aarch64")]
fn registers(context: &libc::ucontext_t) -> (u64, u64, u64, u64) {
    let now = &context.uc_mcontext;
    (now.pc, now.sp, now.regs[29], now.regs[30])
}
