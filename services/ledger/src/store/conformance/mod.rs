//! What every store promises, run against SQLite and PostgreSQL.

mod capacity;
mod converting;
mod counting;
mod holding;
mod journal;
mod leasing;
mod pacing;
mod past;
mod reading;
mod recording;
mod reporting;

use std::sync::Arc;
use std::time::Duration;

use tagbid_budget::Terms;
use tagbid_testkit::FakeClock;
use tagbid_types::{Revision, Timestamp};

use super::{Setting, SpendQuery, SqlStore, Store, StoreError, Tally, Verdict};
use crate::judge::Record;
use crate::limits::{Limits, Read};
use crate::work::{Done, Work};
use capacity::*;
use converting::*;
use counting::*;
use holding::*;
use journal::*;
use leasing::*;
use pacing::*;
use past::*;
use reading::*;
use recording::*;
use reporting::*;

/// A database of a test's own; opening it twice is what a restart does.
struct Database {
    url: String,
    limits: Arc<Limits>,
    clock: Arc<FakeClock>,
    _directory: Option<tempfile::TempDir>,
}

/// Of a catalog that was read and has no budgets.
fn no_budgets() -> Arc<Limits> {
    let limits = Limits::default();
    limits.reached(Read { revision: Revision(0), changed: Timestamp(0) });
    Arc::new(limits)
}

impl Database {
    fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            url: format!("sqlite:{}", directory.path().join("deep/ledger.db").display()),
            _directory: Some(directory),
            limits: no_budgets(),
            clock: Arc::new(FakeClock::at(Timestamp::from_secs(1_790_000_000))),
        }
    }

    fn postgres() -> Self {
        let url = tagbid_testkit::postgres().url().to_owned();
        Self {
            url,
            limits: no_budgets(),
            clock: Arc::new(FakeClock::at(Timestamp::from_secs(1_790_000_000))),
            _directory: None,
        }
    }

    async fn open(&self) -> SqlStore {
        self.open_with(&self.limits).await
    }

    /// One more ledger, with budgets of its own.
    async fn open_with(&self, limits: &Arc<Limits>) -> SqlStore {
        let clock = Arc::<FakeClock>::clone(&self.clock);
        let accept_for = Duration::from_secs(72 * 3_600);
        let setting = Setting { terms: TERMS, limits: Arc::clone(limits), clock, accept_for };
        SqlStore::open(&self.url, 4, setting).await.unwrap()
    }
}

const TERMS: Terms = Terms { session_s: 10, longest_hold_s: 60, grace_s: 2 };

impl SqlStore {
    /// Keeps notices.
    async fn record(&self, batch: &[Record]) -> Result<Vec<Verdict>, StoreError> {
        let works: Vec<Work> = batch.iter().map(|record| Work::Notice(Box::new(record.clone()))).collect();
        let verdict = |done| match done {
            Done::Notice(verdict) => verdict,
            other => panic!("{other:?}"),
        };
        Ok(self.commit(&works).await?.into_iter().map(verdict).collect())
    }
}

/// Each promise becomes one test per database.
macro_rules! promises {
    ($($promise:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $promise() { super::$promise(super::Database::sqlite()).await; })*
        }
        mod postgres {
            $(#[tokio::test] async fn $promise() { super::$promise(super::Database::postgres()).await; })*
        }
    };
}

promises!(
    a_notice_counts_once_however_often_it_comes,
    another_price_is_quarantined_and_never_billed,
    an_audit_does_not_stand_in_the_way_of_the_sale,
    a_suspect_is_kept_aside_and_leaves_its_key_free,
    kinds_are_counted_apart,
    spend_is_by_line_item_day_and_currency,
    spend_pages_meet_without_gap_or_overlap,
    spend_is_filtered_and_tenants_are_apart,
    wins_are_added_up_by_line_item,
    sums_beyond_64_bits_say_what_to_do,
    notices_are_filtered_and_tenants_are_apart,
    notices_come_back_as_they_were,
    a_restart_changes_nothing,
    parallel_batches_bill_each_bid_once,
    text_that_databases_dislike_is_kept,
    an_overflow_is_kept_aside_and_harms_nobody_else,
    a_lease_pays_for_its_bids_and_survives_a_restart,
    two_ledgers_never_grant_the_same_money,
    ledgers_that_take_turns_read_what_the_other_wrote,
    a_loss_gives_the_hold_back_and_a_sale_after_it_costs_no_more_than_is_free,
    a_silent_bidders_money_returns,
    a_lowered_budget_recalls_leases,
    a_ledger_that_has_read_less_of_the_catalog_grants_nothing,
    a_bidder_is_told_what_is_new_and_all_of_it_from_other_books,
    what_is_over_the_budget_is_counted_and_not_billed,
    days_long_over_are_forgotten_and_their_spend_is_not,
    what_the_readme_lets_operators_delete_changes_no_balance,
    a_lease_of_long_ago_returns_after_an_outage_of_days,
    time_goes_on_after_a_ledger_whose_clock_was_ahead,
    what_was_spent_of_a_day_long_past_is_recalled,
    a_budget_that_was_removed_while_nobody_listened_limits_nothing,
    a_budget_covers_bids_that_were_made_before_it,
    a_bid_takes_money_and_impressions_and_a_restart_changes_nothing,
    a_capacity_of_ten_is_ten_over_two_ledgers_and_eight_bidders,
    what_is_over_a_capacity_is_billed_and_counted,
    a_capacity_for_ever_counts_what_was_before_it,
    a_lowered_capacity_recalls_leases_and_a_raised_one_goes_on,
    what_was_billed_before_there_were_capacities_counts,
    a_conversion_counts_once_however_often_it_is_told,
    the_last_click_of_a_user_gets_the_credit_else_the_last_view,
    a_view_gets_the_credit_for_a_day,
    what_no_ad_is_credited_for_is_kept_and_counted,
    a_click_alone_tells_only_so_many,
    a_claim_takes_nobodys_reference,
    a_claim_is_evidence_where_the_shop_names_no_click,
    only_bids_that_were_sold_get_the_credit,
    claims_of_before_are_within_their_clicks,
    erased_users_are_forgotten_up_to_then,
    reports_are_the_sums_of_the_notices,
    what_did_not_sell_is_not_in_reports,
    report_pages_meet_and_tenants_are_apart,
    losses_tell_why_and_what_would_have_won,
    events_say_what_was_kept,
    suspects_and_conversions_are_events,
    events_are_read_in_order_from_any_number,
    a_database_has_a_name_for_each_of_its_lives,
    users_are_forgotten_when_no_conversion_can_be_theirs,
    a_pace_goes_on_where_it_was_after_a_restart,
    another_ledger_goes_on_with_what_one_has_learnt,
    a_day_is_shaped_as_the_traffic_of_the_day_before,
    a_quiet_night_that_a_ledger_watched_is_learnt,
    a_billed_impression_waits_until_it_is_counted,
    only_what_was_billed_and_may_be_counted_waits,
    what_an_erased_user_saw_leaves_the_outbox,
    one_ledger_delivers_at_a_time,
    hold_lives_are_told_once_and_outlive_the_ledger,
    ledgers_of_a_database_learn_together,
    a_billing_that_is_told_again_teaches_nothing,
);

async fn spent(store: &SqlStore) -> Tally {
    let totals = store.totals(&SpendQuery::default()).await.unwrap();
    assert!(totals.len() <= 1, "{totals:?}");
    totals.into_iter().next().map(|(_, tally)| tally).unwrap_or_default()
}
