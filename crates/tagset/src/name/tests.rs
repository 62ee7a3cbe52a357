use proptest::prelude::*;

use super::*;

fn name(raw: &str) -> StandardName {
    StandardName::new(raw).unwrap_or_else(|error| panic!("{raw:?} {error}"))
}

/// Each line is one name to everybody who writes it.
#[test]
fn variants_of_a_name_are_one_name() {
    let cases: [(&str, &[&str]); 16] = [
        (
            "coca cola",
            &[
                "Coca Cola",
                "coca-cola",
                "COCA  COLA®",
                " coca_cola™ ",
                "Ｃｏｃａ－Ｃｏｌａ",
                "Coca\u{AD}-Cola (TM)",
            ],
        ),
        ("mcdonalds", &["McDonald's", "McDonald’s", "MCDONALDS", "McDonald´s", "McDonald\u{200B}s"]),
        ("marks and spencer", &["Marks & Spencer", "marks&spencer", "Marks and Spencer®"]),
        ("h and m", &["H&M", "H ＆ M"]),
        ("citroën", &["Citroën", "CITROE\u{308}N", "citroe\u{308}n"]),
        ("strasse", &["Straße", "STRASSE", "STRAẞE", "ſtraße"]),
        ("istanbul", &["İstanbul", "ISTANBUL", "ıstanbul"]),
        ("στοιχημα", &["ΣΤΟΙΧΗΜΑ", "στοιχημα"]),
        ("ガス", &["ｶﾞｽ", "ガス"]),
        (
            "in market suv",
            &["In-Market: SUV", "in_market/suv", "In market > SUV", "in.market.suv", "IN MARKET|SUV"],
        ),
        ("18 24", &["18-24", "18–24", "18 -24", "18 / 24"]),
        (">=100", &[">=100", ">= 100", "＞＝ 100"]),
        ("score -5", &["Score -5", "score −5"]),
        ("65+", &["65+", "65 +", "６５＋"]),
        ("4x4", &["4x4", "4×4", "4X4"]),
        ("u s a", &["U.S.A.", "u s a"]),
    ];
    for (standard, variants) in cases {
        for raw in variants {
            assert_eq!(name(raw).as_str(), standard, "{raw:?}");
        }
    }
}

#[test]
fn what_tells_names_apart_stays() {
    let apart = [
        ("C", "C#"),
        ("C#", "C++"),
        ("65", "65+"),
        ("<10", ">10"),
        ("1.5", "15"),
        ("score -1", "score 1"),
        ("$100", "€100"),
        ("schon", "schön"),
        ("a", "а"),
        ("が", "か"),
        ("🏀 fans", "⚽ fans"),
        ("age 2-5", "age 25"),
        ("мои", "мой"),
    ];
    for (one, other) in apart {
        assert_ne!(name(one), name(other), "{one:?} {other:?}");
    }
}

#[test]
fn loose_forms_meet_where_people_are_careless_and_only_there() {
    let together = [
        ("Citroën", "citroen"),
        ("Coca Cola", "cocacola"),
        ("U.S.A.", "USA"),
        ("L'Oréal", "l oreal"),
        ("Ærø Brygge", "aero brygge"),
        ("Ёлка", "елка"),
        ("Ἀθῆναι", "Αθηναι"),
        ("Häagen-Dazs", "haagendazs"),
    ];
    for (one, other) in together {
        assert_eq!(name(one).loose(), name(other).loose(), "{one:?} {other:?}");
    }
    for (one, other) in
        [("age 2-5", "age 25"), ("が", "か"), ("мои", "мой"), ("C", "C++"), ("score -5", "score 5")]
    {
        assert_ne!(name(one).loose(), name(other).loose(), "{one:?} {other:?}");
    }
}

#[test]
fn what_is_no_name_is_refused() {
    for raw in ["", "  ", "®", "--", "(tm)", "\u{200B}", "'", "+", "\u{301}", "\u{3164}", "<>", "% -"] {
        assert_eq!(StandardName::new(raw).unwrap_err(), NameError::Empty, "{raw:?}");
    }
    for bad in ['\u{FFFD}', '\u{E000}', '\u{FFFF}', '\u{10FFFF}'] {
        assert_eq!(StandardName::new(&format!("caf{bad}")).unwrap_err(), NameError::NotText(bad));
    }
    assert_eq!(StandardName::new(&"x".repeat(MAX_RAW + 1)).unwrap_err(), NameError::TooLong);
    assert_eq!(StandardName::new(&"x".repeat(MAX_CHARS + 1)).unwrap_err(), NameError::TooLong);
    // One character of 3 bytes becomes 18.
    assert_eq!(StandardName::new(&"\u{FDFA}".repeat(MAX_RAW / 3)).unwrap_err(), NameError::TooLong);
    assert!(StandardName::new(&"x".repeat(MAX_CHARS)).is_ok());
    assert!(StandardName::new(&format!("a{}", "\u{301}".repeat(400))).is_err(), "a tower of accents");
}

/// The standard form of a standard form, if there is one, is itself, and so is the loose form of it.
fn check(raw: &str) {
    let Ok(once) = StandardName::new(raw) else { return };
    let twice = StandardName::new(once.as_str());
    let twice = twice.unwrap_or_else(|error| panic!("{raw:?} -> {once:?}: {error}"));
    assert_eq!(once.as_str(), twice.as_str(), "{raw:?}");
    assert_eq!(once.loose(), twice.loose(), "{raw:?}");
    assert!(!once.loose().is_empty(), "{raw:?}");
    assert!(once.as_str().trim() == once.as_str() && !once.as_str().contains("  "), "{raw:?} {once:?}");
    assert!(once.as_str().chars().count() <= MAX_CHARS);
}

#[test]
fn every_character_alone_and_between_others_has_one_standard_form() {
    // Ideographs, syllables of Hangul and private planes by the tens of thousands are alike within each block.
    let many = |c: &char| {
        let blocks = [
            '\u{3400}'..='\u{A000}',
            '\u{AC00}'..='\u{D7A3}',
            '\u{17000}'..='\u{18CF0}',
            '\u{20000}'..='\u{DFFFF}',
        ];
        u32::from(*c) >= 0xF_0000 || blocks.iter().any(|block| block.contains(c))
    };
    let every_99th = ('\0'..=char::MAX).filter(many).step_by(99);
    for c in ('\0'..=char::MAX).filter(|c| !many(c)).chain(every_99th) {
        for raw in [format!("{c}"), format!("a{c}b"), format!("1{c}2"), format!("a {c}e\u{301} -1")] {
            check(&raw);
        }
    }
}

/// Text of the characters that rules are about, where rules meet.
fn tricky() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "a",
        "ß",
        "İ",
        "ı",
        "Σ",
        "1",
        "2",
        "½",
        "-",
        "−",
        "–",
        ".",
        ",",
        "'",
        "´",
        "&",
        "×",
        "<",
        ">",
        "=",
        "#",
        "+",
        "%",
        "$",
        " ",
        "\t",
        "(",
        ")",
        "(tm)",
        "(r)",
        "®",
        "\u{301}",
        "\u{308}",
        "\u{345}",
        "\u{20E3}",
        "\u{200D}",
        "\u{AD}",
        "ｶ",
        "ﾞ",
        "🏀",
        "°",
        "и",
        "\u{306}",
        "\u{E0100}",
        "ŉ",
        "¨",
        "한",
        "\u{1160}",
        "क",
        "ि",
    ]);
    prop::collection::vec(pieces, 0..12).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Whatever the rules do to each other, a standard form is its own standard form.
    #[test]
    fn standard_forms_stay(raw in tricky()) {
        check(&raw);
    }

    /// No text panics, and every name that is accepted is bounded and stable.
    #[test]
    fn any_text_is_a_stable_name_or_refused(raw in any::<String>()) {
        check(&raw);
    }

    /// Case, space around and trademark signs never make another name.
    #[test]
    fn dressing_changes_nothing(raw in "[a-zA-Z0-9éü&. -]{1,30}") {
        let dressed = format!("  {}®\u{200B} ", raw.to_uppercase());
        prop_assert_eq!(StandardName::new(&raw), StandardName::new(&dressed));
    }
}
