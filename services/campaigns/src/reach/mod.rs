//! How many users and requests an expression reaches: checked like a line item's, asked of the samples that the tags
//! role and a bidder keep, and told as figures that name nobody.

mod figures;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tagbid_catalog::Report;
use tagbid_ports::{ReachUnavailable, RequestReach, RequestSample, UserReach, UserSample};
use tagbid_targeting::Expr;
use tagbid_types::{AdvertiserId, Principal};

use crate::catalog::Core;
use crate::check;
use crate::error::CampaignsError;
use crate::rights::Reach;

pub(crate) use figures::{RequestFigures, UserFigures};

/// How long a role may take: two tags nodes tried one after the other, and no longer than a person waits.
const WITHIN: Duration = Duration::from_secs(12);

/// Who can be asked; set when the deployment is put together.
#[derive(Default)]
pub(crate) struct Samples {
    pub(crate) users: OnceLock<Arc<dyn UserSample>>,
    pub(crate) requests: OnceLock<Arc<dyn RequestSample>>,
}

/// An expression whose reach is wanted, and the problems found while it was read.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Zero: the caller's own.
    pub(crate) advertiser: AdvertiserId,
    pub(crate) targeting: Expr,
    pub(crate) report: Report,
}

/// The answer: each half, or why it is missing. One of them is there.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Estimate {
    pub(crate) users: Result<UserFigures, ReachUnavailable>,
    pub(crate) requests: Result<RequestFigures, ReachUnavailable>,
}

/// Estimates the reach of an expression for a caller who may use all that it names.
pub(crate) async fn estimate(
    core: &Core,
    samples: &Samples,
    who: &Principal,
    wanted: Wanted,
) -> Result<Estimate, CampaignsError> {
    let targeting = check(core, who, wanted).await?;
    let (users, requests) = tokio::join!(ask_users(samples, &targeting), ask_requests(samples, &targeting));
    if let (Err(users), Err(requests)) = (&users, &requests) {
        return Err(CampaignsError::NoReach(format!("users: {users}; requests: {requests}")));
    }
    Ok(Estimate { users, requests })
}

async fn check(core: &Core, who: &Principal, wanted: Wanted) -> Result<Expr, CampaignsError> {
    let Wanted { advertiser, targeting, mut report } = wanted;
    let owner = Reach::of(who)?.owner(advertiser, &mut report);
    let mut session = core.store.read().await?;
    check::check_targeting(session.as_mut(), &core.policy, &targeting, owner, &mut report).await?;
    if report.is_empty() { Ok(targeting) } else { Err(CampaignsError::Invalid(report.into_problems())) }
}

async fn ask_users(samples: &Samples, targeting: &Expr) -> Result<UserFigures, ReachUnavailable> {
    let sample = samples.users.get().ok_or_else(|| nobody("tags role"))?;
    let reach: UserReach = in_time("the tags role", sample.estimate_users(targeting)).await?;
    Ok(UserFigures::of(&reach))
}

async fn ask_requests(samples: &Samples, targeting: &Expr) -> Result<RequestFigures, ReachUnavailable> {
    let sample = samples.requests.get().ok_or_else(|| nobody("bidder"))?;
    let reach: RequestReach = in_time("the bidder", sample.estimate_requests(targeting)).await?;
    let none = || ReachUnavailable("the bidder has seen no bid requests lately".into());
    RequestFigures::of(&reach).ok_or_else(none)
}

async fn in_time<T>(
    who: &str,
    asked: impl Future<Output = Result<T, ReachUnavailable>>,
) -> Result<T, ReachUnavailable> {
    let answered = tokio::time::timeout(WITHIN, asked).await;
    answered.unwrap_or_else(|_| Err(ReachUnavailable(format!("{who} did not answer in time"))))
}

fn nobody(role: &str) -> ReachUnavailable {
    ReachUnavailable(format!("this deployment has told the campaigns role of no {role}"))
}
