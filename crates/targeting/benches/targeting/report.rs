//! The table for people and the JSON for machines.

use std::path::Path;

use anyhow::Context;
use serde::Serialize;

/// One line of the table; its serialized members are the format of targeting.json.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Line {
    pub(crate) engine: &'static str,
    pub(crate) workload: &'static str,
    pub(crate) items: u32,
    pub(crate) mean_us: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) cold_p99_us: f64,
    pub(crate) bytes_per_item: usize,
    pub(crate) build_s: f64,
    /// Share of the (line item, request) pairs that match.
    pub(crate) match_share: f64,
    /// Mean time of resolving the request, which the other times include; none where it is not measured.
    #[serde(skip)]
    pub(crate) resolving_us: Option<f64>,
    /// How many requests were measured, and all of whose answers were compared.
    #[serde(skip)]
    pub(crate) requests: usize,
}

/// The whole result.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) lines: Vec<Line>,
}

const HEADS: [&str; 9] =
    ["items", "mean us", "p50 us", "p99 us", "cold p99", "resolve us", "bytes/item", "build s", "requests"];

impl Report {
    /// The table's first line; each line then prints itself, so that a run that is cut short has said something.
    pub(crate) fn print_heads() {
        println!("{:<10} {:<7}{}", "workload", "engine", HEADS.map(|head| format!(" {head:>10}")).concat());
    }

    pub(crate) fn write(&self, to: &Path) -> anyhow::Result<()> {
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let text = serde_json::to_string_pretty(&self.lines)? + "\n";
        std::fs::write(to, text).with_context(|| format!("cannot write {}", to.display()))
    }
}

impl Line {
    pub(crate) fn print(&self) {
        let cells = self.cells().map(|cell| format!(" {cell:>10}")).concat();
        println!("{:<10} {:<7}{cells}", self.workload, self.engine);
    }

    fn cells(&self) -> [String; 9] {
        let us = |us: f64| format!("{us:.2}");
        [
            self.items.to_string(),
            us(self.mean_us),
            us(self.p50_us),
            us(self.p99_us),
            us(self.cold_p99_us),
            self.resolving_us.map_or_else(|| "-".to_owned(), us),
            self.bytes_per_item.to_string(),
            us(self.build_s),
            self.requests.to_string(),
        ]
    }
}
