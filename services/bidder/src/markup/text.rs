//! Values put into markup.

use std::fmt::{Display, Write};

use tagbid_openrtb::macros::{Escape, push_escaped};

/// Appends a value as it displays itself.
pub(super) fn push(out: &mut String, value: impl Display) {
    // A String takes everything; the result is of the trait's making.
    let _ = write!(out, "{value}");
}

/// Appends a URL made safe by `escape`, but keeps OpenRTB's macros readable for the exchange that replaces them.
pub(super) fn push_url(out: &mut String, url: &str, escape: Escape) {
    let mut rest = url;
    while let Some((before, name, after)) = next_macro(rest) {
        push_escaped(out, before, escape);
        out.push_str("${");
        out.push_str(name);
        out.push('}');
        rest = after;
    }
    push_escaped(out, rest, escape);
}

/// The text before the first `${NAME}`, the name, and what follows.
fn next_macro(text: &str) -> Option<(&str, &str, &str)> {
    let (before, after) = text.split_once("${")?;
    let (name, after) = after.split_once('}')?;
    let named = name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b"_:".contains(&b));
    (named && !name.is_empty()).then_some((before, name, after))
}

/// Appends a JSON string with its quotes: RFC 8259 section 7.
pub(super) fn push_json(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\u{0}'..='\u{1F}' => push(out, format_args!("\\u{:04x}", u32::from(c))),
            _ => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exchange_finds_its_macros_whatever_the_escape() {
        let url = "https://n.example/imp/t?price=${AUCTION_PRICE:B64}&x=${no}";
        let written = |escape| {
            let mut out = String::new();
            push_url(&mut out, url, escape);
            out
        };
        for escape in [Escape::Raw, Escape::Url, Escape::Html, Escape::Xml, Escape::JavaScript] {
            assert!(written(escape).contains("${AUCTION_PRICE:B64}"), "{escape:?}");
        }
        assert_eq!(written(Escape::Raw), url);
        assert!(written(Escape::Url).ends_with("%26x%3D%24%7Bno%7D"));
    }
}
