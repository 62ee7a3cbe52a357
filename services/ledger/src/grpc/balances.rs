//! What budgets and capacities have left, for those whose they are.

use tagbid_budget::{Account, AccountId, Owner, Period, Pot, Unit};
use tagbid_types::{AdvertiserId, BudgetDay, CampaignId, LineItemId, Principal, Scope};
use tagbid_wire::ledger::day_text;
use tagbid_wire::pb::ledger as pb;

use super::Grpc;
use super::convert::{Checks, day};
use super::fault::Fault;
use crate::store::BalanceQuery;

/// Days that are answered without being asked for.
const DAYS: i32 = 31;

/// Most days of one question.
const MAX_DAYS: i32 = 366;

/// Which days of whom.
struct Question {
    owner: Owner,
    first: BudgetDay,
    last: BudgetDay,
}

impl Grpc {
    pub(super) async fn balances(
        &self,
        who: &Principal,
        asked: &pb::GetBalancesRequest,
    ) -> Result<pb::GetBalancesResponse, Fault> {
        let today = BudgetDay(i32::try_from(self.clock.now().secs().div_euclid(24 * 3_600)).unwrap_or(0));
        let question = question(asked, today)?;
        let chain = self.limits.chain(question.owner);
        permit(who, &chain)?;
        let mut balances = Vec::with_capacity(chain.len());
        for owner in chain {
            let query = BalanceQuery { owner, first_day: question.first, last_day: question.last };
            balances.push(balances_to(owner, &self.store.balances(&query).await?));
        }
        Ok(pb::GetBalancesResponse { balances })
    }
}

fn question(asked: &pb::GetBalancesRequest, today: BudgetDay) -> Result<Question, Fault> {
    use pb::get_balances_request::Owner as O;
    let mut checks = Checks::default();
    let owner = match asked.owner {
        Some(O::LineItemId(id)) => Ok(Some(Owner::LineItem(LineItemId(id)))),
        Some(O::CampaignId(id)) => Ok(Some(Owner::Campaign(CampaignId(id)))),
        Some(O::AdvertiserId(id)) => Ok(Some(Owner::Advertiser(AdvertiserId(id)))),
        None => Err("set line_item_id, campaign_id or advertiser_id".to_owned()),
    };
    let owner = checks.take("owner", owner);
    let first = checks.take("first_day", day(&asked.first_day));
    let last = checks.take("last_day", day(&asked.last_day));
    let (first, last) = match (first, last) {
        (Some(first), last) => (first, last.unwrap_or(BudgetDay(first.0.saturating_add(MAX_DAYS - 1)))),
        (None, Some(last)) => (BudgetDay(last.0.saturating_sub(DAYS - 1)), last),
        (None, None) => (BudgetDay(today.0 - DAYS), BudgetDay(today.0 + DAYS)),
    };
    if last < first {
        checks.take("last_day", Err::<(), _>("is before first_day".into()));
    } else if last.0.saturating_sub(first.0) >= MAX_DAYS {
        checks.take("last_day", Err::<(), _>(format!("ask for at most {MAX_DAYS} days")));
    }
    let owner = checks.finish(owner)?;
    owner.map(|owner| Question { owner, first, last }).ok_or(Fault::Unknown("owner"))
}

/// Whether the caller may see what ends in this advertiser.
fn permit(who: &Principal, chain: &[Owner]) -> Result<(), Fault> {
    match (chain.last(), &who.scope) {
        (_, Scope::Role | Scope::Exchange(_)) => Err(Fault::NotYours),
        (Some(Owner::Advertiser(advertiser)), _) if who.may_touch(*advertiser) => Ok(()),
        // Whether an id of somebody else exists is not for a tenant to learn.
        (_, Scope::Advertiser(_)) => Err(Fault::NotYours),
        (Some(Owner::Campaign(_)), Scope::Operator) => Err(Fault::Unknown("campaign_id")),
        (_, Scope::Operator) => Err(Fault::Unknown("line_item_id")),
    }
}

fn balances_to(owner: Owner, accounts: &[(AccountId, Account)]) -> pb::Balances {
    use pb::balances::Owner as O;
    let owner = match owner {
        Owner::LineItem(id) => O::LineItemId(id.0),
        Owner::Campaign(id) => O::CampaignId(id.0),
        Owner::Advertiser(id) => O::AdvertiserId(id.0),
    };
    let mut balances = pb::Balances { owner: Some(owner), ..pb::Balances::default() };
    for (id, account) in accounts {
        match (id.period, id.unit) {
            (Period::Lifetime, Unit::Money) => balances.lifetime = Some(balance_to(account)),
            (Period::Lifetime, Unit::Impressions) => {
                balances.lifetime_impressions = Some(impressions_to(account));
            }
            (Period::Day(day), unit) => {
                // Accounts of one day follow each other.
                let day = day_text(day);
                let same = balances.days.pop_if(|last| last.day == day);
                let mut of_day = same.unwrap_or(pb::DayBalance { day, ..pb::DayBalance::default() });
                match unit {
                    Unit::Money => of_day.balance = Some(balance_to(account)),
                    Unit::Impressions => of_day.impressions = Some(impressions_to(account)),
                }
                balances.days.push(of_day);
            }
        }
    }
    balances
}

fn balance_to(account: &Account) -> pb::Balance {
    pb::Balance {
        limit_nanos: account.limit().map(|limit| limit.0),
        free_nanos: account.limit().map(|_| account.pot(Pot::Free).0),
        leased_nanos: account.pot(Pot::Leased).0,
        held_nanos: account.pot(Pot::Held).0,
        spent_nanos: account.pot(Pot::Spent).0,
    }
}

fn impressions_to(account: &Account) -> pb::ImpressionBalance {
    pb::ImpressionBalance {
        limit: account.limit().map(|limit| limit.0),
        free: account.limit().map(|_| account.pot(Pot::Free).0),
        leased: account.pot(Pot::Leased).0,
        held: account.pot(Pot::Held).0,
        delivered: account.pot(Pot::Spent).0,
    }
}
