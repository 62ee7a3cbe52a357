//! The one place where errors become gRPC statuses.

use tagbid_catalog::FieldProblem;
use tagbid_ports::ExplainError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt};

use crate::error::CampaignsError;
use crate::store::StoreError;

impl From<CampaignsError> for Status {
    fn from(error: CampaignsError) -> Self {
        let text = error.to_string();
        match error {
            CampaignsError::Invalid(problems) => bad_request(Code::InvalidArgument, text, &problems),
            CampaignsError::NotFound(_) => Self::not_found(text),
            CampaignsError::Denied(_) => Self::permission_denied(text),
            CampaignsError::Stale { .. } => Self::aborted(text),
            CampaignsError::Archived(_) => Self::failed_precondition(text),
            CampaignsError::RequestReused(_) => bad_request(
                Code::AlreadyExists,
                text,
                &[problem("request_id", "was used for another request", "make up a new one")],
            ),
            CampaignsError::Explain(error) => explain(&error),
            CampaignsError::Store(error) => store(&error),
            CampaignsError::Internal(_) => {
                tracing::error!(%text, "campaigns request failed");
                Self::internal("internal fault; the log of the campaigns role says more")
            }
        }
    }
}

fn bad_request(code: Code, text: String, problems: &[FieldProblem]) -> Status {
    let violations = problems.iter().map(|found| {
        FieldViolation::new(found.field.clone(), format!("{}; {}", found.problem, found.remedy))
    });
    let details = ErrorDetails::with_bad_request(violations.collect::<Vec<_>>());
    Status::with_error_details(code, text, details)
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
