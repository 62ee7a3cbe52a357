//! Every refusal of the role as a gRPC status: the one place where errors become wire.

use tagbid_ports::{SnapshotBookError, WriteError};
use tagbid_wire::pb::tags as pb;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::store::StoreError;
use crate::versions::VersionError;

/// Field violations in one status; more would not fit into a header.
const MOST_VIOLATIONS: usize = 20;

/// Type of the precondition that a store has all of a version, which only a load from the beginning mends.
const LOST: &str = "VERSION_LOST";

/// What is wrong with one field, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) field: String,
    pub(super) description: String,
}

impl Violation {
    pub(super) fn new(field: impl Into<String>, description: impl ToString) -> Self {
        Self { field: field.into(), description: description.to_string() }
    }

    /// The same, of a part of this field.
    pub(super) fn within(mut self, parent: &str) -> Self {
        let dot = if self.field.is_empty() { "" } else { "." };
        self.field = format!("{parent}{dot}{}", self.field);
        self
    }
}

impl From<Violation> for Status {
    fn from(one: Violation) -> Self {
        bad_request(vec![one])
    }
}

/// INVALID_ARGUMENT with google.rpc.BadRequest.
pub(super) fn bad_request(violations: Vec<Violation>) -> Status {
    let message = match violations.first() {
        Some(first) => format!("{}: {}", first.field, first.description),
        None => "the request is not valid".to_owned(),
    };
    let fields = violations.into_iter().take(MOST_VIOLATIONS);
    let fields: Vec<_> = fields.map(|one| FieldViolation::new(one.field, one.description)).collect();
    Status::with_error_details(Code::InvalidArgument, message, ErrorDetails::with_bad_request(fields))
}

/// A user that was not stored.
pub(super) fn reject(user: usize, violation: Violation) -> pb::Reject {
    pb::Reject {
        user: u32::try_from(user).unwrap_or(u32::MAX),
        field: violation.field,
        description: violation.description,
    }
}

/// A write that did not happen.
pub(super) fn not_written(error: WriteError) -> Status {
    match error {
        WriteError::Refused { .. } => Status::invalid_argument(error.to_string()),
        WriteError::Version { .. } => precondition("VERSION", "dataset", error.to_string()),
        WriteError::Store(problem) => {
            Status::unavailable(format!("{problem}; the same request may be sent again"))
        }
    }
}

/// Nobody knows whether users are suppressed under another MAC key.
pub(super) fn not_listed(error: StoreError) -> Status {
    Status::unavailable(format!("{error}; the same request may be sent again, and a load be resumed"))
}

/// Something about a dataset's versions that was not done.
pub(super) fn not_done(error: VersionError) -> Status {
    let text = error.to_string();
    match error {
        VersionError::Book(SnapshotBookError::Unavailable(_)) => {
            Status::unavailable(format!("{text}; the same request may be sent again"))
        }
        VersionError::Store(StoreError::Lost(_)) | VersionError::Sample { .. } | VersionError::Dropped(_) => {
            precondition(LOST, "version", text)
        }
        VersionError::NotBegun { .. } => precondition(LOST, "begin.from", text),
        VersionError::Store(StoreError::TooManyVersions)
        | VersionError::Book(SnapshotBookError::Refused(_))
        | VersionError::Loaded(_)
        | VersionError::Overtaken(_) => precondition("VERSION", "version", text),
        VersionError::Store(StoreError::Full) => Status::resource_exhausted(format!(
            "{text}: drop a version that is not needed (`tagbid tags drop`) or raise maxmemory; a load can be resumed then"
        )),
        VersionError::Count { .. } => Violation::new("finish.users", text).into(),
        VersionError::Store(_) => Status::unavailable(format!("{text}; the same request may be sent again")),
    }
}

/// FAILED_PRECONDITION with google.rpc.PreconditionFailure.
fn precondition(kind: &str, subject: &str, text: String) -> Status {
    let mut details = ErrorDetails::new();
    details.add_precondition_failure_violation(kind, subject, text.clone());
    Status::with_error_details(Code::FailedPrecondition, text, details)
}
