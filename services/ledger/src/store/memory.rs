//! What one writer remembers of the books between transactions, and how it comes by the rest.

use std::sync::atomic::Ordering;

use sqlx::{Any, AssertSqlSafe, Executor, Row, Transaction};
use tagbid_budget::Books;
use tagbid_budget::life::Learner;
use tagbid_types::{BudgetDay, Timestamp};

use super::rows::Head;
use super::sql::{GONE_FOR, SqlStore, failed, since_rows};
use super::{StoreError, holds, pacing, rows};
use crate::judge::Outcome;
use crate::pace::Pacer;
use crate::work::Work;

/// The books as of a transaction.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) books: Books,
    pub(super) seq: i64,
    /// Of single days, accounts from this one on are in the books; what is spent of earlier ones has to be recalled first.
    pub(super) from_day: i64,
    /// Counts how often the books were read whole; from 1.
    pub(super) copy: u64,
}

impl SqlStore {
    /// The books as of the transaction before this one: what is remembered, and what others wrote since.
    pub(super) async fn catch_up(
        &self,
        from: &mut Transaction<'_, Any>,
        remembered: Option<Memory>,
        head: &Head,
        (pacer, learner): (&mut Pacer, &mut Learner),
    ) -> Result<Memory, StoreError> {
        let usable = remembered.filter(|memory| head.seq - memory.seq <= GONE_FOR);
        let mut memory = usable.unwrap_or_else(|| Memory {
            books: head.books(self.terms),
            seq: -1,
            from_day: i64::MAX,
            copy: self.copies.fetch_add(1, Ordering::Relaxed) + 1,
        });
        if memory.seq + 1 < head.seq {
            let (since, of) = (memory.seq, &self.statements);
            head.put(&mut memory.books);
            let oldest = self.oldest_leased(from).await?.min(self.oldest_day(head).0.into());
            // What is remembered of earlier days has to stay as it is written too.
            let since_day = oldest.min(memory.from_day);
            if since < 0 {
                memory.from_day = since_day;
            }
            let accounts = sqlx::query(AssertSqlSafe(of.accounts.since.as_str())).bind(since).bind(since_day);
            let books = &mut memory.books;
            for row in accounts.fetch_all(&mut **from).await.map_err(failed)? {
                rows::put_account(books, &row)?;
            }
            for row in since_rows(from, &of.sessions.since, since).await? {
                rows::put_session(books, &row)?;
            }
            for row in since_rows(from, &of.leases.since, since).await? {
                rows::put_lease(books, &row)?;
            }
            for row in since_rows(from, &of.buckets.since, since).await? {
                rows::put_bucket(books, &row)?;
            }
            pacing::read_learnt(from, of, since, pacer).await?;
            holds::read(from, &of.holds, since, learner).await?;
        }
        memory.seq = head.seq;
        Ok(memory)
    }

    /// Accounts of days that are long over, where the batch is about one: of a bid from before a clock was set. What is not
    /// remembered would be written as if nothing had been spent.
    pub(super) async fn recall(
        &self,
        from: &mut Transaction<'_, Any>,
        memory: &mut Memory,
        batch: &[Work],
        time: Timestamp,
    ) -> Result<(), StoreError> {
        let moves = |work: &Work| earliest_day(work, time);
        let Some(earliest) = batch.iter().filter_map(moves).min() else { return Ok(()) };
        if earliest >= memory.from_day {
            return Ok(());
        }
        let all =
            sqlx::query(AssertSqlSafe(self.statements.accounts.since.as_str())).bind(-1_i64).bind(earliest);
        for row in all.fetch_all(&mut **from).await.map_err(failed)? {
            rows::put_account(&mut memory.books, &row)?;
        }
        memory.from_day = earliest;
        Ok(())
    }

    /// The earliest day that a lease is open for: after an outage of days, one that notices are no longer taken for.
    async fn oldest_leased(&self, from: &mut Transaction<'_, Any>) -> Result<i64, StoreError> {
        let oldest = from.fetch_one(self.statements.oldest_leased).await.map_err(failed)?;
        oldest.try_get(0).map_err(failed)
    }

    /// No notice that is still taken is of an earlier day anywhere.
    pub(super) fn oldest_day(&self, head: &Head) -> BudgetDay {
        let today = self.time(head).secs().div_euclid(24 * 3_600);
        BudgetDay(i32::try_from(today - self.days_back).unwrap_or(i32::MIN))
    }
}

/// The first budget day that this moves money of.
fn earliest_day(work: &Work, now: Timestamp) -> Option<i64> {
    let day = match work {
        Work::Notice(record) if matches!(record.outcome, Outcome::Billed | Outcome::NotBilling) => {
            Some(record.token.budget_day)
        }
        Work::Acquire(asks) => asks.iter().filter(|ask| ask.day_ends > now).map(|ask| ask.day).min(),
        _ => None,
    };
    day.map(|BudgetDay(day)| day.into())
}
