//! Banner HTML: the advertiser's own, with our macros filled in.
//!
//! | macro | becomes |
//! | --- | --- |
//! | `{CLICK_URL}` | the click URL, escaped for where it stands: attribute or text, script, style |
//! | `{CLICK_URL_ENC}` | the click URL percent-encoded, to stand in another URL's query |
//! | `{IMPRESSION_PIXEL}` | between tags an `img` element, inside a tag, script or style the pixel's URL |
//! | `{BID_ID}`, `{CACHEBUSTER}` | 32 hexadecimal digits; a decimal number |
//!
//! Everything else is sent as it is. Html that does not load the pixel itself gets it at its end; html that ends
//! inside a comment, a tag or a script, where nothing appended would be seen, gets it at its start.

use tagbid_catalog::BannerMarkup;
use tagbid_openrtb::macros::Escape;

use super::Links;
use super::text::{push, push_url};

/// Appends the html.
pub(super) fn write(markup: &BannerMarkup, links: &Links<'_>, out: &mut String) {
    let start = out.len();
    let mut writer = Writer { out, links, place: Place::Text, pixel: false };
    writer.html(&markup.html);
    let (seen, ended) = (writer.pixel, writer.place == Place::Text);
    if seen {
        return;
    }
    if ended {
        push_pixel(out, links);
    } else {
        let mut pixel = String::new();
        push_pixel(&mut pixel, links);
        out.insert_str(start, &pixel);
    }
}

/// Where in the html a position is, as far as escaping depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Text,
    Comment,
    /// Inside a tag, with the quote that its attribute's value stands in, and the element that it opens.
    Tag {
        quote: Option<u8>,
        opens: Raw,
    },
    /// The content of an element that holds no markup.
    Raw(Raw),
}

/// Elements whose content is no markup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Raw {
    None,
    Script,
    Style,
}

impl Raw {
    const fn end(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Script => "</script",
            Self::Style => "</style",
        }
    }
}

struct Writer<'o, 'a> {
    out: &'o mut String,
    links: &'o Links<'a>,
    place: Place,
    /// Whether the html loads the pixel itself.
    pixel: bool,
}

impl Writer<'_, '_> {
    fn html(&mut self, html: &str) {
        let mut rest = html;
        while let Some(at) = rest.find(['<', '>', '"', '\'', '{', '-']) {
            let (before, from) = rest.split_at(at);
            self.out.push_str(before);
            rest = match self.fill(from) {
                Some(after) => after,
                None => self.step(from),
            };
        }
        self.out.push_str(rest);
    }

    /// Passes what `from` starts with, a character of markup, and returns what follows.
    fn step<'h>(&mut self, from: &'h str) -> &'h str {
        let mut length = 1;
        self.place = match (self.place, from.as_bytes()) {
            (Place::Text, [b'<', b'!', b'-', b'-', ..]) => {
                length = 4;
                Place::Comment
            }
            (Place::Text, [b'<', b'a'..=b'z' | b'A'..=b'Z' | b'/' | b'!', ..]) => {
                Place::Tag { quote: None, opens: opened(from) }
            }
            (Place::Comment, [b'-', b'-', b'>', ..]) => {
                length = 3;
                Place::Text
            }
            (Place::Raw(element), [b'<', ..]) if starts(from, element.end()) => {
                Place::Tag { quote: None, opens: Raw::None }
            }
            (Place::Tag { quote: None, opens }, [quote @ (b'"' | b'\''), ..]) => {
                Place::Tag { quote: Some(*quote), opens }
            }
            (Place::Tag { quote: Some(open), opens }, [quote, ..]) if open == *quote => {
                Place::Tag { quote: None, opens }
            }
            (Place::Tag { quote: None, opens: Raw::None }, [b'>', ..]) => Place::Text,
            (Place::Tag { quote: None, opens }, [b'>', ..]) => Place::Raw(opens),
            (place, _) => place,
        };
        let (passed, after) = from.split_at_checked(length).unwrap_or((from, ""));
        self.out.push_str(passed);
        after
    }

    /// Fills in the macro that `from` starts with and returns what follows; `None` when it starts with none.
    fn fill<'h>(&mut self, from: &'h str) -> Option<&'h str> {
        let (name, after) = from.strip_prefix('{')?.split_once('}')?;
        let links = self.links;
        match name {
            "CLICK_URL" => push_url(self.out, links.click, self.escape()),
            "CLICK_URL_ENC" => push_url(self.out, links.click, Escape::Url),
            "BID_ID" => push(self.out, links.bid_id),
            "CACHEBUSTER" => push(self.out, links.cachebuster),
            "IMPRESSION_PIXEL" => self.fill_pixel(),
            _ => return None,
        }
        Some(after)
    }

    /// In a comment nothing is loaded, so there the macro does not count.
    fn fill_pixel(&mut self) {
        match self.place {
            Place::Comment => return,
            Place::Text => push_pixel(self.out, self.links),
            Place::Tag { .. } | Place::Raw(_) => push_url(self.out, self.links.impression, self.escape()),
        }
        self.pixel = true;
    }

    fn escape(&self) -> Escape {
        match self.place {
            Place::Text | Place::Tag { .. } => Escape::Html,
            Place::Raw(Raw::Script) => Escape::JavaScript,
            // Neither decodes entities, and notice URLs hold nothing that would end them.
            Place::Raw(Raw::Style | Raw::None) | Place::Comment => Escape::Raw,
        }
    }
}

/// The element without markup that a tag opens.
fn opened(tag: &str) -> Raw {
    let opens = |name: &str| {
        let next = tag.as_bytes().get(name.len());
        starts(tag, name) && next.is_none_or(|byte| !byte.is_ascii_alphanumeric())
    };
    if opens("<script") {
        Raw::Script
    } else if opens("<style") {
        Raw::Style
    } else {
        Raw::None
    }
}

fn starts(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn push_pixel(out: &mut String, links: &Links<'_>) {
    out.push_str("<img src=\"");
    push_url(out, links.impression, Escape::Html);
    out.push_str("\" width=\"1\" height=\"1\" alt=\"\" style=\"display:none\">");
}
