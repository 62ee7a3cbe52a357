//! Sentences for people.

/// "1 user", "2 users".
pub(crate) fn count(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// OpenRTB 2.6 leaves loss reasons to AdCOM 1.0, "Loss Reason Codes"; those that exchanges send most.
pub(crate) fn loss_reason(code: Option<u32>) -> &'static str {
    match code {
        None => "not said",
        Some(1) => "internal error",
        Some(2) => "impression expired",
        Some(3) => "invalid bid",
        Some(4) => "invalid deal",
        Some(5) => "invalid auction id",
        Some(6) => "invalid advertiser domain",
        Some(7) => "missing markup",
        Some(8) => "missing creative id",
        Some(9) => "missing price",
        Some(10) => "missing creative approval data",
        Some(100) => "below the floor",
        Some(101) => "below the deal's floor",
        Some(102) => "a higher bid",
        Some(103) => "a deal",
        Some(104) => "seat blocked",
        Some(200..=299) => "creative filtered",
        Some(_) => "the exchange's own",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_singular_and_nothing_else_is() {
        let told = [0, 1, 2].map(|n| count(n, "person", "persons"));
        assert_eq!(told, ["0 persons", "1 person", "2 persons"]);
    }
}
