//! CPU time of processes, from /proc: user and system, all threads, in ticks of 10 ms.

use std::time::Duration;

/// `USER_HZ`, which Linux fixes for user space.
const TICK: Duration = Duration::from_millis(10);

/// Processes by name.
pub(crate) struct Processes(Vec<(&'static str, u32)>);

impl Processes {
    pub(crate) fn new(all: &[(&'static str, u32)]) -> Self {
        Self(all.to_vec())
    }

    /// What each has used so far.
    pub(crate) fn used(&self) -> Vec<(&'static str, Duration)> {
        self.0.iter().map(|(name, pid)| (*name, used(*pid))).collect()
    }
}

fn used(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    // The name, in brackets, may hold spaces; what follows does not. Fields 14 and 15 (man 5 proc) count from there.
    let fields = stat.rsplit_once(')').unwrap().1.split_ascii_whitespace();
    let ticks: u32 = fields.skip(11).take(2).map(|ticks| ticks.parse::<u32>().unwrap()).sum();
    TICK * ticks
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_ascii_whitespace().next().unwrap().parse::<u64>().unwrap() * 1_024
}
