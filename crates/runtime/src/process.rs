//! What the kernel says of this process, under the names that Prometheus' own clients use, and the room on its disks.

use std::fmt;
use std::path::PathBuf;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use rustix::process::{Resource, getrlimit};

use crate::metrics::{encode_gauge, encode_gauges};

/// Fields of `/proc/self/stat` behind the name of the command, counted from the state (proc_pid_stat(5)).
const UTIME: usize = 11;
const STIME: usize = 12;
const THREADS: usize = 17;
const STARTED: usize = 19;
const VIRTUAL_BYTES: usize = 20;
const RESIDENT_PAGES: usize = 21;

/// CPU time, memory, files, age: read at each scrape. What the kernel does not tell is left out.
#[derive(Debug, Default)]
pub(crate) struct Process;

/// One reading.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reading {
    cpu_s: f64,
    started_s: f64,
    threads: i64,
    virtual_bytes: i64,
    resident_bytes: i64,
}

impl Reading {
    fn of(stat: &str, boot_s: f64, ticks_per_s: u64, page_bytes: u64) -> Option<Self> {
        // The command may have spaces and parentheses in it.
        let (_, fields) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let number = |place: usize| fields.get(place)?.parse::<u64>().ok();
        let seconds = |ticks: u64| ticks as f64 / ticks_per_s as f64;
        let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        Some(Self {
            cpu_s: seconds(number(UTIME)? + number(STIME)?),
            started_s: boot_s + seconds(number(STARTED)?),
            threads: whole(number(THREADS)?),
            virtual_bytes: whole(number(VIRTUAL_BYTES)?),
            resident_bytes: whole(number(RESIDENT_PAGES)?.saturating_mul(page_bytes)),
        })
    }

    fn now() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let boot = std::fs::read_to_string("/proc/stat").ok()?;
        let boot_s = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        let page_bytes = rustix::param::page_size() as u64;
        Self::of(&stat, boot_s, rustix::param::clock_ticks_per_second(), page_bytes)
    }
}

impl Collector for Process {
    fn encode(&self, mut to: DescriptorEncoder) -> fmt::Result {
        let to = &mut to;
        if let Some(now) = Reading::now() {
            let help = "Seconds of CPU that the process has used, in user and system mode";
            to.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?
                .encode_counter::<NoLabelSet, _, u64>(&now.cpu_s, None)?;
            to.encode_descriptor(
                "process_start_time_seconds",
                "When the process started, in seconds since 1970",
                None,
                MetricType::Gauge,
            )?
            .encode_gauge(&now.started_s)?;
            encode_gauge(to, "process_threads", "Threads", now.threads)?;
            encode_gauge(to, "process_virtual_memory_bytes", "Virtual memory", now.virtual_bytes)?;
            encode_gauge(to, "process_resident_memory_bytes", "Resident memory", now.resident_bytes)?;
        }
        // The one that reads the directory is among them.
        if let Ok(open) = std::fs::read_dir("/proc/self/fd").map(Iterator::count) {
            let open = i64::try_from(open).unwrap_or(i64::MAX) - 1;
            encode_gauge(to, "process_open_fds", "Open file descriptors", open)?;
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            encode_gauge(to, "process_max_fds", "Most file descriptors that may be open", most)?;
        }
        Ok(())
    }
}

/// Which build this is: a series that is always 1.
#[derive(Clone, Copy, Debug)]
pub struct BuildInfo {
    /// The version of the package.
    pub version: &'static str,
    /// The commit that it was built from.
    pub commit: &'static str,
    /// The compiler.
    pub rustc: &'static str,
}

impl Collector for BuildInfo {
    fn encode(&self, mut to: DescriptorEncoder) -> fmt::Result {
        let labels = [("version", self.version), ("commit", self.commit), ("rustc", self.rustc)];
        encode_gauges(&mut to, "tagbid_build_info", "Which build this is", [(labels, 1.0)])
    }
}

/// The room on the file systems that have this process's data.
#[derive(Debug)]
pub struct Disks(Vec<(&'static str, PathBuf)>);

impl Disks {
    /// Of these files and directories, each with the name of what is there. One that is not there yet is measured where it
    /// will be made.
    pub fn of(data: Vec<(&'static str, PathBuf)>) -> Self {
        Self(data)
    }
}

impl Collector for Disks {
    fn encode(&self, mut to: DescriptorEncoder) -> fmt::Result {
        let each = self.0.iter().filter_map(|(data, path)| {
            let there =
                path.ancestors().map(|one| if one.as_os_str().is_empty() { ".".as_ref() } else { one });
            let found = there.into_iter().find_map(|one| rustix::fs::statvfs(one).ok())?;
            Some(([("data", *data)], found))
        });
        let each: Vec<_> = each.collect();
        let bytes = |blocks: u64, size: u64| blocks as f64 * size as f64;
        let free = each.iter().map(|(label, disk)| (*label, bytes(disk.f_bavail, disk.f_frsize)));
        let help = "Bytes that this process may still write where it keeps its data";
        encode_gauges(&mut to, "tagbid_disk_free_bytes", help, free)?;
        let size = each.iter().map(|(label, disk)| (*label, bytes(disk.f_blocks, disk.f_frsize)));
        encode_gauges(&mut to, "tagbid_disk_size_bytes", "Bytes of the file system that has it", size)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[test]
    fn a_line_of_the_kernel_is_read_whatever_the_command_is_called() {
        let stat =
            "77 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 150 0 0 20 0 12 0 3000 4096000 100 18446744073709551615";
        let read = Reading::of(stat, 1_000.0, 100, 4_096).unwrap();
        let expected = Reading {
            cpu_s: 4.0,
            started_s: 1_030.0,
            threads: 12,
            virtual_bytes: 4_096_000,
            resident_bytes: 409_600,
        };
        assert_eq!(read, expected);
        assert_eq!(Reading::of("nonsense", 0.0, 100, 4_096), None);
    }

    #[test]
    fn this_process_uses_memory_and_files_and_its_disk_has_a_size() {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Process));
        let missing = std::env::temp_dir().join("not/there/yet");
        registry
            .register_collector(Box::new(Disks::of(vec![("events", missing), ("here", "no-such".into())])));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let value = |name: &str| -> f64 {
            let line = text.lines().find(|line| line.starts_with(&format!("{name} ")));
            line.unwrap_or_else(|| panic!("no {name} in {text}")).rsplit(' ').next().unwrap().parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 100_000.0);
        assert!(value("process_cpu_seconds_total") >= 0.0);
        assert!(value("process_open_fds") >= 3.0 && value("process_open_fds") <= value("process_max_fds"));
        // 2020; a start in the future would make every age negative.
        assert!(value("process_start_time_seconds") > 1.577e9);
        let disk = |data: &str, kind: &str| value(&format!("tagbid_disk_{kind}_bytes{{data=\"{data}\"}}"));
        for data in ["events", "here"] {
            assert!(disk(data, "size") >= disk(data, "free") && disk(data, "size") > 0.0);
        }
    }
}
