//! What every store promises, run against SQLite and PostgreSQL.

mod reading;
mod recording;

use super::{SpendQuery, SqlStore, Store, Tally};
use reading::*;
use recording::*;

/// A database of a test's own; opening it twice is what a restart does.
struct Database {
    url: String,
    _directory: Option<tempfile::TempDir>,
}

impl Database {
    fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            url: format!("sqlite:{}", directory.path().join("deep/ledger.db").display()),
            _directory: Some(directory),
        }
    }

    fn postgres() -> Self {
        Self { url: tagbid_testkit::postgres().url().to_owned(), _directory: None }
    }

    async fn open(&self) -> SqlStore {
        SqlStore::open(&self.url, 4).await.unwrap()
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
    notices_are_filtered_and_tenants_are_apart,
    notices_come_back_as_they_were,
    a_restart_changes_nothing,
    parallel_batches_bill_each_bid_once,
    text_that_databases_dislike_is_kept,
    an_overflow_is_refused_and_nothing_of_its_batch_is_kept,
);

async fn spent(store: &SqlStore) -> Tally {
    let totals = store.totals(&SpendQuery::default()).await.unwrap();
    assert!(totals.len() <= 1, "{totals:?}");
    totals.into_iter().next().map(|(_, tally)| tally).unwrap_or_default()
}
