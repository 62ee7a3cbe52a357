//! One thing that was done for a request, from when to when.

use std::borrow::Cow;

use tagbid_types::{Timestamp, TraceContext};

use super::Begun;

/// Which side of a call a span is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It answered a caller.
    Server,
    /// It asked somebody.
    Client,
    /// Neither.
    Inside,
}

/// What is told of a span: a number or a word of our own making, never anything of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// How many.
    Count(u64),
    /// Whether.
    Flag(bool),
    /// Which.
    Word(Cow<'static, str>),
}

impl From<usize> for Value {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Flag(flag)
    }
}

impl From<&'static str> for Value {
    fn from(word: &'static str) -> Self {
        Self::Word(word.into())
    }
}

impl From<String> for Value {
    fn from(word: String) -> Self {
        Self::Word(word.into())
    }
}

/// A name and its value.
pub type Field = (&'static str, Value);

/// A span that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Which it is.
    pub context: TraceContext,
    /// The span that it is a part of.
    pub parent: Option<[u8; 8]>,
    /// Whether that is another process's.
    pub remote: bool,
    /// What was done.
    pub name: Cow<'static, str>,
    /// Which side of a call.
    pub kind: Kind,
    /// When it began, by the wall clock.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Timestamp,
    /// What is told of it.
    pub fields: Vec<Field>,
    /// It failed by our fault.
    pub failed: bool,
}

impl Span {
    /// One without fields that did not fail.
    pub fn new(
        begun: Begun,
        name: Cow<'static, str>,
        kind: Kind,
        began: Timestamp,
        ended: Timestamp,
    ) -> Self {
        let Begun { context, parent, remote } = begun;
        Self { context, parent, remote, name, kind, began, ended, fields: Vec::new(), failed: false }
    }
}
