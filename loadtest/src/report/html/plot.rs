//! Plots as inline SVG. Colours are classes, so that the page's style decides them, light or dark.

use std::fmt::{self, Write};

use super::escape;

/// The drawing's size, and what its edges keep for labels.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 44.0;

/// How values become places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    Log,
}

/// One axis, with the places that are named.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    pub(super) label: &'static str,
    pub(super) scale: Scale,
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) ticks: Vec<(f64, String)>,
}

/// A line, or an area between two lines.
#[derive(Clone, Debug)]
pub(super) struct Series {
    pub(super) name: String,
    /// Colour and dashes.
    pub(super) class: &'static str,
    /// Rising in x.
    pub(super) points: Vec<(f64, f64)>,
    /// The lower edge of an area, at the same x; empty for a line.
    pub(super) floor: Vec<f64>,
}

/// A plot with its words.
#[derive(Clone, Debug)]
pub(super) struct Plot {
    /// Unique on the page.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    /// What it shows, with the numbers that matter, for those who do not see it.
    pub(super) description: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) series: Vec<Series>,
}

impl Axis {
    /// From zero to a round number.
    pub(super) fn linear(label: &'static str, to: f64, show: impl Fn(f64) -> String) -> Self {
        let step = round_step(to / 5.0);
        let steps = (to / step).ceil().max(1.0);
        let ticks = (0..=steps as u32).map(|n| f64::from(n) * step).map(|at| (at, show(at))).collect();
        Self { label, scale: Scale::Linear, from: 0.0, to: steps * step, ticks }
    }

    /// From zero to this very number.
    pub(super) fn until(label: &'static str, to: f64, show: impl Fn(f64) -> String) -> Self {
        let mut axis = Self::linear(label, to, show);
        axis.to = to;
        axis.ticks.retain(|(at, _)| *at <= to);
        axis
    }

    /// Over whole steps of 1, 2, 5, 10 around these positive numbers.
    pub(super) fn log(label: &'static str, least: f64, most: f64, show: impl Fn(f64) -> String) -> Self {
        let least = least.max(1e-9);
        let below = ladder().rev().find(|step| *step <= least).unwrap_or(least);
        let above = ladder().find(|step| *step >= most.max(least * 2.0)).unwrap_or(most);
        let few = above / below > 1e3;
        let named = |step: &f64| !few || step.log10().fract().abs() < 1e-9;
        let steps = ladder().filter(|step| (below..=above).contains(step)).filter(named);
        Self {
            label,
            scale: Scale::Log,
            from: below,
            to: above,
            ticks: steps.map(|at| (at, show(at))).collect(),
        }
    }

    /// From 0 at its start to 1 at its end.
    fn place(&self, value: f64) -> f64 {
        let (value, from, to) = match self.scale {
            Scale::Linear => (value, self.from, self.to),
            Scale::Log => (value.max(self.from).ln(), self.from.ln(), self.to.ln()),
        };
        if to > from { ((value - from) / (to - from)).clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// 1, 2, 5, 10, ... from a billionth to a billion.
fn ladder() -> impl DoubleEndedIterator<Item = f64> {
    (-9..=9).flat_map(|power| [1.0, 2.0, 5.0].map(|digit| digit * 10_f64.powi(power)))
}

fn round_step(about: f64) -> f64 {
    ladder().find(|step| *step >= about).unwrap_or(1.0)
}

impl Plot {
    fn x(&self, value: f64) -> f64 {
        LEFT + self.x.place(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - self.y.place(value) * (HEIGHT - TOP - BOTTOM)
    }

    /// The figure with its title, drawing and legend.
    pub(super) fn write(&self, out: &mut String) -> fmt::Result {
        let (id, title) = (self.id, escape(self.title));
        write!(out, "<figure class=\"card\" id=\"{id}\"><h2>{title}</h2>")?;
        write!(
            out,
            "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"{id}-title {id}-text\">\
             <title id=\"{id}-title\">{title}</title><desc id=\"{id}-text\">{}</desc>",
            escape(&self.description)
        )?;
        self.write_axes(out)?;
        for series in &self.series {
            self.write_series(series, out)?;
        }
        out.push_str("</svg><ul class=\"legend\">");
        for series in &self.series {
            write_key(series, out)?;
        }
        write!(out, "</ul><figcaption>{}</figcaption></figure>", escape(&self.description))
    }

    fn write_axes(&self, out: &mut String) -> fmt::Result {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (at, label) in &self.y.ticks {
            let y = self.y(*at);
            write!(out, "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>")?;
            let (x, y) = (LEFT - 8.0, y + 4.0);
            write!(out, "<text x=\"{x}\" y=\"{y:.1}\" text-anchor=\"end\">{}</text>", escape(label))?;
        }
        for (at, label) in &self.x.ticks {
            let x = self.x(*at);
            write!(out, "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>")?;
            let y = bottom + 17.0;
            write!(out, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{}</text>", escape(label))?;
        }
        write!(
            out,
            "<path class=\"axis\" fill=\"none\" d=\"M{LEFT} {TOP}V{bottom}H{right}\"/>\
             <text x=\"{:.0}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>\
             <text transform=\"translate(14 {:.0}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
            (LEFT + right) / 2.0,
            HEIGHT - 8.0,
            escape(self.x.label),
            (TOP + bottom) / 2.0,
            escape(self.y.label)
        )
    }

    fn write_series(&self, series: &Series, out: &mut String) -> fmt::Result {
        if series.points.is_empty() {
            return Ok(());
        }
        let kind = if series.floor.is_empty() { "series" } else { "area" };
        write!(out, "<path class=\"{kind} {}\" d=\"M", series.class)?;
        for (number, (x, y)) in series.points.iter().enumerate() {
            let line = if number == 0 { "" } else { "L" };
            write!(out, "{line}{:.1} {:.1}", self.x(*x), self.y(*y))?;
        }
        for ((x, _), floor) in series.points.iter().zip(&series.floor).rev() {
            write!(out, "L{:.1} {:.1}", self.x(*x), self.y(*floor))?;
        }
        out.push_str(if series.floor.is_empty() { "\"/>" } else { "Z\"/>" });
        Ok(())
    }
}

fn write_key(series: &Series, out: &mut String) -> fmt::Result {
    let mark = if series.floor.is_empty() {
        format!("<path class=\"series {}\" d=\"M0 5H26\"/>", series.class)
    } else {
        format!("<rect class=\"area {}\" width=\"26\" height=\"10\"/>", series.class)
    };
    write!(
        out,
        "<li><svg viewBox=\"0 0 26 10\" aria-hidden=\"true\">{mark}</svg>{}</li>",
        escape(&series.name)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_on_round_numbers() {
        let linear = Axis::linear("", 1_234.0, |at| at.to_string());
        assert_eq!((linear.to, linear.ticks.len()), (1_500.0, 4));
        let log = Axis::log("", 130.0, 42_000.0, |at| at.to_string());
        assert_eq!((log.from, log.to), (100.0, 50_000.0));
        assert!((log.place(100.0), log.place(50_000.0)) == (0.0, 1.0));
        // Nothing at all is an axis too.
        assert!(Axis::linear("", 0.0, |at| at.to_string()).to > 0.0);
        assert_eq!(Axis::log("", 0.0, 0.0, |at| at.to_string()).place(0.0), 0.0);
    }

    #[test]
    fn what_is_off_the_scale_stays_in_the_drawing() {
        let axis = Axis::linear("", 10.0, |at| at.to_string());
        assert_eq!((axis.place(-5.0), axis.place(1e9)), (0.0, 1.0));
    }
}
