//! Decimals without rounding.

/// A decimal such as "19.99" times ten to `decimals`; none: it is no plain decimal, has more decimals, or does not fit.
pub(super) fn decimal(text: &str, decimals: usize) -> Option<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    // i64 has 19 digits.
    if whole.is_empty()
        || whole.len() > 19
        || fraction.len() > decimals
        || !digits(whole)
        || !digits(fraction)
    {
        return None;
    }
    format!("{whole}{fraction:0<decimals$}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_exact_or_refused() {
        for (text, nanos) in [("19.99", 19_990_000_000), ("0", 0), ("7.", 7_000_000_000), ("0.000000001", 1)]
        {
            assert_eq!(decimal(text, 9), Some(nanos), "{text}");
        }
        for bad in ["", ".5", "-1", "+1", "1e3", "1,5", "0.0000000001", "9223372036.854775808", "1.2.3", "٣"]
        {
            assert_eq!(decimal(bad, 9), None, "{bad}");
        }
        assert_eq!(decimal("9223372036.854775807", 9), Some(i64::MAX));
    }
}
