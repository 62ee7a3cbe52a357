//! The one place where errors become gRPC statuses.

use tagbid_catalog::FieldProblem;
use tagbid_ports::ExplainError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::error::CampaignsError;
use crate::store::StoreError;

/// Bytes of violations in one status. It travels as a header, in base64: clients refuse headers of more than 8 KiB.
const DETAILS: usize = 4 * 1024;

impl From<CampaignsError> for Status {
    fn from(error: CampaignsError) -> Self {
        let text = error.to_string();
        match error {
            CampaignsError::Invalid(problems) => bad_request(Code::InvalidArgument, text, &problems),
            CampaignsError::NotFound(_) => Self::not_found(text),
            CampaignsError::Denied(_) => Self::permission_denied(text),
            CampaignsError::Stale { .. } => Self::aborted(text),
            CampaignsError::Archived(_)
            | CampaignsError::Snapshot(_)
            | CampaignsError::Epoch(_)
            | CampaignsError::TooManyDatasets => Self::failed_precondition(text),
            CampaignsError::RequestReused(_) => bad_request(
                Code::AlreadyExists,
                text,
                &[problem("request_id", "was used for another request", "make up a new one")],
            ),
            CampaignsError::Explain(error) => explain(&error),
            CampaignsError::Funnel(_) => Self::unavailable(text),
            CampaignsError::NoReach(_) => Self::unavailable(text),
            CampaignsError::Store(error) => store(&error),
            CampaignsError::Internal(_) => {
                tracing::error!(%text, "campaigns request failed");
                Self::internal("internal fault; the log of the campaigns role says more")
            }
        }
    }
}

fn bad_request(code: Code, text: String, problems: &[FieldProblem]) -> Status {
    let mut room = DETAILS;
    let mut violations = Vec::new();
    for found in problems {
        let field = cut(&found.field, 200);
        let description = format!("{}; {}", cut(&found.problem, 300), found.remedy);
        let size = field.len() + description.len();
        if size > room && !violations.is_empty() {
            break;
        }
        room = room.saturating_sub(size);
        violations.push(FieldViolation::new(field, description));
    }
    Status::with_error_details(code, cut(&text, 500), ErrorDetails::with_bad_request(violations))
}

/// The start of a text that may hold what the caller sent.
fn cut(text: &str, letters: usize) -> String {
    match text.char_indices().nth(letters) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn problem(field: &str, problem: &str, remedy: &str) -> FieldProblem {
    FieldProblem { field: field.into(), problem: problem.into(), remedy: remedy.into() }
}

fn explain(error: &ExplainError) -> Status {
    let text = error.to_string();
    match error {
        ExplainError::Request(why) => bad_request(
            Code::InvalidArgument,
            text,
            &[problem("openrtb_json", why, "send an OpenRTB bid request in JSON")],
        ),
        ExplainError::UnknownExchange(_) => bad_request(
            Code::InvalidArgument,
            text,
            &[problem("exchange", "is not configured", "use the name that the operator gave it")],
        ),
        ExplainError::UnknownLineItem { .. } | ExplainError::Unavailable(_) => Status::unavailable(text),
    }
}

/// What the database says is for the operator's log, not for callers.
fn store(error: &StoreError) -> Status {
    tracing::error!(%error, "catalog database");
    match error {
        StoreError::Database(_) | StoreError::At { .. } => {
            Status::unavailable("the catalog database cannot be used now; try again")
        }
        StoreError::IdsUsedUp(_) => Status::resource_exhausted(error.to_string()),
        StoreError::Corrupt { .. } | StoreError::Newer { .. } | StoreError::Url => {
            Status::internal("internal fault; the log of the campaigns role says more")
        }
    }
}
