//! What can go wrong with a call, and the one place where it becomes a gRPC status.

use thiserror::Error;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::store::StoreError;

/// Why a call got no answer.
#[derive(Debug, Error)]
pub(super) enum Fault {
    /// Fields of the request that cannot be used: name and remedy.
    #[error("{}", .0.iter().map(|(field, problem)| format!("{field}: {problem}")).collect::<Vec<_>>().join("; "))]
    BadRequest(Vec<(&'static str, String)>),
    /// Nothing that the catalog has.
    #[error("{0}: not in the catalog as this ledger has read it; look at the id, or ask again in a moment")]
    Unknown(&'static str),
    /// Rows of somebody else.
    #[error("this token does not open that advertiser's ledger; ask without advertiser_id for your own")]
    NotYours,
    /// A question of other roles.
    #[error(
        "this needs a credential of scope role or operator; ask CampaignsService.GetFunnel about your line items"
    )]
    NotForTenants,
    /// Leases are for bidders.
    #[error("leases need a credential of scope role")]
    ForBidders,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        let message = fault.to_string();
        match fault {
            Fault::BadRequest(fields) => {
                let mut details = ErrorDetails::new();
                for (field, problem) in fields {
                    details.add_bad_request_violation(field, problem);
                }
                Status::with_error_details(Code::InvalidArgument, message, details)
            }
            Fault::Unknown(_) => Status::not_found(message),
            Fault::NotYours | Fault::NotForTenants | Fault::ForBidders => Status::permission_denied(message),
            // What the database said is for the operator's log, not for a tenant.
            Fault::Store(error) => {
                tracing::warn!(%error, "ledger query failed");
                match error {
                    StoreError::Unavailable(_) => {
                        Status::unavailable("the ledger's database is not available")
                    }
                    StoreError::Refused(_) => Status::internal("the ledger's database refused the query"),
                    StoreError::Beyond(_) => Status::out_of_range(message),
                }
            }
        }
    }
}
