//! Why a body is refused. Everything that can be served with leniency is not here but in the request's notes.

use tagbid_types::NoBidReason;
use thiserror::Error;

/// A request that cannot be served at all. The text names the member and the remedy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Not JSON, or cut off.
    #[error("body is not readable JSON at byte {offset}{}: {problem}", in_path(path))]
    Json {
        /// Where in the body, or in the text of a native request, the reader stopped.
        offset: usize,
        /// The member being read; empty at the top.
        path: String,
        /// What was expected or found.
        problem: &'static str,
    },
    /// Not protobuf, or cut off.
    #[error("body is not readable protobuf at byte {offset}{}: {problem}", in_path(path))]
    Protobuf {
        /// Where in the message being read the reader stopped.
        offset: usize,
        /// The field being read; empty at the top.
        path: String,
        /// What was expected or found.
        problem: &'static str,
    },
    /// Nested too deeply.
    #[error("nested deeper than {limit} levels{}: flatten it or leave it out", in_path(path))]
    TooDeep {
        /// The levels allowed.
        limit: usize,
        /// The member being read.
        path: String,
    },
    /// A list that must be known whole is too long, or there are too many objects in all.
    #[error("{path}: more than {limit} {what}; send fewer")]
    TooMany {
        /// How many are allowed.
        limit: usize,
        /// The member being read.
        path: String,
        /// Of what there are too many.
        what: &'static str,
    },
    /// The request has no id to answer with.
    #[error("id: is required and missing; send a unique string")]
    MissingId,
    /// No impression is left to bid on.
    #[error("imp: no usable impression; {reason}")]
    NoImp {
        /// Why the first one was dropped, or that there was none.
        reason: String,
    },
    /// Two impressions could not be told apart in a bid.
    #[error("imp: id {id:?} is given twice; ids must be unique within the request")]
    DuplicateImp {
        /// The id.
        id: String,
    },
    /// More than one of site, app and dooh.
    #[error("{first} and {second} are both present; send exactly one of site, app, dooh")]
    Channels {
        /// One of them.
        first: &'static str,
        /// Another of them.
        second: &'static str,
    },
}

/// The error as it travels inside the readers: boxed, because every step returns a result, and one the size of a
/// pointer stays in a register.
pub(crate) type Fail = Box<DecodeError>;

impl DecodeError {
    /// The no-bid reason of the answer.
    pub fn reason(&self) -> NoBidReason {
        match self {
            Self::TooDeep { .. } | Self::TooMany { .. } => NoBidReason::TooLarge,
            _ => NoBidReason::InvalidRequest,
        }
    }
}

fn in_path(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" in {path}") }
}
