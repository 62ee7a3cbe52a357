//! What markup loads and reports to, read out of `adm` as a browser or player would.

mod html;
mod native;
mod vast;

use serde_json::Value;

use crate::world::Format;

/// What was found in an `adm`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Markup {
    /// Called when the ad is shown.
    pub impressions: Vec<String>,
    /// Called, or followed, when it is clicked.
    pub clicks: Vec<String>,
    /// Loaded to show it.
    pub resources: Vec<String>,
    /// MIME types of media files.
    pub media_types: Vec<String>,
    /// Length in seconds.
    pub duration_s: Option<f64>,
}

impl Markup {
    /// What showing the ad loads; a click may lead anywhere.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &str> {
        self.impressions.iter().chain(&self.resources).map(String::as_str)
    }
}

/// Reads the markup of a format as the answer to `offer`, the `banner`, `video`, `audio` or `native` object of the
/// impression. The error says what is not well-formed.
pub fn read(format: Format, adm: &str, offer: &Value) -> Result<Markup, String> {
    match format {
        Format::Banner => html::read(adm),
        Format::Video => vast::read(adm, &["VAST"]),
        Format::Audio => vast::read(adm, &["VAST", "DAAST"]),
        Format::Native => native::read(adm, offer),
    }
}

/// Whether a URL may be called from a secure page: https, relative to the page's own scheme, data, or http to this
/// machine, which browsers hold secure.
pub(crate) fn is_safe_url(url: &str) -> bool {
    let clean = !url.contains(|c: char| c.is_whitespace() || c.is_control());
    let safe = ["https://", "//", "data:"].iter().any(|start| url.starts_with(start));
    clean && (safe || is_local(url))
}

/// Whether a URL is http to this machine. The simulator calls nothing else.
pub(crate) fn is_local(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    matches!(host, "localhost" | "[::1]") || host.parse().is_ok_and(|ip: std::net::Ipv4Addr| ip.is_loopback())
}

/// A macro of the buyer's own, such as `{CLICK_URL}`, that was not filled in. Exchange macros, `${AUCTION_...}`,
/// stay until the exchange fills them.
pub(crate) fn leftover_macro(adm: &str) -> Option<&str> {
    adm.match_indices('{').find_map(|(start, _)| {
        if adm[..start].ends_with('$') {
            return None;
        }
        let rest = &adm[start..];
        let end = rest.find('}')?;
        let name = &rest[1..end];
        let shouting = name.len() > 2 && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
        shouting.then(|| &rest[..=end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_local() {
        for url in ["http://127.0.0.1:8080/x", "http://localhost/", "http://[::1]:1/"] {
            assert!(is_local(url) && is_safe_url(url), "{url}");
        }
        for url in ["http://127.0.0.1.example/", "http://example.com/127.0.0.1", "http://10.0.0.1/"] {
            assert!(!is_local(url) && !is_safe_url(url), "{url}");
        }
        assert!(is_safe_url("https://a.example/b") && !is_safe_url("https://a.example/b c"));
    }

    #[test]
    fn macros_of_the_exchange_are_not_leftovers() {
        assert_eq!(leftover_macro("a ${AUCTION_PRICE} {x} {} {OK"), None);
        assert_eq!(leftover_macro("${AUCTION_ID} <a href=\"{CLICK_URL}\">"), Some("{CLICK_URL}"));
    }
}
