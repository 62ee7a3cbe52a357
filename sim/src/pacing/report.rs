//! What came of it, for people and for machines.

use std::fmt::Write;

use serde_json::json;

/// A full hour.
#[derive(Clone, Copy, Debug)]
pub struct Hour {
    /// Since the beginning.
    pub hour: i64,
    /// What was to be spent by then, as a share of the whole budget.
    pub planned: f64,
    /// What was billed by then.
    pub spent: f64,
}

/// One scenario.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its name.
    pub name: &'static str,
    /// Its days.
    pub days: i64,
    /// Whether there was a plan to keep.
    pub paced: bool,
    /// Its hours.
    pub hours: Vec<Hour>,
    /// What was spent when all notices had come, as a share of the budget.
    pub spent: f64,
    /// The same of each line item.
    pub by_line: Vec<f64>,
    /// Spent above the budget, in nanos.
    pub overspent: i64,
    /// Billed too late to be paid, in nanos.
    pub uncovered: i64,
    /// Bids that were sent.
    pub bids: u64,
}

impl Report {
    /// How far spend was from the plan at this hour, as a share of a day's budget.
    pub fn deviation(&self, hour: &Hour) -> f64 {
        (hour.spent - hour.planned) * self.days as f64
    }

    /// The hour that was furthest from its plan.
    pub fn worst(&self) -> (i64, f64) {
        let all = self.hours.iter().map(|hour| (hour.hour, self.deviation(hour)));
        all.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs())).unwrap_or((0, 0.0))
    }

    /// Whether all targets were met: 2 % of a day's budget at every full hour, 99 % spent, nothing above the budget.
    pub fn is_met(&self) -> bool {
        let on_plan = !self.paced || self.worst().1.abs() <= 0.02;
        on_plan && self.spent >= 0.99 && self.overspent == 0
    }
}

/// For people: a row per scenario, then hours of each.
pub fn table(reports: &[Report]) -> String {
    let mut text = String::from(
        "| scenario | worst hour | deviation, % of a day | spent, % | overspent | bids | targets |\n| --- | --- | --- | --- | --- | --- | --- |\n",
    );
    for report in reports {
        let (hour, deviation) = report.worst();
        let worst =
            if report.paced { format!("{hour} | {:+.2}", deviation * 100.0) } else { "- | -".to_owned() };
        let met = if report.is_met() { "met" } else { "**missed**" };
        let Report { name, overspent, bids, .. } = report;
        let spent = report.spent * 100.0;
        let _infallible = writeln!(text, "| {name} | {worst} | {spent:.2} | {overspent} | {bids} | {met} |");
    }
    for report in reports {
        let _infallible = writeln!(text, "\n{}: hour, plan %, spent %, deviation %", report.name);
        for hour in &report.hours {
            let (planned, spent) = (hour.planned * 100.0, hour.spent * 100.0);
            let deviation = report.deviation(hour) * 100.0;
            let _infallible = writeln!(text, "{:4} {planned:7.2} {spent:7.2} {deviation:+6.2}", hour.hour);
        }
    }
    text
}

/// For machines.
pub fn json(reports: &[Report], seed: u64) -> String {
    let hour = |report: &Report, hour: &Hour| {
        json!({
            "hour": hour.hour, "planned": hour.planned, "spent": hour.spent,
            "deviation": report.deviation(hour),
        })
    };
    let one = |report: &Report| {
        json!({
            "name": report.name, "days": report.days, "paced": report.paced, "spent": report.spent,
            "by_line": report.by_line, "worst_hour": report.worst().0, "worst_deviation": report.worst().1,
            "overspent_nanos": report.overspent, "uncovered_nanos": report.uncovered, "bids": report.bids,
            "met": report.is_met(),
            "hours": report.hours.iter().map(|one| hour(report, one)).collect::<Vec<_>>(),
        })
    };
    json!({ "seed": seed, "scenarios": reports.iter().map(one).collect::<Vec<_>>() }).to_string()
}
