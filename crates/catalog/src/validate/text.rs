//! Names, domains and other short texts.

use std::fmt::Display;

use super::MAX_VALUE;
use crate::Report;

/// A name for people: 1 to 200 characters, something to see among them, none of them a control character.
pub(super) fn name(field: impl Display, text: &str, report: &mut Report) {
    let length = text.chars().count();
    if text.trim().is_empty() {
        report.problem(field, "is empty", "give it a name of 1 to 200 characters");
    } else if length > 200 {
        report.problem(field, format!("has {length} characters"), "use at most 200");
    } else if text.chars().any(is_unseen) {
        report.problem(field, "contains a control character", "use printable text");
    }
}

/// Whether an entity may have this name.
pub fn is_name(text: &str) -> bool {
    let mut report = Report::default();
    name("name", text, &mut report);
    report.is_empty()
}

/// Control characters, and those of Unicode that turn the direction of what follows or start a line: a name could look
/// like another with them.
fn is_unseen(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// Prose of at most so many bytes; may be empty and have lines.
pub(super) fn prose(field: &str, text: &str, bytes: usize, report: &mut Report) {
    at_most(field, text, bytes, report);
    if text.chars().any(|c| c != '\n' && c != '\t' && is_unseen(c)) {
        report.problem(field, "contains a control character", "use printable text, tabs and line feeds");
    }
}

/// A machine's name for something: 1 to 253 bytes without white space or control characters.
pub(super) fn token(field: impl Display, text: &str, report: &mut Report) {
    if text.is_empty() {
        report.problem(field, "is empty", "fill it in");
    } else if text.len() > MAX_VALUE {
        report.problem(field, format!("has {} bytes", text.len()), format!("use at most {MAX_VALUE}"));
    } else if text.chars().any(|c| is_unseen(c) || c.is_whitespace()) {
        report.problem(
            field,
            format!("{:?} contains white space or a control character", excerpt(text)),
            "use it as the exchange sends it, without these",
        );
    }
}

/// A text of at most so many bytes; may be empty.
pub(super) fn at_most(field: impl Display, text: &str, bytes: usize, report: &mut Report) {
    if text.len() > bytes {
        report.problem(field, format!("has {} bytes", text.len()), format!("use at most {bytes}"));
    }
}

/// A domain name.
pub(super) fn domain(field: impl Display, text: &str, report: &mut Report) {
    if !is_domain(text) {
        report.problem(
            field,
            format!("{:?} is not a domain", excerpt(text)),
            "use a name such as \"shop.example.com\": no scheme, path or port; internationalised names as xn--",
        );
    }
}

/// Whether this is a lower-case domain name of two labels or more, by the rules of RFC 1123.
pub fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.len() <= MAX_VALUE && text.contains('.') && text.split('.').all(label)
}

/// The start of a text, for messages.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(40).collect()
}

/// Host of an https URL, lower-case; the problem when it is something else. Much narrower than what browsers take: with
/// no user, backslash, control character or other script in it, no reader can see another host in the URL.
pub(super) fn https_host(url: &str) -> Result<String, &'static str> {
    let rest = url.strip_prefix("https://").ok_or("is not an https URL")?;
    if url.len() > 2_048 {
        return Err("is longer than 2048 bytes");
    }
    if !url.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\')) {
        return Err("contains a character that URLs must percent-encode");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("contains credentials");
    }
    let (host, port) = authority.split_once(':').unwrap_or((authority, "443"));
    if !is_port(port) {
        return Err("has no valid port");
    }
    let host = host.to_ascii_lowercase();
    if is_host(&host) { Ok(host) } else { Err("has no valid host name") }
}

/// Whether this is the name of a host: a domain that no reader takes for an IPv4 address. Browsers do that whenever
/// the last label starts like a number (WHATWG URL, "ends in a number checker"); top-level domains never do.
pub(super) fn is_host(text: &str) -> bool {
    let top = text.rsplit('.').next().unwrap_or_default();
    is_domain(text) && top.starts_with(|c: char| c.is_ascii_alphabetic())
}

/// Whether this is a port in decimal digits.
pub(super) fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok_and(|port| port != 0)
}

/// Whether a host is this domain or below it.
pub(super) fn is_within(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}
