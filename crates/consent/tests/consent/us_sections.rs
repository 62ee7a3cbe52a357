//! US sections: every field is where the section's specification puts it.

use std::ops::Range;

use tagbid_consent::DecodeError;
use tagbid_consent::us::{UsChoices, read_section, read_us_privacy};

use crate::encoder::{Writer, us};

/// Where a section's two-bit fields are, counted from its specification's table of fields.
struct Place {
    section: u8,
    version: u64,
    notices: Range<usize>,
    opt_outs: Range<usize>,
    children: Range<usize>,
    service_provider: usize,
    fields: usize,
}

const NATION: u8 = 7;
const MARYLAND: u8 = 24;
const KENTUCKY: u8 = 26;

fn places() -> Vec<Place> {
    let place = |section, version, notices, opt_outs, children: Range<usize>, service_provider| Place {
        section,
        version,
        notices,
        opt_outs,
        children,
        service_provider,
        fields: service_provider + 1,
    };
    let mut places = vec![
        place(NATION, 1, 0..4, 6..9, 21..23, 26),
        place(NATION, 2, 0..4, 6..9, 25..28, 31),
        place(8, 1, 0..2, 3..5, 14..16, 19),
        place(9, 1, 0..3, 3..5, 13..14, 16),
        place(10, 1, 0..3, 3..5, 12..13, 15),
        place(11, 1, 0..3, 4..6, 14..15, 17),
        place(12, 1, 0..3, 3..5, 13..16, 18),
        place(15, 1, 0..3, 3..5, 16..19, 22),
        place(17, 1, 0..3, 3..5, 14..19, 22),
        place(18, 1, 0..3, 4..6, 14..15, 17),
        place(21, 1, 0..3, 3..5, 15..20, 23),
    ];
    // Florida, Montana, New Hampshire; then Texas, Nebraska, Tennessee, Minnesota.
    places.extend([13, 14, 20].map(|section| place(section, 1, 0..3, 3..5, 13..16, 19)));
    places.extend([16, 19, 22, 23].map(|section| place(section, 1, 0..3, 3..5, 13..14, 17)));
    // The four of 2025 put the MSPA first; the version is the MSPA's.
    for (section, children, fields) in
        [(MARYLAND, 0..0, 8), (25, 7..8, 9), (KENTUCKY, 7..8, 9), (27, 7..8, 9)]
    {
        places.push(Place { fields, ..place(section, 2, 2..5, 5..7, children, 1) });
    }
    places
}

/// What `value` in `field` means.
fn meaning(place: &Place, field: usize, value: u8) -> UsChoices {
    let mspa_first = place.section >= MARYLAND;
    UsChoices {
        opted_out: place.opt_outs.contains(&field) && value == 1,
        no_notice: place.notices.contains(&field) && value == 2,
        known_child: place.children.contains(&field) && value == 1,
        service_provider: field == place.service_provider && value == if mspa_first { 2 } else { 1 },
        gpc: false,
    }
}

#[test]
fn each_field_of_each_section_means_what_its_specification_says() {
    let places = places();
    assert_eq!(places.len(), 22, "sections 7 to 27, and 7 twice");
    for place in &places {
        for field in 0..place.fields {
            for value in 0..=2u8 {
                let digits: String = (0..place.fields)
                    .map(|at| if at == field { char::from(b'0' + value) } else { '0' })
                    .collect();
                let read = read_section(place.section, &us(place.version, &digits));
                let wanted = meaning(place, field, value);
                assert_eq!(read, Ok(wanted), "section {} field {field} = {value}", place.section);
            }
        }
    }
}

#[test]
fn a_section_cut_before_a_field_that_counts_is_refused() {
    for place in places().iter().filter(|place| place.section < MARYLAND) {
        let whole = us(place.version, &"0".repeat(place.fields));
        let cut: String = whole.chars().take(whole.len() - 1).collect();
        assert_eq!(
            read_section(place.section, &cut),
            Err(DecodeError::Truncated),
            "section {}",
            place.section
        );
    }
}

#[test]
fn the_global_privacy_control_comes_in_a_segment_of_its_own() {
    let core = us(1, &"0".repeat(27));
    for (segment, gpc) in
        [("", false), (".YA", true), (".Y", true), (".QA", false), (".Q", false), (".", false)]
    {
        let choices = read_section(NATION, &format!("{core}{segment}")).unwrap();
        assert_eq!(choices, UsChoices { gpc, ..UsChoices::default() }, "{segment:?}");
    }
    assert_eq!(read_section(NATION, &format!("{core}.Y!")), Err(DecodeError::Alphabet));
}

/// From the test suite of the public Rust GPP library, where they stand with these meanings.
#[test]
fn published_sections() {
    let gpc = UsChoices { gpc: true, ..UsChoices::default() };
    assert_eq!(read_section(8, "BVqqqqpY.YA"), Ok(gpc), "notices given, nothing opted out, GPC on");
    let minor = UsChoices { known_child: true, ..UsChoices::default() };
    assert_eq!(read_section(NATION, "CAAAAAAAAAWA.Q"), Ok(minor), "no consent from one of 16 to 17");
}

#[test]
fn the_sections_of_2025_are_read_with_and_without_their_header() {
    let opted_out = us(2, "00 111 12 0");
    let wanted = UsChoices { opted_out: true, gpc: true, ..UsChoices::default() };
    assert_eq!(read_section(MARYLAND, &format!("{opted_out}.YA")), Ok(wanted));
    let header = Writer::default().number(6, u64::from(MARYLAND)).number(6, 1).number(12, 0).text();
    assert_eq!(read_section(MARYLAND, &format!("{header}.{opted_out}.YA")), Ok(wanted));
    assert_eq!(read_section(MARYLAND, &header), Err(DecodeError::Truncated), "no core");
    // Kentucky's second segment is sensitive data: eight consents behind a type of three bits.
    let sensitive = Writer::default().number(3, 3).number(16, 0xffff).text();
    let core = us(2, "00 111 22 0 0");
    assert_eq!(read_section(KENTUCKY, &format!("{core}.{sensitive}")), Ok(UsChoices::default()));
}

#[test]
fn undefined_versions_and_values_are_refused() {
    assert_eq!(read_section(NATION, &us(3, &"0".repeat(32))), Err(DecodeError::Version(3)));
    assert_eq!(read_section(9, &us(2, &"0".repeat(17))), Err(DecodeError::Version(2)));
    assert_eq!(read_section(9, &us(1, "00030 00000000 0 000")), Err(DecodeError::Value));
    assert_eq!(read_section(28, &us(1, &"0".repeat(32))), Err(DecodeError::Version(1)));
    assert_eq!(read_section(9, ""), Err(DecodeError::Truncated));
}

#[test]
fn us_privacy_strings() {
    let read = |text| read_us_privacy(text).map(|choices| (choices.no_notice, choices.opted_out));
    let cases = [
        ("1---", (false, false)),
        ("1YNN", (false, false)),
        ("1yny", (false, false)),
        ("1YYN", (false, true)),
        ("1-Y-", (false, true)),
        ("1NN-", (true, false)),
        ("1NYY", (true, true)),
    ];
    for (text, wanted) in cases {
        assert_eq!(read(text), Ok(wanted), "{text}");
    }
    assert_eq!(read("2YNN"), Err(DecodeError::Version(2)));
    assert_eq!(read("1YXN"), Err(DecodeError::Value));
    for text in ["", "1YN", "1YNNN", "1éN"] {
        assert!(read(text).is_err(), "{text:?}");
    }
}
