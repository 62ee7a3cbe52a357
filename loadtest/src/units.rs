//! Spans of time, as people write and read them.

use std::time::Duration;

/// What may stand behind a number, with its length in microseconds.
const UNITS: [(&str, f64); 6] =
    [("us", 1.0), ("µs", 1.0), ("ms", 1e3), ("s", 1e6), ("m", 60e6), ("h", 3_600e6)];

/// Reads "10s", "1.5ms", "250us", "2m", "1h". A number alone is refused: nobody knows what it means.
pub fn parse_span(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = UNITS.iter().find(|(name, _)| *name == unit.trim()).map(|(_, micros)| micros);
    let number: Option<f64> = number.parse().ok();
    let micros = number.zip(unit).map(|(number, unit)| number * unit);
    // Above that a span is a mistake; below, it fits every integer that we use.
    let micros = micros.filter(|micros| *micros <= 1e15);
    let micros = micros.ok_or_else(|| format!("{text:?} is no span of time: write 10s, 250ms, 2m or 1h"))?;
    Ok(Duration::from_nanos((micros * 1e3).round() as u64))
}

/// A span above zero.
pub fn parse_positive_span(text: &str) -> Result<Duration, String> {
    let span = parse_span(text)?;
    if span.is_zero() { Err("use a span above zero".to_owned()) } else { Ok(span) }
}

/// A share from 0 to 1, or in percent: "0.3", "30%".
pub fn parse_share(text: &str) -> Result<f64, String> {
    let (number, scale) = text.trim().strip_suffix('%').map_or((text.trim(), 1.0), |number| (number, 100.0));
    let share = number.trim().parse::<f64>().ok().map(|number| number / scale);
    let share = share.filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| format!("{text:?} is no share: use 0 to 1, or 0% to 100%"))
}

/// Microseconds in the unit that reads best: "850 µs", "1.23 ms", "2.00 s".
pub fn show_micros(micros: f64) -> String {
    match micros {
        micros if micros < 1e3 => format!("{micros:.0} µs"),
        micros if micros < 1e6 => format!("{:.2} ms", micros / 1e3),
        micros => format!("{:.2} s", micros / 1e6),
    }
}

/// A span's microseconds.
pub fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// A share in percent, with as many digits as a small one needs.
pub fn show_share(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        0.0 => "0 %".to_owned(),
        percent if percent < 0.1 => format!("{percent:.4} %"),
        percent if percent < 10.0 => format!("{percent:.2} %"),
        percent => format!("{percent:.1} %"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_need_a_unit() {
        let cases = [("10s", 10_000_000), ("1.5ms", 1_500), ("250 us", 250), ("2m", 120_000_000), ("0s", 0)];
        for (text, micros) in cases {
            assert_eq!(parse_span(text), Ok(Duration::from_micros(micros)), "{text}");
        }
        for text in ["10", "", "s", "-1s", "1 day", "1.2.3s", "1e9h", "99999999999h"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
        assert!(parse_positive_span("0ms").is_err());
    }

    #[test]
    fn shares_are_numbers_or_percent() {
        assert_eq!(parse_share("0.3"), Ok(0.3));
        assert_eq!(parse_share("30 %"), Ok(0.3));
        for text in ["2", "101%", "-1", "x", "NaN"] {
            assert!(parse_share(text).is_err(), "{text}");
        }
    }

    #[test]
    fn figures_are_shown_in_the_unit_that_reads_best() {
        assert_eq!(show_micros(850.0), "850 µs");
        assert_eq!(show_micros(1_234.0), "1.23 ms");
        assert_eq!(show_micros(2_000_000.0), "2.00 s");
        assert_eq!(show_share(0.000_12), "0.0120 %");
        assert_eq!(show_share(0.5), "50.0 %");
    }
}
