//! What the demo says on standard output: up to 100 columns, with colour on a terminal and plain elsewhere.

use std::fmt::{Arguments, Display};
use std::io::{IsTerminal, Write};

/// Columns that a page has.
const WIDTH: usize = 100;

/// Where the demo talks. Errors of the output are passed over: when nobody reads, nothing is left to tell.
pub(super) struct Page<W> {
    out: W,
    colour: bool,
}

impl Page<std::io::Stdout> {
    /// Standard output.
    pub(super) fn stdout() -> Self {
        let out = std::io::stdout();
        Self { colour: out.is_terminal(), out }
    }
}

impl<W: Write> Page<W> {
    /// A line as it is.
    pub(super) fn line(&mut self, text: Arguments<'_>) {
        let _ = writeln!(self.out, "{text}").and_then(|()| self.out.flush());
    }

    /// An empty line.
    pub(super) fn gap(&mut self) {
        self.line(format_args!(""));
    }

    /// A heading with an empty line before it.
    pub(super) fn heading(&mut self, text: &str) {
        self.gap();
        let rule = "─".repeat(WIDTH.saturating_sub(text.chars().count() + 4));
        if self.colour {
            self.line(format_args!("\x1b[1;36m── {text} {rule}\x1b[0m"));
        } else {
            self.line(format_args!("── {text} {rule}"));
        }
    }

    /// A label and what belongs to it.
    pub(super) fn field(&mut self, label: &str, value: impl Display) {
        self.block(&format!("  {label:<18}"), &value.to_string());
    }

    /// A step that was done, with how long it took.
    pub(super) fn done(&mut self, what: impl Display, took: std::time::Duration) {
        self.line(format_args!("  {what} in {:.1} s", took.as_secs_f64()));
    }

    /// Text broken into lines; the first begins with `lead`, the others are indented as far.
    pub(super) fn block(&mut self, lead: &str, text: &str) {
        let indent = " ".repeat(lead.chars().count());
        for (number, line) in wrap(text, WIDTH.saturating_sub(indent.len())).iter().enumerate() {
            let start = if number == 0 { lead } else { &indent };
            self.line(format_args!("{start}{line}"));
        }
    }

    /// A command to paste, never broken.
    pub(super) fn command(&mut self, command: &str) {
        if self.colour {
            self.line(format_args!("\x1b[32m{command}\x1b[0m"));
        } else {
            self.line(format_args!("{command}"));
        }
    }
}

/// Lines of whole words, each of at most `width` characters where its words allow.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(word.to_owned());
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_plain_and_a_hundred_columns_wide() {
        let mut page = Page { out: Vec::new(), colour: false };
        page.heading("Summary");
        page.field("reason", "word ".repeat(60));
        let text = String::from_utf8(page.out).unwrap();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(text.lines().count() >= 5 && !text.contains('\x1b'), "{text}");
    }

    #[test]
    fn words_are_never_broken() {
        let long = "x".repeat(30);
        assert_eq!(wrap(&format!("a {long} b"), 10), ["a", &long, "b"]);
        assert_eq!(wrap("", 10), [""]);
    }
}
