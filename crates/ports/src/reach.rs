//! How many users and requests a targeting expression reaches, estimated from samples that the roles keep.

use std::time::Duration;

use async_trait::async_trait;
use tagbid_targeting::Expr;
use tagbid_types::Timestamp;
use thiserror::Error;

/// Part of a sample whose members stand for the same number each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stratum {
    /// Members.
    pub sampled: u64,
    /// Those of them that match.
    pub matching: u64,
    /// How many each stands for, itself included: one in so many was taken, at random.
    pub scale: u64,
}

/// What a sample of users says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserReach {
    /// The sample: users who carry a tag now. One matches when the expression is not certainly false of them.
    pub stratum: Stratum,
    /// How long ago the sample was begun.
    pub age: Duration,
}

/// What a sample of recent impressions says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestReach {
    /// The sample, by the time of the impressions.
    pub strata: Vec<Stratum>,
    /// When the first of the impressions can have come.
    pub since: Timestamp,
}

/// There is no estimate now; the reason in words, for the person who asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct ReachUnavailable(pub String);

/// The tags role, asked about its users. Lists and other attributes of requests are not looked at.
#[async_trait]
pub trait UserSample: Send + Sync + 'static {
    /// How many of a sample of the users the expression may match.
    async fn estimate_users(&self, targeting: &Expr) -> Result<UserReach, ReachUnavailable>;
}

/// A bidder, asked about its traffic.
#[async_trait]
pub trait RequestSample: Send + Sync + 'static {
    /// How many of a sample of recent impressions the expression matches. The expression is one that a line item could
    /// have; lists are those of the bidder's catalog.
    async fn estimate_requests(&self, targeting: &Expr) -> Result<RequestReach, ReachUnavailable>;
}
