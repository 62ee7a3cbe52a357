//! XML, as much of it as VAST and DAAST need. What XML 1.0 cannot hold becomes U+FFFD.

use std::fmt::{self, Display, Write};

use tagbid_openrtb::macros::{Escape, push_escaped};

use super::text::push;

/// Appends elements to a document. Names are literals of ours; values are anyone's.
pub(super) struct Xml<'o> {
    out: &'o mut String,
}

impl<'o> Xml<'o> {
    /// Starts a document.
    pub(super) fn document(out: &'o mut String) -> Self {
        out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
        Self { out }
    }

    /// An element with what `content` writes inside.
    pub(super) fn element(
        &mut self,
        name: &str,
        attributes: &[(&str, &dyn Display)],
        content: impl FnOnce(&mut Self),
    ) {
        self.out.push('<');
        self.out.push_str(name);
        for (name, value) in attributes {
            self.attribute(name, value);
        }
        self.out.push('>');
        content(self);
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    /// An element that holds a text.
    pub(super) fn text(&mut self, name: &str, attributes: &[(&str, &dyn Display)], text: impl Display) {
        self.element(name, attributes, |xml| xml.cdata(text));
    }

    fn attribute(&mut self, name: &str, value: &dyn Display) {
        for part in [" ", name, "=\""] {
            self.out.push_str(part);
        }
        // Writing to a String does not fail.
        let _ = write!(Escaped(self.out), "{value}");
        self.out.push('"');
    }

    /// A `]]>` inside is cut in two, since it would end the section.
    fn cdata(&mut self, text: impl Display) {
        self.out.push_str("<![CDATA[");
        let start = self.out.len();
        push(self.out, text);
        let written = self.out.get(start..).unwrap_or_default();
        if written.contains("]]>") || written.contains(is_no_xml) {
            let safe = written.replace("]]>", "]]]]><![CDATA[>").replace(is_no_xml, "\u{FFFD}");
            self.out.truncate(start);
            self.out.push_str(&safe);
        }
        self.out.push_str("]]>");
    }
}

/// XML 1.0 section 2.2, production Char.
fn is_no_xml(c: char) -> bool {
    matches!(c, '\u{0}'..='\u{8}' | '\u{B}' | '\u{C}' | '\u{E}'..='\u{1F}' | '\u{FFFE}' | '\u{FFFF}')
}

/// Escapes what is written for an attribute.
struct Escaped<'o>(&'o mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_escaped(self.0, text, Escape::Xml);
        Ok(())
    }
}
