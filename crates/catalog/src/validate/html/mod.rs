//! Which hosts the html of a banner names, so that it can be held to those allowed.
//!
//! A parser that judges each attribute, style and script by its own rules would have to agree with every browser on
//! where those begin and end. This check needs no such agreement. It takes the html as one text, in every reading that
//! a browser could give any part of it ([`escapes::readings`]: as written, without its character references, without
//! the escapes of scripts and styles, and those within each other), and asks two things of each reading:
//!
//! 1. No `scheme:` that loads or runs something but `https://`. `data:` may hold raster pictures and fonts in base64.
//! 2. Two slashes in a row, of either kind, are followed by an allowed host, at most a port, and something that ends
//!    them: a slash, `?`, `#`, or the quotation mark that the URL opened with. They may also be followed by white
//!    space, as comments are, or follow a letter or digit, as in `a//b`: that is the middle of a path.
//!
//! By the WHATWG URL standard a URL that reaches another host than its page's has one of these, so html that passes
//! names allowed hosts only. The price is that some harmless html is refused, and told how to say it otherwise. What a
//! script puts together at run time no reading of its text can tell: exchanges' reviews and sandboxed frames are for
//! that.

mod escapes;

#[cfg(test)]
mod tests;

use std::fmt::{self, Display};

use super::text;

/// Schemes that load or run something from elsewhere than an https host. `intent` opens apps or any page instead.
const REFUSED: [&str; 11] = [
    "blob",
    "data",
    "filesystem",
    "ftp",
    "http",
    "intent",
    "javascript",
    "livescript",
    "vbscript",
    "ws",
    "wss",
];

/// What may stand in the html itself: contents that run nothing and load nothing.
const INLINE: [&str; 8] = [
    "data:image/png;base64,",
    "data:image/jpeg;base64,",
    "data:image/gif;base64,",
    "data:image/webp;base64,",
    "data:image/avif;base64,",
    "data:font/woff;base64,",
    "data:font/woff2;base64,",
    "data:application/font-woff;base64,",
];

/// Names of XML vocabularies, in lower case. They look like URLs and load nothing; in quotation marks they may stand.
const VOCABULARIES: [&str; 6] = [
    "http://www.w3.org/1998/math/mathml",
    "http://www.w3.org/1999/xhtml",
    "http://www.w3.org/1999/xlink",
    "http://www.w3.org/2000/svg",
    "http://www.w3.org/2000/xmlns/",
    "http://www.w3.org/xml/1998/namespace",
];

/// The hosts that html may name.
#[derive(Clone, Copy)]
pub(super) enum Hosts<'a> {
    /// All: only schemes are looked at.
    Any,
    /// Those of which this is true; they are asked in lower case.
    Only(&'a dyn Fn(&str) -> bool),
}

/// Why html cannot be accepted, with the text that is to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Names this host, which is not allowed.
    Host(String),
    /// Slashes that no host follows which can be told for sure.
    Authority(String),
    /// A scheme that is not allowed.
    Scheme(String),
    /// Escapes in escapes, deeper than anybody writes by hand.
    Depth,
}

impl Refusal {
    /// What would be right.
    pub(super) const fn remedy(&self) -> &'static str {
        match self {
            Self::Host(_) => "use an allowed domain",
            Self::Authority(_) => {
                "write URLs as https://HOST/ with a slash after the host, and a space after the // of a comment"
            }
            Self::Scheme(_) => {
                "load over https; small pictures and fonts may be inline, as data:image/png;base64 and the like"
            }
            Self::Depth => "write it with fewer escapes",
        }
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(f, "names the host {host}"),
            Self::Authority(text) => write!(f, "{text:?} may lead to another host"),
            Self::Scheme(text) => write!(f, "{text:?} is not an https URL"),
            Self::Depth => write!(f, "has escapes within escapes within escapes"),
        }
    }
}

/// Checks every reading of the html, as it is and as URLs are read.
pub(super) fn check(html: &str, hosts: Hosts<'_>) -> Result<(), Refusal> {
    for reading in escapes::readings(html).ok_or(Refusal::Depth)? {
        check_reading(&reading, hosts)?;
        if reading.contains(DROPPED) {
            check_reading(&without_dropped(&reading), hosts)?;
        }
    }
    Ok(())
}

/// What URLs drop wherever it stands.
const DROPPED: [char; 3] = ['\t', '\n', '\r'];

/// The text without what URLs drop. Between a word and a slash it leaves a space: where white space separates URLs, the
/// slash starts one.
fn without_dropped(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    for part in text.split(DROPPED).filter(|part| !part.is_empty()) {
        if part.starts_with(is_slash) && ends_in_word(&joined) {
            joined.push(' ');
        }
        joined.push_str(part);
    }
    joined
}

fn ends_in_word(text: &str) -> bool {
    text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

fn check_reading(reading: &str, hosts: Hosts<'_>) -> Result<(), Refusal> {
    let text = without_harmless(&reading.to_ascii_lowercase());
    schemes(&text)?;
    match hosts {
        Hosts::Any => Ok(()),
        Hosts::Only(allowed) => authorities(&text, allowed),
    }
}

/// Leaves an underscore for each inline content: it is part of no scheme, host or end of a host.
fn without_harmless(text: &str) -> String {
    let mut text = text.to_owned();
    for name in VOCABULARIES {
        for mark in ['"', '\''] {
            text = text.replace(&format!("{mark}{name}{mark}"), "\"\"");
        }
    }
    let mut kept = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some((before, from)) = rest.find("data:").and_then(|at| rest.split_at_checked(at)) {
        kept.push_str(before);
        rest = match INLINE.iter().find_map(|start| from.strip_prefix(start)) {
            Some(content) => {
                kept.push('_');
                content
                    .trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '='))
            }
            None => {
                kept.push_str("data:");
                from.strip_prefix("data:").unwrap_or_default()
            }
        };
    }
    kept.push_str(rest);
    kept
}

fn schemes(text: &str) -> Result<(), Refusal> {
    for (colon, _) in text.match_indices(':') {
        let (before, after) = text.split_at(colon);
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let start = before.trim_end_matches(word).len();
        // Schemes start with a letter; what comes before may be another thing, such as the seconds of a refresh.
        let scheme = before.split_at(start).1.trim_start_matches(|c: char| !c.is_ascii_alphabetic());
        let host_follows = || after.strip_prefix(':').is_some_and(starts_authority);
        if REFUSED.contains(&scheme) || (scheme == "https" && !host_follows()) {
            return Err(Refusal::Scheme(format!("{scheme}{}", text::excerpt(after))));
        }
    }
    Ok(())
}

fn starts_authority(text: &str) -> bool {
    text.strip_prefix(is_slash).is_some_and(|rest| rest.starts_with(is_slash))
}

fn is_slash(c: char) -> bool {
    matches!(c, '/' | '\\')
}

/// Checks what follows two slashes or more; browsers take any number for two.
fn authorities(text: &str, allowed: &dyn Fn(&str) -> bool) -> Result<(), Refusal> {
    let mut before = "";
    let mut slashes = 0;
    for piece in text.split_inclusive(is_slash) {
        let body = piece.trim_end_matches(is_slash);
        if !body.is_empty() {
            if slashes >= 2 && !ends_in_word(before) {
                authority(before, piece, allowed)?;
            }
            before = body;
            slashes = 0;
        }
        slashes += piece.len() - body.len();
    }
    Ok(())
}

/// Checks one authority: `piece` is the text after the slashes up to and with the next, `before` the text before them.
fn authority(before: &str, piece: &str, allowed: &dyn Fn(&str) -> bool) -> Result<(), Refusal> {
    let ends = |c: char| is_slash(c) || matches!(c, '?' | '#');
    let (authority, closed) = match piece.find(ends).and_then(|end| piece.split_at_checked(end)) {
        Some((authority, _)) => (authority, true),
        None => (piece, false),
    };
    // No host has white space, "<" or "]" in front, and without "@" nothing in front of the host could.
    if authority.starts_with([' ', '\t', '\n', '\r', '\x0c', '<', ']']) && !authority.contains('@') {
        return Ok(());
    }
    let unclear = || Refusal::Authority(format!("//{}", text::excerpt(piece)));
    let after = authority.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'));
    let host = authority.strip_suffix(after).unwrap_or_default();
    let after = without_port(after).ok_or_else(unclear)?;
    // What starts with a quotation mark is no URL, so a mark on both sides is around the URL and not part of it.
    let opening = before.strip_suffix("https:").unwrap_or(before).chars().next_back();
    let quoted = matches!(opening, Some('"' | '\'')) && after.chars().next() == opening;
    if !text::is_host(host) || !(quoted || (closed && after.is_empty())) {
        return Err(unclear());
    }
    if allowed(host) { Ok(()) } else { Err(Refusal::Host(host.to_owned())) }
}

/// What follows a port, if there is one; none: it is not valid.
fn without_port(after: &str) -> Option<&str> {
    let Some(from) = after.strip_prefix(':') else {
        return Some(after);
    };
    let rest = from.trim_start_matches(|c: char| c.is_ascii_digit());
    from.strip_suffix(rest).is_some_and(text::is_port).then_some(rest)
}
