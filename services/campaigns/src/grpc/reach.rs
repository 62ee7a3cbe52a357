//! Estimates of reach: messages to and from plain types.

use tagbid_catalog::Report;
use tagbid_types::AdvertiserId;
use tagbid_wire::campaigns::expr_from;
use tagbid_wire::pb::campaigns as pb;
use tagbid_wire::tags::to_timestamp;

use crate::reach::{Estimate, RequestFigures, UserFigures, Wanted};

pub(super) fn wanted(request: &pb::EstimateReachRequest) -> Wanted {
    let mut report = Report::on("");
    let targeting = report.within("targeting", |report| expr_from(request.targeting.as_ref(), report));
    Wanted { advertiser: AdvertiserId(request.advertiser_id), targeting, report }
}

pub(super) fn write(reach: Estimate) -> pb::EstimateReachResponse {
    let (users, users_unavailable) =
        reach.users.map(users).map_or_else(|why| (None, why.0), |users| (Some(users), String::new()));
    let (requests, requests_unavailable) = reach
        .requests
        .map(requests)
        .map_or_else(|why| (None, why.0), |requests| (Some(requests), String::new()));
    pb::EstimateReachResponse { users, users_unavailable, requests, requests_unavailable }
}

fn users(figures: UserFigures) -> pb::UserReach {
    pb::UserReach {
        users: figures.users,
        fewer_than_1000: figures.users.is_none(),
        low: figures.interval.low,
        high: figures.interval.high,
        sampled_users: figures.sampled,
        users_per_sampled: figures.scale,
        sample_age: prost_types::Duration::try_from(figures.age).ok(),
    }
}

fn requests(figures: RequestFigures) -> pb::RequestReach {
    // Of a million.
    let micros = |share: u64| u32::try_from(share).unwrap_or(u32::MAX);
    pb::RequestReach {
        share_micros: figures.share.map(micros),
        too_few: figures.share.is_none(),
        low_micros: micros(figures.interval.low),
        high_micros: micros(figures.interval.high),
        sampled_impressions: figures.sampled,
        impressions: figures.impressions,
        since: Some(to_timestamp(figures.since)),
    }
}
