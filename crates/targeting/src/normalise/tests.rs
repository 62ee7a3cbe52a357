use proptest::prelude::*;

use super::*;

fn normal(dimension: Dimension, raw: &str) -> String {
    let arena = Bump::new();
    let raw = arena.alloc_str(raw);
    normalise(dimension, raw, &arena).to_owned()
}

#[test]
fn the_forms_that_people_write_meet() {
    let cases = [
        (Dimension::Country, " DE ", "deu"),
        (Dimension::Country, "uk", "gbr"),
        (Dimension::Country, "USA", "usa"),
        (Dimension::Country, "Atlantis", "atlantis"),
        (Dimension::Region, "USA-CA", "us-ca"),
        (Dimension::Postcode, "GB-SW1A 1AA", "gbr-sw1a1aa"),
        (Dimension::Size, "300 × 250", "300x250"),
        (Dimension::Size, "728X90", "728x90"),
        (Dimension::Domain, "https://www.Example.com:443/a?b", "example.com"),
        (Dimension::Domain, "example.com.", "example.com"),
        (Dimension::Language, "pt-BR", "pt"),
        (Dimension::Os, "Mac  OS X", "macos"),
        (Dimension::City, " São \t Paulo", "são paulo"),
        (Dimension::Domain, "WWW.Müller.de", "xn--mller-kva.de"),
        (Dimension::Domain, "xn--mller-kva.de", "xn--mller-kva.de"),
        (Dimension::Language, "por", "pt"),
        (Dimension::Language, "iw-IL", "he"),
        (Dimension::Carrier, "310005", "310-005"),
        (Dimension::Carrier, "310-005", "310-005"),
        (Dimension::Carrier, "Deutsche  Telekom", "deutsche telekom"),
        (Dimension::Keyword, "ΟΔΥΣΣΕΥΣ", "οδυσσευσ"),
        (Dimension::Keyword, "οδυσσευς", "οδυσσευσ"),
        (Dimension::Keyword, "ＳＣＨＵＨＥ　ｒｏｔ", "schuhe rot"),
        (Dimension::Keyword, "cafe\u{301}", "café"),
        (Dimension::Keyword, "\u{feff}zero\u{200b}width\u{ad}", "zerowidth"),
        (Dimension::Keyword, "men’s t–shirt", "men's t-shirt"),
        (Dimension::Keyword, " “'running shoes'” ", "running shoes"),
        (Dimension::Keyword, "\"", "\""),
        (Dimension::Postcode, "JP-１００-０００１", "jpn-100-0001"),
        (Dimension::App, "com.Example.Game", "com.example.game"),
    ];
    for (dimension, raw, want) in cases {
        assert_eq!(normal(dimension, raw), want, "{} {raw:?}", dimension.as_str());
    }
}

#[test]
fn regions_and_postcodes_take_their_country_along() {
    let arena = Bump::new();
    assert_eq!(region("USA", "CA", &arena), "us-ca");
    assert_eq!(region("us", "US-CA", &arena), "us-ca");
    assert_eq!(region("", "CA", &arena), "");
    assert_eq!(region("", "US-CA", &arena), "us-ca");
    assert_eq!(postcode_in("DE", "10115", &arena), "deu-10115");
    assert_eq!(postcode_in("DE", " ", &arena), "");
}

#[test]
fn parents_are_spelled_out() {
    let chain = |name| domains(name).collect::<Vec<_>>();
    assert_eq!(chain("a.news.example.com"), ["a.news.example.com", "news.example.com", "example.com"]);
    assert_eq!(chain("localhost"), ["localhost"]);
    assert!(chain("").is_empty());
    assert_eq!(categories("iab1-2").collect::<Vec<_>>(), ["iab1-2", "iab1"]);
    assert_eq!(categories("6:483").collect::<Vec<_>>(), ["6:483"]);
    assert_eq!(categories("iab-x").collect::<Vec<_>>(), ["iab-x"]);
}

#[test]
fn keywords_are_split_at_commas_only() {
    let arena = Bump::new();
    let words: Vec<_> = keywords("Running  Shoes,, Köln ,", &arena).collect();
    assert_eq!(words, ["running shoes", "köln"]);
}

/// Normalising what is normal changes nothing, for every letter that has another form: those of the first two planes, and
/// the compatibility ideographs.
#[test]
fn every_character_is_normal_after_one_pass() {
    let mut arena = Bump::new();
    for c in ('\u{80}'..'\u{20000}').chain('\u{2f800}'..'\u{2fa20}') {
        let raw = format!("a{c}b");
        for dimension in [Dimension::Keyword, Dimension::Domain] {
            let once = normalise(dimension, &raw, &arena);
            assert_eq!(normalise(dimension, once, &arena), once, "{} {c:?}", dimension.as_str());
        }
        arena.reset();
    }
}

proptest! {
    /// Normalising what is normal changes nothing, whatever the text: stored lists are normalised again.
    #[test]
    fn twice_is_once(raw in "(www\\.|https?://|[a-zA-Z]{2,3}-|.){0,4}\\PC{0,12}", pick in 0..Dimension::COUNT) {
        let dimension = Dimension::ALL[pick];
        let once = normal(dimension, &raw);
        prop_assert_eq!(normal(dimension, &once), once);
    }
}
