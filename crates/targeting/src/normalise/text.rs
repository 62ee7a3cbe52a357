//! Text in one case and with single spaces. What already is so is borrowed; the rest goes into the arena.

use bumpalo::Bump;
use bumpalo::collections::String;
use unicode_normalization::UnicodeNormalization;

/// One form of what looks or reads the same: compatibility composed (NFKC, which makes full-width letters plain),
/// lower-case by Unicode's mappings of single characters without regard to language, one sigma, plain quotes and
/// hyphens, nothing invisible, trimmed.
pub(crate) fn fold<'a>(raw: &'a str, arena: &'a Bump) -> &'a str {
    let text = raw.trim();
    if text.is_ascii() {
        if !text.bytes().any(|b| b.is_ascii_uppercase()) {
            return text;
        }
        let copy = arena.alloc_str(text);
        copy.make_ascii_lowercase();
        return copy;
    }
    let plain = text.nfkc().filter(|c| !is_invisible(*c)).flat_map(char::to_lowercase).map(plain);
    let mut copy = String::with_capacity_in(text.len(), arena);
    // What became neighbours or small may compose again.
    copy.extend(plain.nfkc());
    copy.into_bump_str().trim()
}

/// Soft hyphen, zero-width space, marks of direction, word joiner, variation selectors, byte order mark. The joiners of
/// Persian and Hindi stay: they tell words apart.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2060}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
    )
}

const fn plain(c: char) -> char {
    match c {
        'ς' => 'σ',
        '\u{2018}'..='\u{201b}' => '\'',
        '\u{201c}'..='\u{201f}' | '«' | '»' => '"',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        other => other,
    }
}

/// The text without quotes around it.
pub(crate) fn unquote(text: &str) -> &str {
    let mut bare = text;
    while let Some(inner) = ['"', '\''].iter().find_map(|q| bare.strip_prefix(*q)?.strip_suffix(*q)) {
        bare = inner.trim();
    }
    bare
}

/// Every run of white space becomes one space.
pub(crate) fn squeeze<'a>(text: &'a str, arena: &'a Bump) -> &'a str {
    let mut after_space = false;
    let tidy = text.chars().all(|c| {
        let good = !c.is_whitespace() || (c == ' ' && !after_space);
        after_space = c.is_whitespace();
        good
    });
    if tidy {
        return text;
    }
    let mut copy = String::with_capacity_in(text.len(), arena);
    for word in text.split_whitespace() {
        if !copy.is_empty() {
            copy.push(' ');
        }
        copy.push_str(word);
    }
    copy.into_bump_str()
}

/// Two parts with a separator between them.
pub(crate) fn join<'a>(left: &str, separator: char, right: &str, arena: &'a Bump) -> &'a str {
    let mut copy = String::with_capacity_in(left.len() + separator.len_utf8() + right.len(), arena);
    copy.push_str(left);
    copy.push(separator);
    copy.push_str(right);
    copy.into_bump_str()
}

/// The text without the characters that `drop` picks.
pub(crate) fn without<'a>(text: &'a str, drop: fn(char) -> bool, arena: &'a Bump) -> &'a str {
    if !text.contains(drop) {
        return text;
    }
    let mut copy = String::with_capacity_in(text.len(), arena);
    copy.extend(text.chars().filter(|c| !drop(*c)));
    copy.into_bump_str()
}

/// The text with `new` for each of `old`.
pub(crate) fn replace<'a>(text: &'a str, old: [char; 2], new: char, arena: &'a Bump) -> &'a str {
    if !text.contains(old) {
        return text;
    }
    let mut copy = String::with_capacity_in(text.len(), arena);
    copy.extend(text.chars().map(|c| if old.contains(&c) { new } else { c }));
    copy.into_bump_str()
}
