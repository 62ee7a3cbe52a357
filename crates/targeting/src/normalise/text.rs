//! Text in one case and with single spaces. What already is so is borrowed; the rest goes into the arena.

use bumpalo::Bump;
use bumpalo::collections::String;

/// Lower-case by Unicode's simple and special mappings of single characters, without regard to language.
pub(crate) fn lower<'a>(text: &'a str, arena: &'a Bump) -> &'a str {
    if text.is_ascii() {
        if !text.bytes().any(|b| b.is_ascii_uppercase()) {
            return text;
        }
        let copy = arena.alloc_str(text);
        copy.make_ascii_lowercase();
        return copy;
    }
    let mut copy = String::with_capacity_in(text.len(), arena);
    copy.extend(text.chars().flat_map(char::to_lowercase));
    copy.into_bump_str()
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
