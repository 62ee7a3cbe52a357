//! How a command fails: a message for the reader and an exit code for the caller.

use std::fmt;

/// `EX_USAGE` of sysexits.h.
const USAGE: u8 = 64;

/// `EX_UNAVAILABLE` of sysexits.h.
const UNAVAILABLE: u8 = 69;

#[derive(Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// The command was called in a way that it does not know.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { code: USAGE, message: message.into() }
    }

    /// Software is missing; the message says how to get it.
    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self { code: UNAVAILABLE, message: message.into() }
    }

    /// A check found something.
    pub(crate) fn check(message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into() }
    }

    /// A command ended with a code of its own, which becomes ours.
    pub(crate) fn child(what: &str, code: Option<i32>) -> Self {
        let ours = code.and_then(|code| u8::try_from(code).ok()).filter(|code| *code != 0).unwrap_or(1);
        let how = code.map_or_else(|| "was killed".to_owned(), |code| format!("ended with exit code {code}"));
        Self { code: ours, message: format!("{what} {how}") }
    }

    pub(crate) fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::check(format!("{error:#}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_command_passes_its_exit_code_on() {
        assert_eq!(Failure::child("cargo test", Some(101)).code(), 101);
        assert_eq!(Failure::child("cargo test", None).code(), 1);
        assert_eq!(Failure::child("cargo test", Some(-1)).code(), 1);
    }
}
