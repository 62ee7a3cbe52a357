//! One form for every value, so that what an advertiser wrote and what an exchange sent meet.
//!
//! The same function serves both sides: expressions when they are compiled, requests when their attributes are
//! collected. It never fails and doing it twice changes nothing; whether a value makes sense is for
//! [`validate`](crate::validate). New text goes into the caller's arena, so a request costs no heap allocation.

mod country;
mod language;
mod text;
mod version;

use bumpalo::Bump;

pub(crate) use country::{alpha2, alpha3};
pub(crate) use language::alpha2_language;
pub use language::is_language;
pub use version::Version;

use crate::Dimension;
use text::{fold, join, replace, squeeze, unquote, without};

/// The form in which a value of the dimension is compared; empty when nothing is left of it.
pub fn normalise<'a>(dimension: Dimension, raw: &'a str, arena: &'a Bump) -> &'a str {
    let text = fold(raw, arena);
    match dimension {
        Dimension::Country => alpha3(text).unwrap_or(text),
        Dimension::Region => region_code(text, arena),
        Dimension::Postcode => postcode(text, arena),
        Dimension::Size => size(text, arena),
        Dimension::Domain => ascii_host(host(text), arena),
        Dimension::Language => language(text),
        Dimension::Os => os(squeeze(text, arena)),
        Dimension::Carrier => carrier(squeeze(text, arena), arena),
        Dimension::Keyword => unquote(squeeze(text, arena)),
        Dimension::City | Dimension::DeviceMake | Dimension::DeviceModel => squeeze(text, arena),
        _ => text,
    }
}

/// The ISO 3166-2 code of a region that an exchange sends with its country: ("USA", "CA") and ("us", "US-CA")
/// both become "us-ca". Empty when
/// the region is, or when neither part tells the country.
pub fn region<'a>(country: &'a str, region: &'a str, arena: &'a Bump) -> &'a str {
    let country = normalise(Dimension::Country, country, arena);
    let region = normalise(Dimension::Region, region, arena);
    if country.is_empty() {
        // Some say the country there only.
        let whole = region.split_once('-').is_some_and(|(two, _)| alpha3(two).is_some());
        return if whole { region } else { "" };
    }
    if region.is_empty() {
        return "";
    }
    let country = alpha2(country).unwrap_or(country);
    let carries_country = region.strip_prefix(country).is_some_and(|rest| rest.starts_with('-'));
    if carries_country { region } else { join(country, '-', region, arena) }
}

/// A postal code with its country: ("GBR", "SW1A 1AA") becomes "gbr-sw1a1aa". Empty when either part is.
pub fn postcode_in<'a>(country: &'a str, code: &'a str, arena: &'a Bump) -> &'a str {
    let country = normalise(Dimension::Country, country, arena);
    let code = without(fold(code, arena), char::is_whitespace, arena);
    if country.is_empty() || code.is_empty() {
        return "";
    }
    join(country, '-', code, arena)
}

/// The keywords of a comma-separated list, normalised; empty ones are left out.
pub fn keywords<'a>(list: &'a str, arena: &'a Bump) -> impl Iterator<Item = &'a str> {
    list.split(',')
        .map(move |word| normalise(Dimension::Keyword, word, arena))
        .filter(|word| !word.is_empty())
}

/// A normalised domain and its parents down to two labels: "news.example.com", "example.com". There is no list of
/// public suffixes behind it, so "co.uk" is a parent like any other.
pub fn domains(domain: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(domain).filter(|name| !name.is_empty()), |name| {
        let (_, parent) = name.split_once('.')?;
        Some(parent).filter(|parent| parent.contains('.'))
    })
}

/// A normalised category and its parent tier of the Content Taxonomy 1.0: "iab1-2", "iab1". Ids of the numeric
/// taxonomies do not tell their parent.
pub fn categories(category: &str) -> impl Iterator<Item = &str> {
    let parent = category
        .split_once('-')
        .map(|(tier, _)| tier)
        .filter(|tier| tier.len() > 3 && tier.starts_with("iab"));
    Some(category).filter(|c| !c.is_empty()).into_iter().chain(parent)
}

/// "usa-ca" and "us-ca" are one region.
fn region_code<'a>(text: &'a str, arena: &'a Bump) -> &'a str {
    match text.split_once('-') {
        Some((country, rest)) => alpha2(country).map_or(text, |two| join(two, '-', rest, arena)),
        None => text,
    }
}

/// "de-10115" and "deu-10115" are one place, with or without spaces.
fn postcode<'a>(text: &'a str, arena: &'a Bump) -> &'a str {
    let text = without(text, char::is_whitespace, arena);
    match text.split_once('-') {
        Some((country, rest)) => alpha3(country).map_or(text, |three| join(three, '-', rest, arena)),
        None => text,
    }
}

/// "300 x 250" and "300×250" are "300x250".
fn size<'a>(text: &'a str, arena: &'a Bump) -> &'a str {
    replace(without(text, char::is_whitespace, arena), ['×', '*'], 'x', arena)
}

/// The host of a domain or URL, without "www.".
fn host(text: &str) -> &str {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#', ':']).unwrap_or(rest.len());
    let mut host = rest.get(..end).unwrap_or(rest).trim().trim_end_matches('.');
    while let Some(bare) = host.strip_prefix("www.") {
        host = bare.trim_start();
    }
    host
}

/// Names in other scripts as the DNS has them: "müller.de" and "xn--mller-kva.de" are one domain.
fn ascii_host<'a>(host: &'a str, arena: &'a Bump) -> &'a str {
    if host.is_ascii() {
        return host;
    }
    // The one name in a thousand that needs it may cost an allocation. What is no name at all stays as it is.
    idna::domain_to_ascii(host).map_or(host, |ascii| arena.alloc_str(&ascii))
}

/// The language of a tag of BCP 47, by its shortest code: "pt-BR", "por" and "pt" are one.
fn language(text: &str) -> &str {
    let primary = text.split(['-', '_']).next().unwrap_or(text).trim();
    alpha2_language(primary).unwrap_or(primary)
}

/// A name, or the codes of a mobile network (ITU-T E.212): "310005" and "310-005" are one.
fn carrier<'a>(text: &'a str, arena: &'a Bump) -> &'a str {
    let digits = matches!(text.len(), 5 | 6) && text.bytes().all(|b| b.is_ascii_digit());
    match text.split_at_checked(3).filter(|_| digits) {
        Some((country, network)) => join(country, '-', network, arena),
        None => text,
    }
}

/// Names that devices and advertisers use for the same system.
fn os(text: &str) -> &str {
    match text {
        "iphone os" | "ipados" | "iphone" => "ios",
        "mac os x" | "mac os" | "os x" | "osx" | "mac" | "macintosh" => "macos",
        "chrome os" | "cros" | "chromium os" => "chromeos",
        "roku os" | "rokuos" => "roku",
        "apple tvos" | "tv os" => "tvos",
        "web0s" | "webos tv" | "web os" => "webos",
        "tizen os" => "tizen",
        "windows nt" => "windows",
        "fireos" => "fire os",
        "harmony os" => "harmonyos",
        other => other,
    }
}

#[cfg(test)]
mod tests;
