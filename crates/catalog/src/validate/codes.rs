//! The lists of the trade from which creatives take codes.

/// AdCOM 1.0, "API Frameworks": VPAID 1.0 to SIMID 1.1. Vendors have codes of their own from 500; a creative goes to every
/// exchange, where such a code would mean another thing on each.
pub(super) fn is_api_framework(code: u16) -> bool {
    (1..=9).contains(&code)
}

/// AdCOM 1.0, "Creative Attributes", and what exchanges add from 500: a block list that holds such a code is that
/// exchange's own.
pub(super) fn is_attribute(code: u16) -> bool {
    matches!(code, 1..=18 | 500..)
}

/// OpenRTB Native 1.2, 7.5 "Image Asset Types": icon, logo (no longer used), main.
pub(super) fn is_image_type(code: u8) -> bool {
    (1..=3).contains(&code)
}

/// OpenRTB Native 1.2, 7.4 "Data Asset Types": sponsored to call to action text.
pub(super) fn is_data_type(code: u8) -> bool {
    (1..=12).contains(&code)
}

/// How many second tiers the first tiers IAB1 to IAB26 of the Content Taxonomy 1.0 have: OpenRTB 2.5, list 5.1.
const SECOND_TIERS: [u8; 26] =
    [7, 23, 12, 11, 15, 9, 45, 18, 31, 9, 5, 3, 12, 8, 10, 7, 44, 6, 36, 27, 3, 4, 10, 0, 7, 4];

/// Whether this is a category of the Content Taxonomy 1.0: "IAB2" or "IAB2-3".
pub(super) fn is_category(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("IAB") else {
        return false;
    };
    let (first, second) = rest.split_once('-').map_or((rest, None), |(first, second)| (first, Some(second)));
    let tiers = number(first).and_then(|first| SECOND_TIERS.get(usize::from(first) - 1));
    match (tiers, second) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some(tiers), Some(second)) => number(second).is_some_and(|second| second <= *tiers),
    }
}

/// A number from 1 without sign or leading zero.
fn number(text: &str) -> Option<u8> {
    text.parse().ok().filter(|_| text.starts_with(|c: char| ('1'..='9').contains(&c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_are_those_of_the_taxonomy() {
        for good in ["IAB1", "IAB26", "IAB24", "IAB1-7", "IAB7-45", "IAB26-4"] {
            assert!(is_category(good), "{good}");
        }
        for bad in [
            "IAB", "IAB0", "IAB27", "IAB1-8", "IAB24-1", "IAB2-0", "IAB02", "IAB2-", "IAB+2", "IAB2-3-4",
            "483",
        ] {
            assert!(!is_category(bad), "{bad}");
        }
    }

    #[test]
    fn codes_outside_the_lists_are_none() {
        assert!(is_api_framework(1) && is_api_framework(9));
        assert!([0, 10, 99, 1000].into_iter().all(|code| !is_api_framework(code)));
        assert!(is_attribute(18) && is_attribute(500) && !is_attribute(0) && !is_attribute(19));
        assert!(is_image_type(3) && !is_image_type(0) && !is_image_type(4));
        assert!(is_data_type(12) && !is_data_type(0) && !is_data_type(13));
    }
}
