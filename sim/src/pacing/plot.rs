//! The plot: plan and spend over the day, a panel a scenario. Colours are of the middle, so that it is readable on white and on
//! black.

use std::fmt::Write;

use super::report::Report;

const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 150.0;
const GAP: f64 = 44.0;
const COLUMNS: usize = 3;
const SPENT: &str = "#3b82f6";
const PLANNED: &str = "#e8590c";

/// An SVG of all scenarios.
pub fn plot(reports: &[Report]) -> String {
    let rows = reports.len().div_ceil(COLUMNS);
    let (width, height) = (COLUMNS as f64 * (WIDTH + GAP) + GAP, rows as f64 * (HEIGHT + GAP + 22.0) + GAP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"11\" fill=\"#848d97\" stroke-linejoin=\"round\">\n"
    );
    let _infallible = writeln!(
        svg,
        "<text x=\"{GAP}\" y=\"14\">share of the budget by hour: <tspan fill=\"{SPENT}\">spent</tspan> and \
         <tspan fill=\"{PLANNED}\">planned (dashed)</tspan></text>"
    );
    for (number, report) in reports.iter().enumerate() {
        let left = GAP + (number % COLUMNS) as f64 * (WIDTH + GAP);
        let top = GAP + (number / COLUMNS) as f64 * (HEIGHT + GAP + 22.0);
        panel(&mut svg, report, left, top);
    }
    svg.push_str("</svg>\n");
    svg
}

fn panel(svg: &mut String, report: &Report, left: f64, top: f64) {
    let hours = report.days as f64 * 24.0;
    let x = |hour: f64| left + hour / hours * WIDTH;
    let y = |share: f64| top + (1.0 - share) * HEIGHT;
    let _infallible =
        writeln!(svg, "<text x=\"{left}\" y=\"{}\" font-size=\"13\">{}</text>", top - 10.0, report.name);
    for quarter in 0..=4 {
        let share = f64::from(quarter) / 4.0;
        let _infallible = writeln!(
            svg,
            "<path d=\"M{left} {0}h{WIDTH}\" stroke=\"#848d97\" stroke-opacity=\"0.3\"/><text x=\"{1}\" y=\"{2}\" \
             text-anchor=\"end\">{3}%</text>\
             <text x=\"{4}\" y=\"{5}\" text-anchor=\"middle\">{6}h</text>",
            y(share),
            left - 4.0,
            y(share) + 4.0,
            share * 100.0,
            x(share * hours),
            top + HEIGHT + 14.0,
            share * hours,
        );
    }
    let line = |of: fn(&super::report::Hour) -> f64| {
        let points =
            report.hours.iter().map(|hour| format!("L{:.1} {:.1}", x(hour.hour as f64), y(of(hour))));
        format!("M{:.1} {:.1}{}", x(0.0), y(0.0), points.collect::<String>())
    };
    let spent = line(|hour| hour.spent);
    let _infallible =
        writeln!(svg, "<path d=\"{spent}\" fill=\"none\" stroke=\"{SPENT}\" stroke-width=\"2.5\"/>");
    if report.paced {
        let planned = line(|hour| hour.planned);
        let _infallible = writeln!(
            svg,
            "<path d=\"{planned}\" fill=\"none\" stroke=\"{PLANNED}\" stroke-width=\"1.3\" stroke-dasharray=\"4 4\"/>"
        );
    }
}
