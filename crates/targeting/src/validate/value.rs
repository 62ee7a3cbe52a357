//! What a value of each dimension has to look like.

use tagbid_types::ExchangeName;

use crate::normalise::{alpha2, alpha2_language, alpha3, is_language};
use crate::{Dimension, Version};

/// What to write instead of a normalised value that no request could ever have; `None` when it is fine.
pub(super) fn fault(dimension: Dimension, normal: &str) -> Option<String> {
    if normal.is_empty() {
        return Some("name a value or leave it out".into());
    }
    if normal.contains(char::is_control) {
        return Some("take the control characters out".into());
    }
    if let Some(words) = dimension.words() {
        return (!words.contains(&normal)).then(|| format!("use one of {}", words.join(", ")));
    }
    let (good, remedy) = match dimension {
        Dimension::Country => (alpha2(normal).is_some(), "use an ISO 3166-1 code such as \"DEU\" or \"DE\""),
        Dimension::Region => (is_region(normal), "use an ISO 3166-2 code such as \"US-CA\""),
        Dimension::Postcode => {
            (is_postcode(normal), "write the country before the code, such as \"DEU-10115\"")
        }
        Dimension::Size => (is_size(normal), "use width x height in pixels, such as \"300x250\""),
        Dimension::Domain => {
            (is_domain(normal), "use a domain such as \"example.com\", which covers its subdomains")
        }
        Dimension::Language => (is_code(normal), "use an ISO 639-1 code such as \"en\""),
        Dimension::Os => {
            (!ends_in_version(normal), "name the system alone, and its versions in a test of os_version")
        }
        Dimension::Exchange => {
            (normal.parse::<ExchangeName>().is_ok(), "use the name that the operator gave the exchange")
        }
        Dimension::App | Dimension::Site | Dimension::Publisher => {
            (!normal.contains('*'), "name each one: there are no wildcards")
        }
        Dimension::Category => (is_category(normal), "use \"IAB1-2\", or taxonomy and id such as \"6:483\""),
        Dimension::Keyword => (!normal.contains(','), "write one keyword per value"),
        _ => (true, ""),
    };
    (!good).then(|| remedy.into())
}

fn is_region(text: &str) -> bool {
    text.split_once('-').is_some_and(|(country, part)| {
        alpha3(country).is_some()
            && (1..=3).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphanumeric())
    })
}

fn is_postcode(text: &str) -> bool {
    text.split_once('-').is_some_and(|(country, code)| alpha2(country).is_some() && is_word(code))
}

fn is_word(code: &str) -> bool {
    !code.is_empty() && code.chars().all(|c| c.is_alphanumeric() || c == '-')
}

/// ISO 639-1, or ISO 639-2 and 639-3 for the languages that it lacks.
fn is_code(text: &str) -> bool {
    let longer = text.len() == 3 && text.bytes().all(|b| b.is_ascii_lowercase());
    is_language(text) || (longer && alpha2_language(text).is_none())
}

/// "windows 10": requests tell system and version apart.
fn ends_in_version(text: &str) -> bool {
    text.rsplit_once(' ').is_some_and(|(_, last)| Version::parse_strict(last).is_some())
}

fn is_size(text: &str) -> bool {
    let pixels =
        |side: &str| side.bytes().all(|b| b.is_ascii_digit()) && side.parse::<u16>().is_ok_and(|n| n > 0);
    // A leading zero would never meet what requests say.
    text.split_once('x')
        .is_some_and(|(w, h)| [w, h].into_iter().all(|side| pixels(side) && !side.starts_with('0')))
}

fn is_domain(text: &str) -> bool {
    text.contains('.')
        && text.split('.').all(|label| {
            !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
        })
}

fn is_category(text: &str) -> bool {
    let number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let tiers = |rest: &str| match rest.split_once('-') {
        Some((tier, part)) => number(tier) && number(part),
        None => number(rest),
    };
    match (text.strip_prefix("iab"), text.split_once(':')) {
        (Some(rest), _) => tiers(rest),
        // Ids of the Content Taxonomies 2 and 3 are numbers or, since 3.0, short words.
        (None, Some((taxonomy, id))) => {
            number(taxonomy) && !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric())
        }
        (None, None) => false,
    }
}
