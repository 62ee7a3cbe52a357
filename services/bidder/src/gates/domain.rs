//! Domains as exchanges and advertisers write them, compared without regard to case. Nothing is copied.

use std::cmp::Ordering;

/// The bare host of a domain or URL: no scheme, "www.", wildcard, port, path or closing dot. Borrowed.
pub(super) fn host(text: &str) -> &str {
    let text = text.trim();
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let end = rest.find(['/', '?', '#', ':']).unwrap_or(rest.len());
    let mut host = rest.get(..end).unwrap_or(rest).trim_matches(['.', '*', ' ']);
    while let Some((first, bare)) = host.split_once('.') {
        if !first.eq_ignore_ascii_case("www") {
            break;
        }
        host = bare;
    }
    host
}

/// A host and what it is below: "a.example.com", "example.com", "com".
pub(super) fn with_parents(host: &str) -> impl Iterator<Item = &str> {
    let whole = Some(host).filter(|host| !host.is_empty());
    std::iter::successors(whole, |host| host.split_once('.').map(|(_, parent)| parent))
}

/// Whether `host` is `domain` or below it. Both are bare hosts.
pub(super) fn is_within(host: &str, domain: &str) -> bool {
    with_parents(host).any(|name| name.eq_ignore_ascii_case(domain))
}

/// The order of ASCII text without regard to case.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let right = right.bytes().map(|byte| byte.to_ascii_lowercase());
    left.bytes().map(|byte| byte.to_ascii_lowercase()).cmp(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_a_domain_is_written_its_host_is_found() {
        for text in [
            "example.com",
            " https://www.example.com/path?q=1",
            "example.com:443",
            "WWW.example.com.",
            "*.example.com",
            ".example.com",
        ] {
            assert_eq!(host(text), "example.com", "{text:?}");
        }
        assert_eq!(host("https://"), "");
    }

    #[test]
    fn a_domain_covers_its_subdomains_and_no_lookalike() {
        assert!(is_within("example.com", "Example.COM"));
        assert!(is_within("shop.eu.example.com", "example.com"));
        assert!(!is_within("example.com", "shop.example.com"));
        assert!(!is_within("badexample.com", "example.com"));
        assert!(!is_within("", "example.com"));
    }
}
