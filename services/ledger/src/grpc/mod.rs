//! `tagbid.ledger.v1`: read access for advertisers and the operator, leases for bidders. Generated types live in this
//! module only.

mod balances;
mod convert;
mod fault;
mod leases;
mod reports;

use std::sync::Arc;

use tagbid_runtime::auth::{Tokens, principal};
use tagbid_types::{AdvertiserId, Clock, Principal, Scope};
use tagbid_wire::pb::ledger as pb;
use tagbid_wire::pb::ledger::ledger_service_server::{LedgerService, LedgerServiceServer};
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status};

use crate::limits::Limits;
use crate::store::Store;
use fault::Fault;
pub(crate) use leases::LeaseGrpc;
pub(crate) use reports::ReportGrpc;

/// The service. It holds no state.
pub(crate) struct Grpc {
    store: Arc<dyn Store>,
    limits: Arc<Limits>,
    clock: Arc<dyn Clock>,
}

impl Grpc {
    pub(crate) fn new(store: Arc<dyn Store>, limits: Arc<Limits>, clock: Arc<dyn Clock>) -> Self {
        Self { store, limits, clock }
    }

    /// Behind these tokens: no method is reached without a principal.
    pub(crate) fn service(self, tokens: Tokens) -> InterceptedService<LedgerServiceServer<Self>, Tokens> {
        LedgerServiceServer::with_interceptor(self, tokens)
    }

    async fn spend(
        &self,
        who: &Principal,
        asked: &pb::GetSpendRequest,
    ) -> Result<pb::GetSpendResponse, Fault> {
        let query = convert::spend_query(asked, visible(who, asked.advertiser_id)?)?;
        let rows = self.store.spend(&query).await?;
        let totals = match query.after {
            None => self.store.totals(&query).await?,
            Some(_) => Vec::new(),
        };
        Ok(convert::spend(&rows, totals, query.limit))
    }

    /// Whose line items they are is for the asking role to know.
    async fn wins(
        &self,
        who: &Principal,
        asked: &pb::CountWinsRequest,
    ) -> Result<pb::CountWinsResponse, Fault> {
        match who.scope {
            Scope::Operator | Scope::Role => {
                Ok(convert::wins(&self.store.wins(&convert::wins_query(asked)?).await?))
            }
            Scope::Advertiser(_) | Scope::Exchange(_) => Err(Fault::NotForTenants),
        }
    }

    async fn notices(
        &self,
        who: &Principal,
        asked: &pb::ListNoticesRequest,
    ) -> Result<pb::ListNoticesResponse, Fault> {
        let query = convert::notice_query(asked, visible(who, asked.advertiser_id)?)?;
        let rows = self.store.notices(&query).await?;
        Ok(convert::notices(rows, query.limit))
    }

    async fn quarantined(
        &self,
        who: &Principal,
        asked: &pb::ListQuarantinedRequest,
    ) -> Result<pb::ListQuarantinedResponse, Fault> {
        let query = convert::quarantine_query(asked, visible(who, asked.advertiser_id)?)?;
        let rows = self.store.quarantined(&query).await?;
        Ok(convert::quarantined(rows, query.limit))
    }
}

#[tonic::async_trait]
impl LedgerService for Grpc {
    async fn get_spend(
        &self,
        request: Request<pb::GetSpendRequest>,
    ) -> Result<Response<pb::GetSpendResponse>, Status> {
        let who = principal(&request)?;
        Ok(Response::new(self.spend(&who, request.get_ref()).await?))
    }

    async fn count_wins(
        &self,
        request: Request<pb::CountWinsRequest>,
    ) -> Result<Response<pb::CountWinsResponse>, Status> {
        let who = principal(&request)?;
        Ok(Response::new(self.wins(&who, request.get_ref()).await?))
    }

    async fn get_balances(
        &self,
        request: Request<pb::GetBalancesRequest>,
    ) -> Result<Response<pb::GetBalancesResponse>, Status> {
        let who = principal(&request)?;
        Ok(Response::new(self.balances(&who, request.get_ref()).await?))
    }

    async fn list_notices(
        &self,
        request: Request<pb::ListNoticesRequest>,
    ) -> Result<Response<pb::ListNoticesResponse>, Status> {
        let who = principal(&request)?;
        Ok(Response::new(self.notices(&who, request.get_ref()).await?))
    }

    async fn list_quarantined(
        &self,
        request: Request<pb::ListQuarantinedRequest>,
    ) -> Result<Response<pb::ListQuarantinedResponse>, Status> {
        let who = principal(&request)?;
        Ok(Response::new(self.quarantined(&who, request.get_ref()).await?))
    }
}

/// Whose rows this caller gets when it asks for those of `asked` (0: for all that it may see). None: everyone's.
fn visible(who: &Principal, asked: u64) -> Result<Option<AdvertiserId>, Fault> {
    let asked = (asked != 0).then_some(AdvertiserId(asked));
    match (&who.scope, asked) {
        (Scope::Operator, asked) => Ok(asked),
        (Scope::Advertiser(own), None) => Ok(Some(*own)),
        (_, Some(other)) if who.may_touch(other) => Ok(Some(other)),
        (Scope::Advertiser(_) | Scope::Role | Scope::Exchange(_), _) => Err(Fault::NotYours),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(scope: Scope) -> Principal {
        Principal { name: "test".into(), scope }
    }

    #[test]
    fn an_advertiser_sees_its_own_rows_only() {
        let own = caller(Scope::Advertiser(AdvertiserId(7)));
        assert_eq!(visible(&own, 0).unwrap(), Some(AdvertiserId(7)));
        assert_eq!(visible(&own, 7).unwrap(), Some(AdvertiserId(7)));
        assert!(visible(&own, 8).is_err());
    }

    #[test]
    fn the_operator_sees_all_and_a_role_or_an_exchange_nothing() {
        assert_eq!(visible(&caller(Scope::Operator), 0).unwrap(), None);
        assert_eq!(visible(&caller(Scope::Operator), 8).unwrap(), Some(AdvertiserId(8)));
        assert!(visible(&caller(Scope::Role), 0).is_err());
        assert!(visible(&caller(Scope::Role), 8).is_err());
        let exchange = caller(Scope::Exchange("demo".parse().unwrap()));
        assert!(visible(&exchange, 0).is_err() && visible(&exchange, 8).is_err());
    }
}
