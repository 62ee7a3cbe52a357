//! A report as a table for people, as CSV and as JSON.

use clap::ValueEnum;
use serde_json::{Map, Value, json};
use tagbid_clients::{LossLine, ReportAnswer, ReportBy, ReportKey, ReportLine};
use tagbid_types::{Nanos, Timestamp};
use tagbid_wire::ledger::day_text;

use crate::words::loss_reason;

/// How a report is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people: amounts and rates are rounded.
    Table,
    /// For spreadsheets: amounts to the nano, rates as fractions.
    Csv,
    /// For programs: amounts in nanos, rates in millionths, as the ledger has them.
    Json,
}

/// One value of a report.
#[derive(Clone, Debug, PartialEq)]
enum Cell {
    Id(u64),
    Text(String),
    Count(u64),
    Money(Nanos),
    /// In millionths.
    Share(i64),
    /// Nothing to divide by, or nothing said.
    None,
}

/// Columns and rows.
pub(super) struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
    /// Sums over all rows, for tables and JSON.
    totals: Vec<Vec<Cell>>,
    unattributed: Vec<(String, u64)>,
}

/// What a line says besides its keys.
const SUMS: [&str; 14] = [
    "spent",
    "currency",
    "billed",
    "imps",
    "clicks",
    "conv",
    "view_conv",
    "wins",
    "lost",
    "win_rate",
    "ctr",
    "cvr",
    "cpc",
    "cpa",
];

impl Table {
    pub(super) fn report(report: &ReportAnswer, by: &[ReportBy]) -> Self {
        let columns = by.iter().map(|by| by.as_str()).chain(SUMS).collect();
        let rows = report.lines.iter().map(|line| line.keys.iter().map(key).chain(sums(line)).collect());
        // One row for each currency is its own sum.
        let totals = if by.is_empty() { &[][..] } else { &report.totals };
        let blank = |number: usize| if number == 0 { Cell::Text("all".into()) } else { Cell::None };
        let totals = totals.iter().map(|line| (0..by.len()).map(blank).chain(sums(line)).collect());
        let unattributed = report.unattributed.clone();
        Self { columns, rows: rows.collect(), totals: totals.collect(), unattributed }
    }

    pub(super) fn losses(lines: &[LossLine]) -> Self {
        let of = |line_item| lines.iter().filter(move |line| line.line_item == line_item);
        let row = |line: &LossLine| {
            let all: u64 = of(line.line_item).map(|line| line.losses).sum();
            let share = u128::from(line.losses) * 1_000_000 / u128::from(all.max(1));
            vec![
                Cell::Id(line.line_item.0),
                line.reason.map_or(Cell::None, |code| Cell::Count(code.into())),
                Cell::Text(loss_reason(line.reason).into()),
                needed(line.needed_percent),
                Cell::Count(line.losses),
                Cell::Share(i64::try_from(share).unwrap_or(i64::MAX)),
            ]
        };
        let columns = vec!["line_item", "code", "reason", "would_have_won", "lost", "share"];
        Self { columns, rows: lines.iter().map(row).collect(), totals: vec![], unattributed: vec![] }
    }

    pub(super) fn print(&self, format: Format) -> String {
        match format {
            Format::Table => self.table(),
            Format::Csv => self.csv(),
            Format::Json => self.json(),
        }
    }

    fn table(&self) -> String {
        let heads = vec![self.columns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()];
        let texts = |rows: &[Vec<Cell>]| {
            rows.iter().map(|row| row.iter().map(Cell::short).collect()).collect::<Vec<Vec<_>>>()
        };
        let all: Vec<Vec<String>> = [heads, texts(&self.rows), texts(&self.totals)].concat();
        let width =
            |at: usize| all.iter().filter_map(|row| row.get(at)).map(|text| text.chars().count()).max();
        let widths: Vec<usize> = (0..self.columns.len()).map(|at| width(at).unwrap_or(0)).collect();
        let mut out = String::new();
        for row in &all {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(text, width)| format!("{text:>width$}")).collect();
            out.push_str(cells.join("  ").trim_end());
            out.push('\n');
        }
        for (reason, count) in &self.unattributed {
            out.push_str(&format!("not attributed: {count} ({reason})\n"));
        }
        out
    }

    fn csv(&self) -> String {
        let mut out = self.columns.join(",");
        out.push_str("\r\n");
        for row in &self.rows {
            let cells: Vec<String> = row.iter().map(|cell| quoted(cell.exact())).collect();
            out.push_str(&cells.join(","));
            out.push_str("\r\n");
        }
        out
    }

    fn json(&self) -> String {
        let object = |row: &Vec<Cell>| {
            let members = self.columns.iter().zip(row).filter_map(|(name, cell)| {
                let value = cell.value()?;
                Some((cell.member(name), value))
            });
            Value::Object(members.collect::<Map<_, _>>())
        };
        let unattributed: Map<_, _> =
            self.unattributed.iter().map(|(reason, count)| (reason.clone(), json!(count))).collect();
        let whole = json!({
            "rows": self.rows.iter().map(object).collect::<Vec<_>>(),
            "totals": self.totals.iter().map(object).collect::<Vec<_>>(),
            "unattributed": unattributed,
        });
        format!("{whole:#}\n")
    }
}

fn key(key: &ReportKey) -> Cell {
    match key {
        ReportKey::Id(id) => Cell::Id(*id),
        ReportKey::Name(name) => Cell::Text(name.clone()),
        ReportKey::Day(day) => Cell::Text(day_text(*day)),
        ReportKey::Hour(hour) => Cell::Text(hour_text(*hour)),
    }
}

fn hour_text(hour: Timestamp) -> String {
    jiff::Timestamp::from_microsecond(hour.0)
        .map(|at| at.strftime("%Y-%m-%dT%H:%MZ").to_string())
        .unwrap_or_default()
}

fn sums(line: &ReportLine) -> [Cell; SUMS.len()] {
    let share = |share: Option<i64>| share.map_or(Cell::None, Cell::Share);
    let money = |amount: Option<Nanos>| amount.map_or(Cell::None, Cell::Money);
    [
        Cell::Money(line.spent),
        Cell::Text(line.currency.to_string()),
        Cell::Count(line.billed),
        Cell::Count(line.impressions),
        Cell::Count(line.clicks),
        Cell::Count(line.conversions),
        Cell::Count(line.view_conversions),
        Cell::Count(line.wins),
        Cell::Count(line.losses),
        share(line.win_rate),
        share(line.ctr),
        share(line.cvr),
        money(line.cpc),
        money(line.cpa),
    ]
}

fn needed(percent: Option<u32>) -> Cell {
    match percent {
        None => Cell::None,
        Some(percent) if percent > 300 => Cell::Text("more than 300 %".into()),
        Some(percent) => Cell::Text(format!("up to {percent} %")),
    }
}

impl Cell {
    /// Rounded, for people.
    fn short(&self) -> String {
        match self {
            Self::Money(amount) => format!("{:.4}", amount.0 as f64 / 1e9),
            Self::Share(share) => format!("{:.2} %", *share as f64 / 1e4),
            Self::None => "-".into(),
            other => other.exact(),
        }
    }

    /// To the last digit.
    fn exact(&self) -> String {
        match self {
            Self::Id(number) | Self::Count(number) => number.to_string(),
            Self::Text(text) => text.clone(),
            Self::Money(amount) => amount.to_string(),
            Self::Share(share) => format!("{}.{:06}", share / 1_000_000, share % 1_000_000),
            Self::None => String::new(),
        }
    }

    fn value(&self) -> Option<Value> {
        match self {
            Self::Id(number) | Self::Count(number) => Some(json!(number)),
            Self::Text(text) => Some(json!(text)),
            Self::Money(amount) => Some(json!(amount.0)),
            Self::Share(share) => Some(json!(share)),
            Self::None => None,
        }
    }

    /// The name of its member in JSON, with its unit.
    fn member(&self, column: &str) -> String {
        match self {
            Self::Money(_) => format!("{column}_nanos"),
            Self::Share(_) => format!("{column}_millionths"),
            _ => column.to_owned(),
        }
    }
}

/// A field of CSV (RFC 4180).
fn quoted(text: String) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use tagbid_types::{BudgetDay, Currency, LineItemId};

    use super::*;

    fn line(keys: Vec<ReportKey>, spent: i64) -> ReportLine {
        ReportLine {
            keys,
            currency: Currency::USD,
            spent: Nanos(spent),
            billed: 3,
            impressions: 3,
            clicks: 1,
            conversions: 0,
            view_conversions: 0,
            wins: 3,
            losses: 1,
            ctr: Some(333_333),
            cvr: Some(0),
            win_rate: Some(750_000),
            cpc: Some(Nanos(spent)),
            cpa: None,
        }
    }

    fn report() -> Table {
        let day = ReportKey::Day(BudgetDay(20_779));
        let rows = vec![line(vec![day, ReportKey::Id(7)], 4_500_000)];
        let unattributed = vec![("late".to_owned(), 2)];
        let answer = ReportAnswer { lines: rows, totals: vec![line(vec![], 4_500_000)], unattributed };
        Table::report(&answer, &[ReportBy::Day, ReportBy::LineItem])
    }

    #[test]
    fn a_table_is_for_people() {
        let text = report().print(Format::Table);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[0].trim_start().starts_with("day  line_item   spent  currency  billed"), "{text}");
        assert!(lines[1].starts_with("2026-11-22          7  0.0045       USD       3"), "{text}");
        assert!(lines[1].ends_with("75.00 %  33.33 %  0.00 %  0.0045    -"), "{text}");
        assert!(lines[2].contains("all") && lines[3] == "not attributed: 2 (late)", "{text}");
    }

    #[test]
    fn csv_and_json_are_exact() {
        let csv = report().print(Format::Csv);
        let row = csv.lines().nth(1).unwrap();
        assert_eq!(row, "2026-11-22,7,0.004500000,USD,3,3,1,0,0,3,1,0.750000,0.333333,0.000000,0.004500000,");
        assert_eq!(quoted("a \"b\", c".into()), "\"a \"\"b\"\", c\"");
        let json: Value = serde_json::from_str(&report().print(Format::Json)).unwrap();
        let row = &json["rows"][0];
        assert_eq!((&row["spent_nanos"], &row["line_item"]), (&json!(4_500_000), &json!(7)));
        assert_eq!((&row["ctr_millionths"], row.get("cpa_nanos")), (&json!(333_333), None));
        assert_eq!(json["unattributed"]["late"], 2);
    }

    #[test]
    fn losses_are_told_in_words() {
        let line = |reason, needed_percent, losses| LossLine {
            line_item: LineItemId(3),
            reason,
            needed_percent,
            losses,
        };
        let lines = [line(None, None, 1), line(Some(102), Some(110), 2), line(Some(102), Some(1_000_000), 1)];
        let text = Table::losses(&lines).print(Format::Table);
        for part in ["not said", "a higher bid", "up to 110 %", "more than 300 %", "50.00 %"] {
            assert!(text.contains(part), "{part} is missing in:\n{text}");
        }
    }
}
