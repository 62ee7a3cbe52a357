//! GPP strings are cut where their header says.

use proptest::collection::btree_map;
use proptest::prelude::*;
use tagbid_consent::DecodeError;
use tagbid_consent::gpp::Gpp;

use crate::encoder::{Writer, gpp};

fn sections(text: &str) -> Vec<(i32, &str)> {
    Gpp::read(text).unwrap().sections().collect()
}

#[test]
fn the_examples_of_the_specification() {
    let tcf = "CPXxRfAPXxRfAAfKABENB-CgAAAAAAAAAAYgAAAAAAAA";
    // The specification prints headers both with and without padding to whole bytes.
    for header in ["DBABM", "DBABMA"] {
        assert_eq!(sections(&format!("{header}~{tcf}")), [(2, tcf)]);
    }
    for header in ["DBACNY", "DBACNYA"] {
        assert_eq!(sections(&format!("{header}~{tcf}~1YNN")), [(2, tcf), (6, "1YNN")]);
    }
    let range = format!("DBABjw~{tcf}~1YNN");
    assert_eq!(sections(&range), [(5, tcf), (6, "1YNN")]);
    assert_eq!(Gpp::read(&range).unwrap().section(6), Some("1YNN"));
    assert_eq!(Gpp::read(&range).unwrap().section(7), None);
}

#[test]
fn a_header_that_lists_other_sections_than_follow_is_refused() {
    for bad in ["DBACNY~1YNN", "DBABM", "DBABM~a~b"] {
        assert_eq!(Gpp::read(bad).err(), Some(DecodeError::Sections), "{bad}");
    }
}

#[test]
fn what_is_no_gpp_header_is_refused() {
    assert_eq!(Gpp::read("CPXxRf").err(), Some(DecodeError::Value), "a TC string");
    assert_eq!(Gpp::read("DCABM~a").err(), Some(DecodeError::Version(2)));
    assert_eq!(Gpp::read("").err(), Some(DecodeError::Truncated));
    assert_eq!(Gpp::read("1YNN").err(), Some(DecodeError::Value), "a us_privacy string");
}

#[test]
fn a_header_of_a_million_sections_ends_at_once() {
    let ranges = (0..4095).fold(Writer::default().number(6, 3).number(6, 1).number(12, 4095), |writer, _| {
        writer.number(1, 1).fibonacci(1).fibonacci(60_000)
    });
    let hostile = ranges.text() + &"~".repeat(100_000);
    assert_eq!(Gpp::read(&hostile).err(), Some(DecodeError::Sections));
}

proptest! {
    /// Every list of sections comes back in its order, each with its own text.
    #[test]
    fn reading_undoes_writing(written in btree_map(1..40_000u32, "[A-Za-z0-9._-]{0,12}", 0..=32)) {
        let written: Vec<_> = written.iter().map(|(id, text)| (*id, text.as_str())).collect();
        let text = gpp(&written);
        let read: Vec<_> = sections(&text).into_iter().map(|(id, text)| (id.unsigned_abs(), text)).collect();
        prop_assert_eq!(read, written);
    }
}
