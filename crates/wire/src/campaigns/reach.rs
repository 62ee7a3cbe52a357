//! What roles say of their samples.

use std::time::Duration;

use tagbid_catalog::Report;
use tagbid_ports::{RequestReach, Stratum, UserReach};
use tagbid_targeting::Expr;

use super::targeting::{expr_from, expr_to};
use crate::pb::campaigns as pb;
use crate::tags::{timestamp, to_timestamp};

/// The question to a tags role.
pub fn users_question(targeting: &Expr) -> pb::EstimateUsersRequest {
    pb::EstimateUsersRequest { targeting: Some(expr_to(targeting)) }
}

/// The question to a bidder.
pub fn requests_question(targeting: &Expr) -> pb::EstimateRequestsRequest {
    pb::EstimateRequestsRequest { targeting: Some(expr_to(targeting)) }
}

/// The expression of a role's question; in words what is wrong with it, for a caller that is a newer version.
pub fn sample_targeting(targeting: Option<&pb::Expression>) -> Result<Expr, String> {
    let mut report = Report::on("targeting");
    let expr = expr_from(targeting, &mut report);
    report.problems().first().map_or(Ok(expr), |problem| Err(problem.to_string()))
}

/// Writes a tags role's answer.
pub fn user_reach_to(reach: &UserReach) -> pb::EstimateUsersResponse {
    let age = prost_types::Duration::try_from(reach.age).unwrap_or_default();
    pb::EstimateUsersResponse { stratum: Some(stratum_to(&reach.stratum)), age: Some(age) }
}

/// Reads a tags role's answer; none when it is none.
pub fn user_reach_from(answer: &pb::EstimateUsersResponse) -> Option<UserReach> {
    let stratum = stratum_from(answer.stratum.as_ref()?)?;
    Some(UserReach { stratum, age: Duration::try_from(answer.age?).ok()? })
}

/// Writes a bidder's answer.
pub fn request_reach_to(reach: &RequestReach) -> pb::EstimateRequestsResponse {
    pb::EstimateRequestsResponse {
        strata: reach.strata.iter().map(stratum_to).collect(),
        since: Some(to_timestamp(reach.since)),
    }
}

/// Reads a bidder's answer; none when it is none.
pub fn request_reach_from(answer: &pb::EstimateRequestsResponse) -> Option<RequestReach> {
    let strata = answer.strata.iter().map(stratum_from).collect::<Option<_>>()?;
    Some(RequestReach { strata, since: timestamp(answer.since.as_ref()?)? })
}

fn stratum_to(stratum: &Stratum) -> pb::SampleStratum {
    let Stratum { sampled, matching, scale } = *stratum;
    pb::SampleStratum { sampled, matching, scale }
}

/// One that says what cannot be is none.
fn stratum_from(stratum: &pb::SampleStratum) -> Option<Stratum> {
    let pb::SampleStratum { sampled, matching, scale } = *stratum;
    (matching <= sampled && scale > 0).then_some(Stratum { sampled, matching, scale })
}

#[cfg(test)]
mod tests {
    use tagbid_targeting::{Leaf, TagKind, TagTest};
    use tagbid_types::{TagId, Timestamp};

    use super::*;

    const STRATUM: Stratum = Stratum { sampled: 12, matching: 3, scale: 64 };

    #[test]
    fn questions_and_answers_survive_the_wire() {
        let test = TagTest { any_of: vec![TagId(7)], kind: TagKind::Any, min_weight: 9, max_age_s: Some(60) };
        let targeting = Expr::Not(Box::new(Expr::Leaf(Leaf::Tag(test))));
        let question = users_question(&targeting);
        assert_eq!(sample_targeting(question.targeting.as_ref()), Ok(targeting.clone()));
        let question = requests_question(&targeting);
        assert_eq!(sample_targeting(question.targeting.as_ref()), Ok(targeting));

        let users = UserReach { stratum: STRATUM, age: Duration::from_millis(61_500) };
        assert_eq!(user_reach_from(&user_reach_to(&users)), Some(users));
        let since = Timestamp::from_secs(1_735_689_600);
        let requests = RequestReach { strata: vec![STRATUM, Stratum { scale: 1, ..STRATUM }], since };
        assert_eq!(request_reach_from(&request_reach_to(&requests)), Some(requests));
    }

    #[test]
    fn what_cannot_be_is_not_believed() {
        let users = user_reach_to(&UserReach { stratum: STRATUM, age: Duration::ZERO });
        for stratum in [Stratum { matching: 13, ..STRATUM }, Stratum { scale: 0, ..STRATUM }] {
            let bad = pb::EstimateUsersResponse { stratum: Some(stratum_to(&stratum)), ..users };
            assert_eq!(user_reach_from(&bad), None);
        }
        assert_eq!(user_reach_from(&pb::EstimateUsersResponse::default()), None);
        let unknown = pb::Expression { node: Some(pb::expression::Node::Leaf(pb::Leaf { test: None })) };
        assert!(sample_targeting(Some(&unknown)).is_err());
    }
}
