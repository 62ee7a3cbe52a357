//! The length of functions, counted over rustfmt's layout.

use super::Complaint;
use super::rust::{Blank, blank, end_of_item, test_lines};
use super::tree::File;

/// Lines of a body: what fits on a screen and into a head.
const MOST: usize = 40;

/// A test that tells a story may take longer.
const MOST_IN_TESTS: usize = 80;

pub(super) fn check(file: &File) -> Vec<Complaint> {
    let code = blank(&file.text, Blank::CommentsAndStrings);
    let text = blank(&file.text, Blank::Comments);
    let lines: Vec<&str> = code.lines().collect();
    let shown: Vec<&str> = text.lines().collect();
    let tests = test_lines(&file.path, &code);
    let mut complaints = Vec::new();
    for (start, line) in lines.iter().enumerate() {
        let Some(name) = function_name(line) else { continue };
        let most = if tests.get(start) == Some(&true) { MOST_IN_TESTS } else { MOST };
        let length = body_length(&lines, &shown, start);
        if length > most {
            let place = format!("{}:{}", file.path, start + 1);
            complaints.push(format!("{place}: fn {name} has {length} lines; {most} are allowed"));
        }
    }
    complaints
}

/// The name, when a function's header starts on this line.
fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let qualifiers = ["pub", "const", "async", "unsafe", "extern", "default", "\"", "\"C\"", "\" \""];
    let allowed = |word: &str| qualifiers.contains(&word) || word.starts_with("pub(");
    let header = before.split_whitespace().all(allowed);
    let name = after.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next()?;
    (header && !name.is_empty()).then_some(name)
}

/// Lines between the header and the closing brace that are neither blank nor comments alone.
fn body_length(code: &[&str], shown: &[&str], start: usize) -> usize {
    let end = end_of_item(code, start);
    let opens = |line: &&str| line.trim_end().ends_with('{');
    let Some(header) = code.iter().skip(start).take(end - start).position(opens) else {
        return 0;
    };
    let body = shown.iter().take(end).skip(start + header + 1);
    body.filter(|line| !line.trim().is_empty()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(path: &str, text: &str) -> Vec<Complaint> {
        check(&File { path: path.to_owned(), text: text.to_owned() })
    }

    fn function(lines: usize) -> String {
        format!(
            "    pub(crate) async fn long(\n        x: u8,\n    ) {{\n{}    }}\n",
            "        x;\n".repeat(lines)
        )
    }

    #[test]
    fn a_long_function_is_named_with_its_length() {
        assert!(complaints("src/a.rs", &function(40)).is_empty());
        assert_eq!(
            complaints("src/a.rs", &format!("\n{}", function(41))),
            ["src/a.rs:2: fn long has 41 lines; 40 are allowed"]
        );
    }

    #[test]
    fn comments_and_blank_lines_are_free_and_strings_are_not() {
        let free = "        // why\n\n        /* more */\n".repeat(50);
        let padded = function(40).replacen("        x;\n", &format!("{free}        x;\n"), 1);
        assert!(complaints("src/a.rs", &padded).is_empty());

        let sql = format!("fn sql() {{\n    \"{}\"\n}}\n", "line\n".repeat(50));
        assert_eq!(complaints("src/a.rs", &sql).len(), 1);
    }

    #[test]
    fn a_where_clause_is_part_of_the_header() {
        let text = format!("fn f<T>(x: T)\nwhere\n    T: Copy,\n{{\n{}}}\n", "    x;\n".repeat(41));
        assert_eq!(complaints("src/a.rs", &text), ["src/a.rs:1: fn f has 41 lines; 40 are allowed"]);
    }

    #[test]
    fn declarations_and_one_liners_have_no_body_to_count() {
        let text =
            format!("trait T {{\n    fn a(&self);\n    fn b(&self) {{}}\n}}\n{}", "struct X;\n".repeat(60));
        assert!(complaints("src/a.rs", &text).is_empty());
    }

    #[test]
    fn a_test_may_take_longer() {
        assert!(complaints("tests/a.rs", &function(80)).is_empty());
        assert_eq!(complaints("tests/a.rs", &function(81)).len(), 1);
    }
}
