//! CPU time of processes, and keeping them to a core.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

/// The cores that this process may use.
pub fn cores() -> Vec<usize> {
    match sched_getaffinity(None) {
        Ok(set) => (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect(),
        Err(_) => vec![0],
    }
}

/// Keeps the calling thread, and all that it starts from now on, to one core.
pub fn pin(core: usize) -> anyhow::Result<()> {
    ensure!(core < CpuSet::MAX_CPU, "core {core}: use one below {}", CpuSet::MAX_CPU);
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("cannot keep to core {core}"))
}

/// Becomes `command`, kept to one core with all threads that it will ever start. Comes back only to say why not.
pub fn exec_pinned(core: usize, command: &[String]) -> anyhow::Result<ExitCode> {
    let (program, args) = command.split_first().context("no command")?;
    pin(core)?;
    Err(Command::new(program).args(args).exec()).with_context(|| format!("cannot run {program}"))
}

/// CPU time that a process has used in user and kernel mode, all its threads together. Counts in ticks of 10 ms on
/// usual kernels: measure over seconds.
pub fn used(pid: u32) -> anyhow::Result<Duration> {
    let path = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let ticks = ticks(&text).with_context(|| format!("{path} is not as proc(5) says"))?;
    let per_second = rustix::param::clock_ticks_per_second();
    Ok(Duration::from_secs_f64(ticks as f64 / per_second as f64))
}

/// CPU time that the calling thread has used.
pub fn of_this_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanos)
}

/// utime and stime: fields 14 and 15 by proc(5). The name before them stands in parentheses and may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_name_with_spaces_and_brackets_misleads_nobody() {
        let stat = "7 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 130 12 0 0 20 0";
        assert_eq!(ticks(stat), Some(142));
        assert_eq!(ticks("nonsense"), None);
    }

    #[test]
    fn work_shows_as_cpu_time() {
        let me = std::process::id();
        let (before, start) = (used(me).unwrap(), Instant::now());
        let mut sum = 0_u64;
        while start.elapsed() < Duration::from_secs(10)
            && used(me).unwrap() < before + Duration::from_millis(50)
        {
            sum = std::hint::black_box((0..100_000_u64).fold(sum, u64::wrapping_add));
        }
        assert!(used(me).unwrap() >= before + Duration::from_millis(50));
    }
}
