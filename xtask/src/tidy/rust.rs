//! Just enough of Rust's grammar to tell code from comments, strings and tests.

use std::iter::Peekable;
use std::str::Chars;

/// What of a source is blanked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Blank {
    /// Comments only.
    Comments,
    /// Comments, and what strings and character literals hold.
    CommentsAndStrings,
}

/// The source with comments (and strings) turned into spaces; lines and columns stay.
pub(super) fn blank(source: &str, what: Blank) -> String {
    let mut lexer = Lexer { rest: source.chars().peekable(), out: String::with_capacity(source.len()), what };
    lexer.run();
    lexer.out
}

struct Lexer<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    what: Blank,
}

impl Lexer<'_> {
    fn run(&mut self) {
        while let Some(next) = self.rest.next() {
            match next {
                '/' if self.rest.peek() == Some(&'/') => self.line_comment(),
                '/' if self.rest.peek() == Some(&'*') => self.block_comment(),
                '"' => self.string(),
                '\'' => self.quote(),
                'r' if !self.in_word() && matches!(self.rest.peek(), Some('"' | '#')) => self.raw_string(),
                other => self.out.push(other),
            }
        }
    }

    /// The last character belongs to an identifier; `b` and `c` may start a string.
    fn in_word(&self) -> bool {
        let mut before = self.out.chars().rev();
        match before.next() {
            Some('b' | 'c') => before.next().is_some_and(is_word),
            last => last.is_some_and(is_word),
        }
    }

    fn hide(&mut self, hidden: char) {
        self.out.push(if hidden == '\n' { '\n' } else { ' ' });
    }

    fn hide_text(&mut self, text: char) {
        match self.what {
            Blank::Comments => self.out.push(text),
            Blank::CommentsAndStrings => self.hide(text),
        }
    }

    fn line_comment(&mut self) {
        self.hide('/');
        while let Some(next) = self.rest.next_if(|next| *next != '\n') {
            self.hide(next);
        }
    }

    fn block_comment(&mut self) {
        self.hide('/');
        let mut depth = 0;
        let mut last = '/';
        for next in self.rest.by_ref() {
            self.out.push(if next == '\n' { '\n' } else { ' ' });
            match (last, next) {
                ('/', '*') => depth += 1,
                ('*', '/') => depth -= 1,
                _ => {
                    last = next;
                    continue;
                }
            }
            if depth == 0 {
                return;
            }
            last = ' ';
        }
    }

    fn string(&mut self) {
        self.out.push('"');
        while let Some(next) = self.rest.next() {
            match next {
                '"' => return self.out.push('"'),
                '\\' => {
                    self.hide_text('\\');
                    if let Some(escaped) = self.rest.next() {
                        self.hide_text(escaped);
                    }
                }
                other => self.hide_text(other),
            }
        }
    }

    /// A character literal or a lifetime: only the former has a closing quote behind one character or escape.
    fn quote(&mut self) {
        self.out.push('\'');
        let mut ahead = self.rest.clone();
        let first = ahead.next();
        if first == Some('\\') {
            self.hide_text('\\');
            self.rest.next();
            if let Some(escaped) = self.rest.next() {
                self.hide_text(escaped);
            }
            while let Some(next) = self.rest.next_if(|next| *next != '\'') {
                self.hide_text(next);
            }
        } else if ahead.next() == Some('\'') {
            self.rest.next();
            self.hide_text(first.unwrap_or(' '));
        } else {
            return;
        }
        self.rest.next();
        self.out.push('\'');
    }

    fn raw_string(&mut self) {
        self.out.push('r');
        let mut hashes = 0;
        while self.rest.next_if_eq(&'#').is_some() {
            self.out.push('#');
            hashes += 1;
        }
        if self.rest.next_if_eq(&'"').is_none() {
            return;
        }
        self.out.push('"');
        let end: String = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
        let mut seen = String::new();
        for next in self.rest.by_ref() {
            seen.push(next);
            if seen.ends_with(&end) {
                break;
            }
        }
        let text = seen.strip_suffix(&end).unwrap_or(&seen);
        for hidden in text.chars() {
            self.hide_text(hidden);
        }
        self.out.push_str(&end);
    }
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// For every line whether it belongs to tests. `code` is blanked; `path` decides for whole files.
pub(super) fn test_lines(path: &str, code: &str) -> Vec<bool> {
    let lines: Vec<&str> = code.lines().collect();
    let file_of_tests = path.starts_with("tests/")
        || ["/tests/", "/benches/", "/testkit/", "/tests.rs", "_tests.rs"]
            .iter()
            .any(|part| path.contains(part));
    let mut marks = vec![file_of_tests; lines.len()];
    let mut index = 0;
    while index < lines.len() {
        let line = lines.get(index).copied().unwrap_or_default();
        if line.trim_start().starts_with("#[cfg(") && line.contains("test") && !line.contains("not(test") {
            let end = end_of_item(&lines, index);
            marks.iter_mut().take(end + 1).skip(index).for_each(|mark| *mark = true);
            index = end;
        }
        index += 1;
    }
    marks
}

/// The last line of the item that starts at `start`, attributes included, in rustfmt's layout: the closing brace
/// stands under the item's first letter.
pub(super) fn end_of_item(lines: &[&str], start: usize) -> usize {
    let indent = indent_of(lines.get(start).copied().unwrap_or_default());
    let closes = |line: &str| indent_of(line) == indent && line.trim_start().starts_with('}');
    for (index, line) in lines.iter().enumerate().skip(start) {
        let trimmed = line.trim();
        let attribute = trimmed.starts_with("#[");
        if !attribute && indent_of(line) == indent && (trimmed.ends_with(';') || trimmed.ends_with('}')) {
            return index;
        }
        if index > start && closes(line) {
            return index;
        }
    }
    lines.len().saturating_sub(1)
}

/// Leading spaces.
pub(super) fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(source: &str) -> String {
        blank(source, Blank::CommentsAndStrings)
    }

    #[test]
    fn comments_and_strings_are_blanked_in_place() {
        assert_eq!(code("a // b\nc"), "a     \nc");
        assert_eq!(code("a /* x /* y */ z */ b"), format!("a {} b", " ".repeat(17)));
        assert_eq!(code(r#"f("a\"b", 'c', '\'', '\n')"#), r#"f("    ", ' ', '  ', '  ')"#);
        assert_eq!(code(r###"r#"a "b" c"# d"###), r###"r#"       "# d"###);
        assert_eq!(code("b\"//\" x"), "b\"  \" x");
        assert_eq!(code("br\"\\\" x"), "br\" \" x");
    }

    #[test]
    fn lifetimes_and_words_are_not_literals() {
        assert_eq!(
            code("fn f<'a>(x: &'a str, y: &'static str) {}"),
            "fn f<'a>(x: &'a str, y: &'static str) {}"
        );
        assert_eq!(code("for\"x\""), "for\" \"");
        assert_eq!(code("let r#type = 1;"), "let r#type = 1;");
    }

    #[test]
    fn strings_stay_when_only_comments_go() {
        assert_eq!(blank("\"// a\" // b", Blank::Comments), "\"// a\"     ");
    }

    #[test]
    fn test_modules_and_test_files_are_told_from_the_rest() {
        let source = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() {\n    }\n}\nfn c() {}\n";
        assert_eq!(test_lines("src/x.rs", source), [false, true, true, true, true, true, false]);
        assert_eq!(test_lines("src/x/tests.rs", "fn a() {}\n"), [true]);
        assert_eq!(test_lines("src/x.rs", "#[cfg(test)]\nmod tests;\nfn c() {}\n"), [true, true, false]);
    }
}
