//! Funnels from bidders elsewhere, and wins from a ledger elsewhere.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use tagbid_ports::{Funnel, FunnelCounts, FunnelError, FunnelSource, LineItemFunnel, WinCounts, WinsError};
use tagbid_types::{BudgetDay, LineItemId};
use tagbid_wire::campaigns::funnel_from;
use tagbid_wire::ledger::day_text;
use tagbid_wire::pb::bidding::bidding_service_client::BiddingServiceClient;
use tagbid_wire::pb::campaigns::GetFunnelRequest;
use tagbid_wire::pb::ledger::CountWinsRequest;
use tagbid_wire::pb::ledger::ledger_service_client::LedgerServiceClient;
use tonic::Request;

use crate::Endpoint;

/// A person waits for all of them together.
const WITHIN: Duration = Duration::from_secs(5);

/// Asks every bidder over gRPC and adds up what they counted. Connects when it is asked.
#[derive(Clone, Debug)]
pub struct GrpcFunnels {
    bidders: Vec<(String, Endpoint)>,
}

impl GrpcFunnels {
    /// Asks these bidders, each with the name that answers give it.
    pub fn new(bidders: Vec<(String, Endpoint)>) -> Self {
        Self { bidders }
    }
}

#[async_trait]
impl FunnelCounts for GrpcFunnels {
    async fn funnel(&self, line_items: &[LineItemId]) -> Result<Funnel, FunnelError> {
        let answers = self.bidders.iter().map(|(_, bidder)| ask(bidder, line_items));
        let answers = join_all(answers).await;
        let mut sum = Funnel {
            sources: Vec::new(),
            line_items: line_items.iter().copied().map(LineItemFunnel::empty).collect(),
        };
        for ((name, _), answer) in self.bidders.iter().zip(answers) {
            match answer {
                Ok(funnel) => add(&mut sum, name, funnel),
                Err(problem) => {
                    let source = FunnelSource { bidder: name.clone(), problem, ..FunnelSource::default() };
                    sum.sources.push(source);
                }
            }
        }
        if sum.sources.iter().all(|source| !source.problem.is_empty()) {
            let each = sum.sources.iter().map(|source| format!("{}: {}", source.bidder, source.problem));
            return Err(FunnelError(each.collect::<Vec<_>>().join("; ")));
        }
        Ok(sum)
    }
}

fn add(sum: &mut Funnel, name: &str, funnel: Funnel) {
    sum.sources.extend(funnel.sources.into_iter().map(|one| FunnelSource { bidder: name.into(), ..one }));
    for one in &funnel.line_items {
        for own in sum.line_items.iter_mut().filter(|own| own.line_item == one.line_item) {
            own.add(one);
        }
    }
}

/// The counts of one bidder, or why there are none.
async fn ask(bidder: &Endpoint, line_items: &[LineItemId]) -> Result<Funnel, String> {
    let asked = async {
        let connected = bidder.connect().await.map_err(|error| error.to_string())?;
        let line_item_ids = line_items.iter().map(|id| id.0).collect();
        let answer =
            BiddingServiceClient::new(connected).get_funnel(GetFunnelRequest { line_item_ids }).await;
        let answer = answer.map_err(|status| status.message().to_owned())?;
        funnel_from(answer.get_ref()).ok_or_else(|| "it speaks of reasons unknown here".into())
    };
    tokio::time::timeout(WITHIN, asked).await.unwrap_or_else(|_| Err("it did not answer in time".into()))
}

/// Asks the ledger over gRPC. Connects when it is asked.
#[derive(Clone, Debug)]
pub struct GrpcWins {
    ledger: Endpoint,
}

impl GrpcWins {
    /// Asks this ledger.
    pub fn new(ledger: Endpoint) -> Self {
        Self { ledger }
    }
}

#[async_trait]
impl WinCounts for GrpcWins {
    async fn wins(
        &self,
        line_items: &[LineItemId],
        from: BudgetDay,
    ) -> Result<BTreeMap<LineItemId, u64>, WinsError> {
        let connected = self.ledger.connect().await.map_err(|error| WinsError(error.to_string()))?;
        let line_item_ids = line_items.iter().map(|id| id.0).collect();
        let mut request = Request::new(CountWinsRequest { line_item_ids, first_day: day_text(from) });
        request.set_timeout(WITHIN);
        let answer = LedgerServiceClient::new(connected).count_wins(request).await;
        let answer = answer.map_err(|status| WinsError(status.message().into()))?;
        let wins = answer.into_inner().wins.into_iter();
        Ok(wins.map(|one| (LineItemId(one.line_item_id), one.wins)).collect())
    }
}
