//! `tagbid.ledger.v1.ReportService`: sums for advertisers and the operator.

use std::sync::Arc;

use tagbid_runtime::auth::{Tokens, principal};
use tagbid_types::{
    AdvertiserId, BudgetDay, CampaignId, CreativeId, ExchangeName, LineItemId, Principal, divide_half_even,
};
use tagbid_wire::ledger::day_text;
use tagbid_wire::pb::ledger as pb;
use tagbid_wire::pb::ledger::report_service_server::{ReportService, ReportServiceServer};
use tonic::service::interceptor::InterceptedService;
use tonic::{Request, Response, Status};

use super::convert::{BAD_PAGE, Checks, MAX_LINE_ITEMS, day, moment, next, page_size, timestamp};
use super::fault::Fault;
use super::visible;
use crate::store::report::{By, LossQuery, LossRow, Place, ReportQuery, ReportRow, Reports, Sold};

/// Most dimensions of one report.
const MAX_BY: usize = 4;

const HOUR: i64 = 3_600_000_000;

/// The service. It holds no state.
pub(crate) struct ReportGrpc(Arc<dyn Reports>);

impl ReportGrpc {
    pub(crate) fn new(reports: Arc<dyn Reports>) -> Self {
        Self(reports)
    }

    /// Behind these tokens.
    pub(crate) fn service(self, tokens: Tokens) -> InterceptedService<ReportServiceServer<Self>, Tokens> {
        ReportServiceServer::with_interceptor(self, tokens)
    }

    async fn report(
        &self,
        who: &Principal,
        asked: &pb::GetReportRequest,
    ) -> Result<pb::GetReportResponse, Fault> {
        let query = report_query(who, asked)?;
        let rows = self.0.report(&query).await?;
        let mut answer = pb::GetReportResponse {
            next_page_token: next(&rows, query.limit, |row| page_token(&row.place)),
            rows: rows.iter().map(|row| report_row(row, &query.by)).collect(),
            ..pb::GetReportResponse::default()
        };
        if query.after.is_none() {
            let sums = self.0.sums(&query).await?;
            answer.totals = sums.into_iter().map(|(currency, sold)| sums_row(&sold, currency)).collect();
            let unattributed = self.0.unattributed(&query).await?.into_iter();
            answer.unattributed = unattributed
                .map(|(reason, count)| pb::Unattributed { reason, conversions: count.cast_unsigned() })
                .collect();
        }
        Ok(answer)
    }

    async fn losses(
        &self,
        who: &Principal,
        asked: &pb::GetLossesRequest,
    ) -> Result<pb::GetLossesResponse, Fault> {
        let query = loss_query(who, asked)?;
        let rows = self.0.losses(&query).await?;
        let token = |row: &LossRow| format!("{}:{}:{}", row.line_item, row.reason, row.needed);
        Ok(pb::GetLossesResponse {
            next_page_token: next(&rows, query.of.limit, token),
            rows: rows.iter().map(loss_row).collect(),
        })
    }
}

#[tonic::async_trait]
impl ReportService for ReportGrpc {
    async fn get_report(
        &self,
        request: Request<pb::GetReportRequest>,
    ) -> Result<Response<pb::GetReportResponse>, Status> {
        let who = principal(&request)?;
        Ok(Response::new(self.report(&who, request.get_ref()).await?))
    }

    async fn get_losses(
        &self,
        request: Request<pb::GetLossesRequest>,
    ) -> Result<Response<pb::GetLossesResponse>, Status> {
        let who = principal(&request)?;
        Ok(Response::new(self.losses(&who, request.get_ref()).await?))
    }
}

fn report_query(who: &Principal, asked: &pb::GetReportRequest) -> Result<ReportQuery, Fault> {
    let mut checks = Checks::default();
    let none = pb::ReportFilter::default();
    let filtered = filter(asked.filter.as_ref().unwrap_or(&none), who, &mut checks)?;
    let by = checks.take("by", dimensions(&asked.by));
    let query = ReportQuery {
        after: checks.take("page_token", place(&asked.page_token, by.len())),
        limit: checks.take("page_size", page_size(asked.page_size)),
        by,
        ..filtered
    };
    checks.finish(query)
}

fn loss_query(who: &Principal, asked: &pb::GetLossesRequest) -> Result<LossQuery, Fault> {
    let mut checks = Checks::default();
    let none = pb::ReportFilter::default();
    let filtered = filter(asked.filter.as_ref().unwrap_or(&none), who, &mut checks)?;
    if filtered.creative.is_some() {
        checks.take(
            "filter.creative_id",
            Err::<(), _>("losses are not counted by creative: leave it out".into()),
        );
    }
    let limit = checks.take("page_size", page_size(asked.page_size));
    let after = checks.take("page_token", loss_place(&asked.page_token));
    checks.finish(LossQuery { of: ReportQuery { limit, ..filtered }, after })
}

fn filter(asked: &pb::ReportFilter, who: &Principal, checks: &mut Checks) -> Result<ReportQuery, Fault> {
    let advertiser: Option<AdvertiserId> = visible(who, asked.advertiser_id)?;
    if asked.line_item_ids.len() > MAX_LINE_ITEMS {
        checks.take("filter.line_item_ids", Err::<(), _>(format!("ask for at most {MAX_LINE_ITEMS}")));
    }
    let exchange = match asked.exchange.as_str() {
        "" => Ok(None),
        name => name.parse::<ExchangeName>().map(Some).map_err(|problem| problem.to_string()),
    };
    let query = ReportQuery {
        advertiser,
        campaign: (asked.campaign_id != 0).then_some(CampaignId(asked.campaign_id)),
        line_items: asked.line_item_ids.iter().copied().map(LineItemId).collect(),
        creative: (asked.creative_id != 0).then_some(CreativeId(asked.creative_id)),
        exchange: checks.take("filter.exchange", exchange),
        first_day: checks.take("filter.first_day", day(&asked.first_day)),
        last_day: checks.take("filter.last_day", day(&asked.last_day)),
        from_hour: checks.take("filter.from", hour(asked.from.as_ref())),
        until_hour: checks.take("filter.until", hour(asked.until.as_ref())),
        ..ReportQuery::default()
    };
    if matches!((query.first_day, query.last_day), (Some(first), Some(last)) if first > last) {
        checks.take("filter.last_day", Err::<(), _>("is before first_day".into()));
    }
    if matches!((query.from_hour, query.until_hour), (Some(from), Some(until)) if from >= until) {
        checks.take("filter.until", Err::<(), _>("is not after from".into()));
    }
    Ok(query)
}

fn hour(at: Option<&prost_types::Timestamp>) -> Result<Option<i64>, String> {
    match moment(at)? {
        None => Ok(None),
        Some(at) if at.0 % HOUR == 0 => Ok(Some(at.0 / HOUR)),
        Some(_) => Err("use a whole hour: reports count by the hour".into()),
    }
}

fn dimensions(asked: &[i32]) -> Result<Vec<By>, String> {
    let by: Vec<By> = asked.iter().map(|one| dimension(*one)).collect::<Result<_, _>>()?;
    let twice = by.iter().enumerate().any(|(place, one)| by.iter().take(place).any(|other| other == one));
    match by.len() > MAX_BY || twice {
        true => Err(format!("name at most {MAX_BY}, each once")),
        false => Ok(by),
    }
}

fn dimension(asked: i32) -> Result<By, String> {
    match pb::Dimension::try_from(asked) {
        Ok(pb::Dimension::Advertiser) => Ok(By::Advertiser),
        Ok(pb::Dimension::Campaign) => Ok(By::Campaign),
        Ok(pb::Dimension::LineItem) => Ok(By::LineItem),
        Ok(pb::Dimension::Creative) => Ok(By::Creative),
        Ok(pb::Dimension::Exchange) => Ok(By::Exchange),
        Ok(pb::Dimension::Day) => Ok(By::Day),
        Ok(pb::Dimension::Hour) => Ok(By::Hour),
        Ok(pb::Dimension::Unspecified) | Err(_) => Err(format!("{asked}: use values of Dimension")),
    }
}

/// Names of exchanges have no colon.
fn page_token(place: &Place) -> String {
    let parts: Vec<&str> = place.keys.iter().map(String::as_str).chain([place.currency.as_str()]).collect();
    parts.join(":")
}

fn place(token: &str, keys: usize) -> Result<Option<Place>, String> {
    if token.is_empty() {
        return Ok(None);
    }
    let mut parts: Vec<String> = token.split(':').map(str::to_owned).collect();
    match parts.pop() {
        Some(currency) if parts.len() == keys => Ok(Some(Place { keys: parts, currency })),
        _ => Err(BAD_PAGE.into()),
    }
}

fn loss_place(token: &str) -> Result<Option<(i64, i64, i64)>, String> {
    if token.is_empty() {
        return Ok(None);
    }
    let mut parts = token.split(':').map(str::parse);
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(Ok(line_item)), Some(Ok(reason)), Some(Ok(needed)), None) => {
            Ok(Some((u64::cast_signed(line_item), u64::cast_signed(reason), u64::cast_signed(needed))))
        }
        _ => Err(BAD_PAGE.into()),
    }
}

/// The sums, and what they say of each other.
fn sums_row(sold: &Sold, currency: String) -> pb::ReportRow {
    const MILLION: i64 = 1_000_000;
    let Sold { spent, wins, billed, losses, imps, clicks, conversions, by_view } = *sold;
    pb::ReportRow {
        currency,
        spent_nanos: spent,
        billed: billed.cast_unsigned(),
        impressions: imps.cast_unsigned(),
        clicks: clicks.cast_unsigned(),
        conversions: conversions.cast_unsigned(),
        view_conversions: by_view.cast_unsigned(),
        wins: wins.cast_unsigned(),
        losses: losses.cast_unsigned(),
        ctr_millionths: divide(clicks, MILLION, imps),
        cvr_millionths: divide(conversions, MILLION, clicks),
        win_rate_millionths: divide(wins, MILLION, wins.saturating_add(losses)),
        cpc_nanos: divide(spent, 1, clicks),
        cpa_nanos: divide(spent, 1, conversions),
        ..pb::ReportRow::default()
    }
}

/// Half to even; none: nothing to divide by.
fn divide(what: i64, times: i64, by: i64) -> Option<i64> {
    (by > 0).then(|| divide_half_even(i128::from(what) * i128::from(times), by.into()).ok()).flatten()
}

fn report_row(row: &ReportRow, by: &[By]) -> pb::ReportRow {
    let mut to = sums_row(&row.sold, row.place.currency.clone());
    for (by, key) in by.iter().zip(&row.place.keys) {
        let number = key.parse::<i64>().unwrap_or_default();
        let id = Some(number.cast_unsigned());
        match by {
            By::Advertiser => to.advertiser_id = id,
            By::Campaign => to.campaign_id = id,
            By::LineItem => to.line_item_id = id,
            By::Creative => to.creative_id = id,
            By::Exchange => to.exchange = Some(key.clone()),
            By::Day => to.day = i32::try_from(number).ok().map(|day| day_text(BudgetDay(day))),
            By::Hour => to.hour = timestamp(tagbid_types::Timestamp(number.saturating_mul(HOUR))),
        }
    }
    to
}

fn loss_row(row: &LossRow) -> pb::LossRow {
    let said = |number: i64| u32::try_from(number).ok().filter(|number| *number != 0);
    pb::LossRow {
        line_item_id: row.line_item.0,
        reason: said(row.reason),
        needed_percent: said(row.needed),
        losses: row.losses.cast_unsigned(),
    }
}

#[cfg(test)]
mod tests {
    use tagbid_types::Scope;

    use super::*;

    fn operator() -> Principal {
        Principal { name: "test".into(), scope: Scope::Operator }
    }

    #[test]
    fn rates_and_costs_are_rounded_half_to_even_and_absent_where_nothing_is_to_divide_by() {
        let sold =
            Sold { spent: 5, clicks: 2, imps: 3, wins: 1, losses: 2, conversions: 0, ..Sold::default() };
        let row = sums_row(&sold, "USD".into());
        assert_eq!((row.cpc_nanos, row.cpa_nanos), (Some(2), None));
        assert_eq!((row.ctr_millionths, row.cvr_millionths), (Some(666_667), Some(0)));
        assert_eq!(row.win_rate_millionths, Some(333_333));
        let nothing = sums_row(&Sold::default(), "USD".into());
        assert_eq!((nothing.ctr_millionths, nothing.win_rate_millionths), (None, None));
    }

    #[test]
    fn a_page_token_leads_back_to_its_row() {
        let there = Place { keys: vec!["demo".into(), "-7".into()], currency: "EUR".into() };
        assert_eq!(place(&page_token(&there), 2), Ok(Some(there)));
        assert!(place("demo:EUR", 2).is_err() && loss_place("1:2").is_err() && loss_place("a:b:c").is_err());
        assert_eq!(loss_place("3:102:125"), Ok(Some((3, 102, 125))));
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let half = prost_types::Timestamp { seconds: 1_790_001_800, nanos: 0 };
        let filter = pb::ReportFilter {
            first_day: "soon".into(),
            from: Some(half),
            exchange: "De mo".into(),
            ..Default::default()
        };
        let asked = pb::GetReportRequest {
            filter: Some(filter),
            by: vec![pb::Dimension::Day.into(), pb::Dimension::Day.into()],
            page_size: -1,
            ..Default::default()
        };
        let Err(Fault::BadRequest(fields)) = report_query(&operator(), &asked) else {
            panic!("it was accepted")
        };
        let names: Vec<&str> = fields.iter().map(|(field, _)| *field).collect();
        assert_eq!(names, ["filter.exchange", "filter.first_day", "filter.from", "by", "page_size"]);
    }
}
