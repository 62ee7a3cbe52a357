//! What happened, line by line, where somebody wants to know.

use std::fmt::{Arguments, Write};

/// A trace under way.
#[derive(Debug)]
pub(crate) struct Trace(Option<String>);

impl Trace {
    pub(crate) fn new(keep: bool) -> Self {
        Self(keep.then(String::new))
    }

    /// Adds a line, `at` microseconds after the beginning.
    pub(crate) fn line(&mut self, at: i64, what: Arguments<'_>) {
        if let Some(lines) = &mut self.0 {
            // Writing to a string does not fail.
            let _written = writeln!(lines, "{:>5}.{:06} {what}", at / 1_000_000, at % 1_000_000);
        }
    }

    pub(crate) fn finish(self) -> Option<String> {
        self.0
    }
}
