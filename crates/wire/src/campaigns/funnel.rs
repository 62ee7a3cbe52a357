//! Funnels.

use std::cmp::Reverse;

use tagbid_ports::{Funnel, FunnelSource, LineItemFunnel, Loss};
use tagbid_types::{LineItemId, Timestamp};

use super::common::timestamp;
use crate::pb::campaigns as pb;

/// Writes funnels, without wins.
pub fn funnel_to(funnel: &Funnel) -> pb::GetFunnelResponse {
    pb::GetFunnelResponse {
        line_items: funnel.line_items.iter().map(line_item_to).collect(),
        bidders: funnel.sources.iter().map(source_to).collect(),
        won_problem: String::new(),
    }
}

fn line_item_to(funnel: &LineItemFunnel) -> pb::LineItemFunnel {
    let mut losses: Vec<_> = funnel.losses.iter().collect();
    losses.sort_by_key(|(_, count)| Reverse(**count));
    let loss = |(loss, count): (&Loss, &u64)| pb::FunnelLoss { code: loss.as_str().into(), count: *count };
    pb::LineItemFunnel {
        line_item_id: funnel.line_item.0,
        since: funnel.since.map(moment),
        considered: funnel.considered,
        matched: funnel.matched,
        losses: losses.into_iter().map(loss).collect(),
        priced: funnel.priced,
        bid: funnel.bid,
        won: None,
        won_from_day: String::new(),
    }
}

fn source_to(source: &FunnelSource) -> pb::FunnelSource {
    pb::FunnelSource {
        bidder: source.bidder.clone(),
        since: source.since.map(moment),
        requests: source.requests,
        sampled_requests: source.sampled,
        dropped_requests: source.dropped,
        problem: source.problem.clone(),
    }
}

fn moment(at: Timestamp) -> prost_types::Timestamp {
    let nanos = i32::try_from(at.0.rem_euclid(1_000_000) * 1_000).unwrap_or(0);
    prost_types::Timestamp { seconds: at.secs(), nanos }
}

/// Reads funnels; none when they name a reason that this version does not know.
pub fn funnel_from(response: &pb::GetFunnelResponse) -> Option<Funnel> {
    let sources = response.bidders.iter().map(source_from);
    let line_items = response.line_items.iter().map(line_item_from).collect::<Option<_>>()?;
    Some(Funnel { sources: sources.collect(), line_items })
}

fn line_item_from(funnel: &pb::LineItemFunnel) -> Option<LineItemFunnel> {
    let losses = funnel.losses.iter().map(|loss| Some((Loss::named(&loss.code)?, loss.count)));
    Some(LineItemFunnel {
        line_item: LineItemId(funnel.line_item_id),
        since: funnel.since.as_ref().and_then(timestamp),
        considered: funnel.considered,
        matched: funnel.matched,
        losses: losses.collect::<Option<_>>()?,
        priced: funnel.priced,
        bid: funnel.bid,
    })
}

fn source_from(source: &pb::FunnelSource) -> FunnelSource {
    FunnelSource {
        bidder: source.bidder.clone(),
        since: source.since.as_ref().and_then(timestamp),
        requests: source.requests,
        sampled: source.sampled_requests,
        dropped: source.dropped_requests,
        problem: source.problem.clone(),
    }
}

#[cfg(test)]
mod tests {
    use tagbid_types::NoBidReason;

    use super::*;

    #[test]
    fn a_funnel_survives_the_wire_and_an_unknown_reason_does_not() {
        let since = Some(Timestamp(1_750_000_000_000_001));
        let source = FunnelSource {
            bidder: "b".into(),
            since,
            requests: 400,
            sampled: 2,
            dropped: 1,
            problem: String::new(),
        };
        let losses = [(Loss::Outbid, 1), (Loss::Reason(NoBidReason::BelowFloor), 2)];
        let counts = LineItemFunnel {
            since,
            considered: 9,
            matched: 4,
            losses: losses.into(),
            priced: 2,
            bid: 1,
            ..LineItemFunnel::empty(LineItemId(7))
        };
        let funnel =
            Funnel { sources: vec![source], line_items: vec![counts, LineItemFunnel::empty(LineItemId(8))] };
        let mut message = funnel_to(&funnel);
        assert_eq!(message.line_items[0].losses[0].code, "below_floor", "the most frequent first");
        assert_eq!(funnel_from(&message), Some(funnel));
        message.line_items[0].losses[0].code = "of_tomorrow".into();
        assert_eq!(funnel_from(&message), None);
    }
}
