//! How far one's own line items came: the bidders' counts and the ledger's wins.

use std::collections::BTreeMap;
use std::sync::Arc;

use tagbid_ports::{
    Funnel, FunnelCounts, FunnelError, FunnelSource, LineItemFunnel, Loss, WinCounts, WinsError,
};
use tagbid_types::{BudgetDay, LineItemId, NoBidReason, Timestamp};
use tagbid_wire::pb::campaigns as pb;
use tonic::Code;

use crate::harness::{Caller, Database, Stack, fields, flight, two_tenants};

/// A bidder that counted ten impressions for every line item.
struct Counts;

#[tonic::async_trait]
impl FunnelCounts for Counts {
    async fn funnel(&self, line_items: &[LineItemId]) -> Result<Funnel, FunnelError> {
        // Half past eleven in the evening of the third of January in UTC: the fourth in Berlin, where Acme is.
        let since = Some(Timestamp::from_secs(86_400 * 3 - 1_800));
        let source = FunnelSource { bidder: "b".into(), since, sampled: 5, ..FunnelSource::default() };
        let losses = [(Loss::Outbid, 1), (Loss::Reason(NoBidReason::BelowFloor), 4)];
        let counted = |id: &LineItemId| LineItemFunnel {
            since,
            considered: 10,
            matched: 7,
            losses: losses.into(),
            priced: 3,
            bid: 2,
            ..LineItemFunnel::empty(*id)
        };
        Ok(Funnel { sources: vec![source], line_items: line_items.iter().map(counted).collect() })
    }
}

/// A ledger that counted a win a day since the day asked.
struct Wins;

#[tonic::async_trait]
impl WinCounts for Wins {
    async fn wins(
        &self,
        line_items: &[LineItemId],
        from: BudgetDay,
    ) -> Result<BTreeMap<LineItemId, u64>, WinsError> {
        let first = line_items.first().ok_or_else(|| WinsError("asked for nothing".into()))?;
        Ok([(*first, u64::try_from(10 - from.0).unwrap())].into())
    }
}

fn ask(ids: &[u64]) -> pb::GetFunnelRequest {
    pb::GetFunnelRequest { line_item_ids: ids.into() }
}

#[tokio::test]
async fn a_funnel_is_the_bidders_counts_and_the_ledgers_wins() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let (_, _, item) = flight(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let nobody = acme.get_funnel(ask(&[item.id])).await.unwrap_err();
    assert_eq!(nobody.code(), Code::Unavailable);

    stack.service.set_funnels(Arc::new(Counts));
    let answer = acme.get_funnel(ask(&[item.id, item.id])).await.unwrap().into_inner();
    assert_eq!(answer.line_items.len(), 1);
    assert_eq!(answer.line_items[0].won, None);
    assert!(answer.won_problem.contains("ledger"), "{}", answer.won_problem);

    stack.service.set_wins(Arc::new(Wins));
    let answer = acme.get_funnel(ask(&[item.id])).await.unwrap().into_inner();
    let own = &answer.line_items[0];
    assert_eq!((own.won_from_day.as_str(), answer.won_problem.as_str()), ("1970-01-04", ""));
    let losses: Vec<_> = own.losses.iter().map(|loss| (loss.code.as_str(), loss.count)).collect();
    assert_eq!(losses, [("below_floor", 4), ("outbid", 1)]);
    assert_eq!((own.considered, own.matched, own.priced, own.bid, own.won), (10, 7, 3, 2, Some(7)));
    stack.stop().await;
}

#[tokio::test]
async fn nobody_sees_anothers_funnel_and_bad_requests_are_told_by_field() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let (_, _, item) = flight(&stack).await;
    stack.service.set_funnels(Arc::new(Counts));
    stack.service.set_wins(Arc::new(Wins));
    let mut rival = stack.api(Caller::Tenant(2)).await;
    let foreign = rival.get_funnel(ask(&[item.id])).await.unwrap_err();
    let nobodys = rival.get_funnel(ask(&[item.id + 90])).await.unwrap_err();
    assert_eq!((foreign.code(), nobodys.code()), (Code::NotFound, Code::NotFound));
    let mut role = stack.api(Caller::Role).await;
    assert_eq!(role.get_funnel(ask(&[item.id])).await.unwrap_err().code(), Code::PermissionDenied);

    let mut acme = stack.api(Caller::Tenant(1)).await;
    let cases: [(&[u64], &[&str]); 3] = [
        (&[], &["line_item_ids"]),
        (&[item.id, 0, 0], &["line_item_ids[1]", "line_item_ids[2]"]),
        (&[item.id; 101], &["line_item_ids"]),
    ];
    for (ids, want) in cases {
        let refused = acme.get_funnel(ask(ids)).await.unwrap_err();
        assert_eq!(
            (refused.code(), fields(&refused)),
            (Code::InvalidArgument, want.iter().map(|f| f.to_string()).collect())
        );
    }
    stack.stop().await;
}
