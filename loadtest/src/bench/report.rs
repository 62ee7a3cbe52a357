//! The table for people and the JSON for machines.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use super::{Args, Run};

/// One line of the table; its serialized members are the format of path.json.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    mode: String,
    line_items: u32,
    users: u32,
    cpu_us_per_request: f64,
    floor_us: f64,
    ratio: f64,
    p50_us: u64,
    p99_us: u64,
    #[serde(skip)]
    rate: f64,
    #[serde(skip)]
    bids: f64,
    #[serde(skip)]
    stages: Vec<(String, f64)>,
    #[serde(skip)]
    invalid: Option<String>,
}

impl Line {
    pub(super) fn new(mode: &str, args: &Args, path: &Run, floor: &Run) -> Self {
        let (load, served) = (&path.load, path.load.served());
        let invalid = path.invalid().or_else(|| floor.invalid().map(|why| format!("floor: {why}")));
        let with_bids = load.statuses.get(&200).copied().unwrap_or(0);
        Self {
            mode: mode.to_owned(),
            line_items: args.line_items,
            users: args.users,
            cpu_us_per_request: tenth(path.cpu_us),
            floor_us: tenth(floor.cpu_us),
            ratio: (path.cpu_us / floor.cpu_us.max(0.1) * 100.0).round() / 100.0,
            p50_us: served.quantile(0.5),
            p99_us: served.quantile(0.99),
            rate: load.rate(),
            bids: with_bids as f64 / load.answers().max(1) as f64,
            stages: path.stages.means_us().into_iter().map(|(stage, us)| (stage.to_owned(), us)).collect(),
            invalid,
        }
    }
}

impl Line {
    /// The table's cells after the mode.
    fn cells(&self) -> [String; 9] {
        [
            self.line_items.to_string(),
            self.users.to_string(),
            format!("{:.0}", self.rate),
            format!("{:.0}", self.bids * 100.0),
            format!("{:.1}", self.cpu_us_per_request),
            format!("{:.1}", self.floor_us),
            format!("{:.2}", self.ratio),
            self.p50_us.to_string(),
            self.p99_us.to_string(),
        ]
    }
}

fn tenth(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// The whole result.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    pub(super) lines: Vec<Line>,
}

impl Report {
    /// Whether every figure may be used.
    pub(super) fn is_good(&self) -> bool {
        self.lines.iter().all(|line| line.invalid.is_none())
    }

    /// The table on standard output.
    pub(super) fn print(&self) -> io::Result<()> {
        self.write_table(&mut io::stdout().lock())
    }

    fn write_table(&self, out: &mut impl Write) -> io::Result<()> {
        let heads =
            ["line items", "users", "req/s", "bids %", "CPU us/req", "floor us", "ratio", "p50 us", "p99 us"];
        write!(out, "{:<16}", "mode")?;
        heads.iter().try_for_each(|head| write!(out, " {head:>10}"))?;
        writeln!(out)?;
        for line in &self.lines {
            write!(out, "{:<16}", line.mode)?;
            line.cells().iter().try_for_each(|cell| write!(out, " {cell:>10}"))?;
            match &line.invalid {
                Some(why) => writeln!(out, "  INVALID: {why}")?,
                None => writeln!(out)?,
            }
        }
        if let [with, _, without, _] = self.lines.as_slice() {
            let ratio = with.cpu_us_per_request / without.cpu_us_per_request.max(0.1);
            writeln!(
                out,
                "budgets, caps and the event log cost {ratio:.2} times what it costs without, saturated"
            )?;
        }
        for line in &self.lines {
            let stages: Vec<String> =
                line.stages.iter().map(|(stage, us)| format!("{stage} {us:.1}")).collect();
            writeln!(out, "{}: mean us by stage: {}", line.mode, stages.join(", "))?;
        }
        Ok(())
    }

    /// The JSON. Figures that must not be used are left out.
    pub(super) fn write(&self, to: &Path) -> anyhow::Result<()> {
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let good: Vec<&Line> = self.lines.iter().filter(|line| line.invalid.is_none()).collect();
        let text = serde_json::to_string_pretty(&good)? + "\n";
        std::fs::write(to, text).with_context(|| format!("cannot write {}", to.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn line(invalid: Option<&str>) -> Line {
        Line {
            mode: "all".to_owned(),
            line_items: 10,
            users: 20,
            cpu_us_per_request: 60.5,
            floor_us: 20.0,
            ratio: 3.03,
            p50_us: 100,
            p99_us: 900,
            rate: 1_000.0,
            bids: 0.5,
            stages: vec![("match".to_owned(), 4.0)],
            invalid: invalid.map(str::to_owned),
        }
    }

    #[test]
    fn the_json_has_the_agreed_members_and_valid_lines_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bench/path.json");
        let report = Report { lines: vec![line(None), line(Some("too slow"))] };
        report.write(&path).unwrap();
        let read: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let mut members: Vec<&str> = read[0].as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        let agreed =
            ["cpu_us_per_request", "floor_us", "line_items", "mode", "p50_us", "p99_us", "ratio", "users"];
        assert_eq!((members, read.as_array().unwrap().len()), (agreed.to_vec(), 1));
        assert!(!report.is_good());
    }

    #[test]
    fn the_table_says_what_is_invalid_and_where_time_goes() {
        let report = Report { lines: vec![line(Some("too slow"))] };
        let mut out = Vec::new();
        report.write_table(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("INVALID: too slow") && text.contains("match 4.0"), "{text}");
    }
}
