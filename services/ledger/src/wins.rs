//! Wins by line item, as other roles ask for them.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use tagbid_ports::{WinCounts, WinsError};
use tagbid_types::{BudgetDay, LineItemId};

use crate::store::{SpendQuery, Store};

/// The port over the store.
pub(crate) struct Wins(pub(crate) Arc<dyn Store>);

#[async_trait]
impl WinCounts for Wins {
    async fn wins(
        &self,
        line_items: &[LineItemId],
        from: BudgetDay,
    ) -> Result<BTreeMap<LineItemId, u64>, WinsError> {
        // No line items would ask for all of them.
        if line_items.is_empty() {
            return Ok(BTreeMap::new());
        }
        let query =
            SpendQuery { line_items: line_items.to_vec(), first_day: Some(from), ..SpendQuery::default() };
        self.0.wins(&query).await.map_err(|error| {
            // What the database said is for the operator's log.
            tracing::warn!(%error, "wins not counted");
            WinsError("its database did not answer".into())
        })
    }
}
