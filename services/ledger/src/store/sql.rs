//! The store in a SQLite file or in PostgreSQL, through one code path.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use dashmap::DashMap;
use serde::Serialize;
use sqlx::any::AnyRow;
use sqlx::{Any, AnyPool, AssertSqlSafe, Executor, Row, Transaction};
use tagbid_budget::life::{Law, Learner};
use tagbid_budget::{Account, AccountId, Epoch, LedgerClock, Terms, Update};
use tagbid_notice::NoticeKind;
use tagbid_tagset::UserKey;
use tagbid_types::{BidId, Clock, Cpm, LineItemId, Timestamp};
use tokio::sync::Mutex;

use super::apply::{Desk, Written};
use super::batch::BidRow;
use super::connect::{Connected, connect, unavailable};
use super::counting::{self, Turn, Waiting};
use super::memory::Memory;
use super::query::{self, Conditions};
use super::rows::{Head, Rows};
use super::statements::{Statements, notice_columns, quarantine_columns};
use super::{
    BalanceQuery, Beyond, Key, NoticeQuery, NoticeRow, QuarantineQuery, QuarantineRow, SpendQuery, SpendRow,
    Store, StoreError, Tally, Told, conversions, report,
};
use super::{holds, pacing};
use crate::limits::Limits;
use crate::pace::Pacer;
use crate::standing::{News, Standing};
use crate::work::{Done, Work};

/// Rows that are over are kept for so many transactions: a ledger that read none of them meanwhile reads everything anew.
pub(super) const GONE_FOR: i64 = 100_000;

/// Once in so many transactions what is over for longer than that is deleted.
const PURGE_EVERY: i64 = 1_000;

/// How long a transaction of the writer may take before it is given up.
const TRANSACTION: Duration = Duration::from_secs(10);

/// What the ledger brings to its store.
#[derive(Clone)]
pub(crate) struct Setting {
    pub(crate) terms: Terms,
    pub(crate) limits: Arc<Limits>,
    pub(crate) clock: Arc<dyn Clock>,
    /// For how long after its bid a notice is still taken.
    pub(crate) accept_for: Duration,
}

/// Notices and books in a SQL database.
pub(crate) struct SqlStore {
    /// The database, in words.
    pub(super) place: String,
    pub(super) pool: AnyPool,
    pub(super) statements: Statements,
    conversions: conversions::Statements,
    reports: report::Statements,
    /// Forgets users in notices; `$1` is a JSON array.
    pub(super) erase_users: String,
    /// People whose bids up to a moment are nobody's, by their keys: as many as the list of people has.
    pub(super) forgotten: DashMap<UserKey, i64>,
    pub(super) terms: Terms,
    limits: Arc<Limits>,
    pub(super) clock: Arc<dyn Clock>,
    /// How many days ago the oldest budget day is that anything may still change.
    pub(super) days_back: i64,
    /// Since the start; what others have written is told by each transaction.
    time: StdMutex<LedgerClock>,
    memory: Mutex<Option<Memory>>,
    /// Locked after `memory`.
    pacer: Mutex<Pacer>,
    /// Locked after `pacer`.
    learner: Mutex<Learner>,
    pub(crate) standing: Arc<Standing>,
    pub(super) copies: AtomicU64,
    /// Other ledgers have read more of the catalog.
    behind: AtomicBool,
    /// Whether somebody delivers what is in the outbox.
    pub(super) counting: AtomicBool,
}

impl SqlStore {
    /// Connects, creates the file if there is none, and brings the tables up to date.
    pub(crate) async fn open(url: &str, connections: u32, setting: Setting) -> Result<Self, StoreError> {
        let Connected { dialect, pool, place } = connect(url, connections).await?;
        let Setting { terms, limits, clock, accept_for } = setting;
        // One more for time zones, one for a bid in the last minute of a day, one for clocks.
        let days_back = i64::try_from(accept_for.as_secs() / (24 * 3_600)).unwrap_or(i64::MAX / 2) + 3;
        let time = StdMutex::new(LedgerClock::start(clock.now(), clock.monotonic()));
        let (statements, conversions) = (Statements::new(dialect), conversions::Statements::new(dialect));
        let (memory, copies) = (Mutex::new(None), AtomicU64::new(0));
        let (behind, counting) = (AtomicBool::new(false), AtomicBool::new(false));
        let (reports, erase_users) = (report::Statements::new(dialect), dialect.erase_users());
        Ok(Self {
            place,
            pool,
            statements,
            conversions,
            reports,
            erase_users,
            forgotten: DashMap::new(),
            terms,
            limits,
            clock,
            days_back,
            time,
            memory,
            pacer: Mutex::default(),
            learner: Mutex::new(Learner::new(Law::up_to(terms.longest_hold_s))),
            standing: Arc::default(),
            copies,
            behind,
            counting,
        })
    }

    /// One transaction. Whatever of it fails, what is remembered of the books is forgotten: it may be ahead of what is
    /// written, or, when the answer to the commit is lost, behind it.
    async fn transact(&self, batch: &[Work]) -> Result<Vec<Done>, StoreError> {
        let mut memory = self.memory.lock().await;
        let mut pacer = self.pacer.lock().await;
        let mut learner = self.learner.lock().await;
        let remembered = memory.take();
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let head = transaction.fetch_one(self.statements.begin).await.map_err(failed)?;
        let mut head = Head::read(&head)?;
        let mut now = self.catch_up(&mut transaction, remembered, &head, (&mut pacer, &mut learner)).await?;
        let (flights, time) = (&self.limits.flights, self.time(&head));
        self.recall(&mut transaction, &mut now, batch, time).await?;
        pacing::read_traffic(&mut transaction, &self.statements, &mut pacer, flights, time).await?;
        let known = self.known(&mut transaction, batch).await?;
        let conversions = self.conversions.before(&mut transaction, batch).await?;
        let read = self.limits.read();
        let is_behind = read.is_some_and(|read| read.is_older_than(&head.read));
        self.note_behind(is_behind);
        // Before it has read a catalog nothing would seem to have a limit: those that are written stay.
        let limits = (read.is_some() && !is_behind).then_some(&*self.limits);
        let paced = (&mut *pacer, &*learner);
        let mut desk = Desk::new(&mut now.books, limits, paced, time, known, conversions);
        desk.impressions.counting = self.counting.load(Ordering::Relaxed);
        let done = batch.iter().map(|work| desk.take(work)).collect();
        let mut written = desk.finish();
        written.forget(&self.forgotten);
        let news = std::mem::take(&mut written.news);
        head.read = read.filter(|_| !is_behind).unwrap_or(head.read);
        self.write(&mut transaction, &mut now, written, &head, time).await?;
        let paces = pacer.to_write(time);
        pacing::write_paces(&mut transaction, &self.statements, &paces, head.seq).await?;
        let delays = learner.to_write(time);
        holds::add(&mut transaction, &self.statements.holds, &delays, head.seq).await?;
        transaction.commit().await.map_err(failed)?;
        pacer.wrote(&paces, time);
        learner.wrote(&delays, time);
        self.learn(&mut learner, &news, time, head.seq);
        self.standing.committed(&news, &now.books, &|advertiser| self.limits.currency(advertiser), time);
        *memory = Some(now);
        Ok(done)
    }

    /// Takes in what a committed transaction says of how long holds have to last.
    fn learn(&self, learner: &mut Learner, news: &News, now: Timestamp, seq: i64) {
        for billed in &news.billed {
            learner.note(billed, now);
        }
        if learner.look(now, seq.unsigned_abs()) {
            self.standing.learnt(learner);
        }
    }

    /// Once a time that it is behind: it is over when the catalog's stream has told what others know.
    fn note_behind(&self, is_behind: bool) {
        if self.behind.swap(is_behind, Ordering::Relaxed) != is_behind {
            if is_behind {
                tracing::warn!(
                    "a ledger of this database has read a later catalog than this one has now: no leases until it has it too; \
                     where the catalog was restored from a backup, change anything in it"
                );
            } else {
                tracing::info!("the catalog is as late as that of other ledgers: leases again");
            }
        }
    }

    /// The ledger's time: never before what any ledger has written.
    pub(super) fn time(&self, head: &Head) -> Timestamp {
        let mut clock = self.time.lock().unwrap_or_else(PoisonError::into_inner);
        let time = clock.at(self.clock.monotonic(), head.written);
        self.standing.ahead(clock.ahead_us());
        time
    }

    /// The prices of all notices of the bids in the batch.
    async fn known(
        &self,
        from: &mut Transaction<'_, Any>,
        batch: &[Work],
    ) -> Result<HashMap<Key, Option<Cpm>>, StoreError> {
        let bids = BidRow::all(batch);
        if bids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows = fetch(from, &self.statements.kept, &bids).await?;
        let price = |row: &AnyRow| {
            let price: i64 = row.try_get("price").map_err(failed)?;
            Ok((key(row)?, (price >= 0).then_some(Cpm(price))))
        };
        rows.iter().map(price).collect()
    }

    async fn write(
        &self,
        to: &mut Transaction<'_, Any>,
        Memory { books, from_day, .. }: &mut Memory,
        written: Written,
        head: &Head,
        time: Timestamp,
    ) -> Result<(), StoreError> {
        let of = &self.statements;
        let changes = books.take_changes();
        let rows = Rows::of(books, &changes, head.seq);
        write(to, &of.insert, &written.inserts).await?;
        write(to, &of.add, &written.tallies).await?;
        write(to, &of.quarantine, &written.quarantine).await?;
        write(to, &self.reports.tallies, &written.report.tallies).await?;
        write(to, &self.reports.losses, &written.report.losses).await?;
        self.conversions.write(to, written.conversions).await?;
        counting::write(to, &of.counting, &written.impressions).await?;
        write(to, &of.accounts.write, &rows.accounts).await?;
        write(to, &of.sessions.write, &rows.sessions).await?;
        write(to, &of.leases.write, &rows.leases).await?;
        write(to, &of.buckets.write, &rows.buckets).await?;
        if head.seq % PURGE_EVERY == 0 {
            let leased = books.leases().map(|(_, lease)| lease.day).min();
            let oldest = leased.map_or(self.oldest_day(head), |day| day.min(self.oldest_day(head)));
            books.forget_days_before(oldest);
            *from_day = (*from_day).max(oldest.0.into());
            for table in [&of.sessions, &of.leases, &of.buckets] {
                let purge = sqlx::query(AssertSqlSafe(table.purge.as_str())).bind(head.seq - GONE_FOR);
                purge.execute(&mut **to).await.map_err(failed)?;
            }
            pacing::purge_traffic(to, of, time).await?;
            holds::purge(to, &of.holds, &Law::up_to(self.terms.longest_hold_s), time).await?;
        }
        write(to, &of.head, &[head.row(books, time)]).await
    }
}

/// Rows that transactions after this one wrote.
pub(super) async fn since_rows(
    from: &mut Transaction<'_, Any>,
    sql: &str,
    seq: i64,
) -> Result<Vec<AnyRow>, StoreError> {
    sqlx::query(AssertSqlSafe(sql)).bind(seq).fetch_all(&mut **from).await.map_err(failed)
}

#[async_trait]
impl Store for SqlStore {
    async fn commit(&self, batch: &[Work]) -> Result<Vec<Done>, StoreError> {
        // A transaction that is given up has forgotten the books, as one that failed has.
        let done = tokio::time::timeout(TRANSACTION, self.transact(batch)).await;
        let done = done.unwrap_or_else(|_| Err(unavailable(format!("no commit within {TRANSACTION:?}"))));
        done.map_err(|error| named(&self.place, error))
    }

    async fn has_leases(&self) -> bool {
        let memory = self.memory.lock().await;
        memory.as_ref().is_none_or(|memory| memory.books.has_sessions())
    }

    async fn update(&self, epoch: Epoch, told: Told, most: usize) -> (Update, Told) {
        let memory = self.memory.lock().await;
        let Some(memory) = memory.as_ref() else { return (Update::default(), told) };
        let copy = memory.copy;
        let place = if told.copy == copy { told.place } else { 0 };
        let (update, place) = memory.books.update_since(epoch, place, most);
        (update, Told { copy, place })
    }

    async fn spend(&self, query: &SpendQuery) -> Result<Vec<SpendRow>, StoreError> {
        let conditions = Conditions::spend(query, true);
        let sql = format!(
            "SELECT line_item, currency, day, advertiser, campaign, {} FROM tallies{} \
             ORDER BY day, line_item, currency LIMIT {}",
            Tally::default().columns().map(|(name, _)| name).join(", "),
            conditions.sql(),
            query.limit
        );
        self.read(sql, &conditions, query::spend_row).await
    }

    async fn balances(&self, query: &BalanceQuery) -> Result<Vec<(AccountId, Account)>, StoreError> {
        let conditions = Conditions::balances(query);
        let sql = format!("{}{} ORDER BY day DESC", self.statements.all_accounts, conditions.sql());
        let statement = conditions.apply(sqlx::query(AssertSqlSafe(sql)));
        let rows = statement.fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| named(&self.place, failed(error)))?;
        rows.iter().map(super::rows::account).collect()
    }

    async fn totals(&self, query: &SpendQuery) -> Result<Vec<(String, Tally)>, StoreError> {
        let conditions = Conditions::spend(query, false);
        let columns = Tally::default().columns();
        let sql = format!(
            "SELECT currency, {} FROM tallies{} GROUP BY currency ORDER BY currency",
            query::halves(columns.map(|(name, _)| name)),
            conditions.sql()
        );
        let total = |row: &AnyRow| {
            let tally = query::tally(|number| query::sum(row, 1, number, &columns))?;
            Ok((row.try_get("currency")?, tally))
        };
        self.read(sql, &conditions, total).await
    }

    async fn wins(&self, query: &SpendQuery) -> Result<BTreeMap<LineItemId, u64>, StoreError> {
        let conditions = Conditions::spend(query, false);
        let sql = format!(
            "SELECT line_item, CAST(SUM(wins) AS BIGINT) AS wins FROM tallies{} GROUP BY line_item \
             HAVING SUM(wins) > 0",
            conditions.sql()
        );
        let rows = self.read(sql, &conditions, query::wins_row).await?;
        Ok(rows.into_iter().collect())
    }

    async fn notices(&self, query: &NoticeQuery) -> Result<Vec<NoticeRow>, StoreError> {
        let conditions = Conditions::notices(query);
        let sql = format!(
            "SELECT seq, {} FROM notices{} ORDER BY seq DESC LIMIT {}",
            notice_columns(),
            conditions.sql(),
            query.limit
        );
        self.read(sql, &conditions, query::notice_row).await
    }

    async fn quarantined(&self, query: &QuarantineQuery) -> Result<Vec<QuarantineRow>, StoreError> {
        let conditions = Conditions::quarantine(query);
        let sql = format!(
            "SELECT seq, {} FROM quarantine{} ORDER BY seq DESC LIMIT {}",
            quarantine_columns(),
            conditions.sql(),
            query.limit
        );
        self.read(sql, &conditions, query::quarantine_row).await
    }

    fn count_impressions(&self) {
        self.counting.store(true, Ordering::Relaxed);
    }

    async fn impressions(&self, after: i64, most: u32) -> Result<Vec<Waiting>, StoreError> {
        self.waiting(after, most).await
    }

    async fn take_turn(&self, mine: Turn, until: Timestamp) -> Result<Option<Turn>, StoreError> {
        self.turn(mine, until).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        let answered = self.pool.execute("SELECT 1").await;
        answered.map(drop).map_err(|error| named(&self.place, failed(error)))
    }
}

impl SqlStore {
    pub(super) fn pool(&self) -> &AnyPool {
        &self.pool
    }

    /// With the name of the database.
    pub(super) fn failed(&self, error: sqlx::Error) -> StoreError {
        named(&self.place, failed(error))
    }

    pub(super) async fn read<T>(
        &self,
        sql: String,
        conditions: &Conditions,
        row: impl Fn(&AnyRow) -> Result<T, sqlx::Error>,
    ) -> Result<Vec<T>, StoreError> {
        // The text is ours alone: values are bound, see `Conditions`.
        let statement = conditions.apply(sqlx::query(AssertSqlSafe(sql)));
        let rows = statement.fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| named(&self.place, failed(error)))?;
        rows.iter().map(|one| row(one).map_err(failed)).collect()
    }
}

/// Says which database was not there.
pub(super) fn named(place: &str, error: StoreError) -> StoreError {
    match error {
        StoreError::Unavailable(problem) => StoreError::Unavailable(format!("{place}: {problem}")),
        other => other,
    }
}

/// Writes rows, if there are any.
pub(super) async fn write<R: Serialize>(
    on: &mut Transaction<'_, Any>,
    sql: &str,
    rows: &[R],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    fetch(on, sql, rows).await.map(drop)
}

/// Runs a statement with these rows as its one parameter.
pub(super) async fn fetch<R: Serialize>(
    on: &mut Transaction<'_, Any>,
    sql: &str,
    rows: &[R],
) -> Result<Vec<AnyRow>, StoreError> {
    let rows = serde_json::to_string(rows).map_err(|error| StoreError::Refused(error.to_string()))?;
    sqlx::query(AssertSqlSafe(sql)).bind(rows).fetch_all(&mut **on).await.map_err(failed)
}

/// A bid's id from its text.
pub(super) fn bid(text: &str) -> Option<BidId> {
    u128::from_str_radix(text, 16).ok().map(BidId)
}

fn key(row: &AnyRow) -> Result<Key, StoreError> {
    let bid: String = row.try_get("bid").map_err(failed)?;
    let kind: String = row.try_get("kind").map_err(failed)?;
    let unknown = || StoreError::Refused(format!("unreadable notice key {bid} {kind}"));
    Ok(Key {
        exchange: row.try_get("exchange").map_err(failed)?,
        bid: self::bid(&bid).ok_or_else(unknown)?,
        kind: NoticeKind::from_name(&kind).ok_or_else(unknown)?,
        priced: row.try_get::<i64, _>("priced").map_err(failed)? != 0,
    })
}

/// Tells data that will never be taken from a database that is not there.
pub(super) fn failed(error: sqlx::Error) -> StoreError {
    if let sqlx::Error::Decode(problem) = &error
        && let Some(beyond) = problem.downcast_ref::<Beyond>()
    {
        return (*beyond).into();
    }
    let refused = match &error {
        sqlx::Error::Database(database) => database.code().is_some_and(|code| is_about_data(&code)),
        sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => true,
        _ => false,
    };
    if refused { StoreError::Refused(error.to_string()) } else { StoreError::Unavailable(error.to_string()) }
}

/// PostgreSQL's classes 22 (data exception) and 23 (constraint); SQLite's ERROR, TOOBIG, CONSTRAINT, MISMATCH.
fn is_about_data(code: &str) -> bool {
    match code.len() {
        5 => code.starts_with("22") || code.starts_with("23"),
        _ => matches!(code.parse::<i32>().map(|code| code & 0xff), Ok(1 | 18 | 19 | 20)),
    }
}

#[cfg(test)]
impl SqlStore {
    /// The shape of a line item's day.
    pub(super) async fn profile(&self, line_item: LineItemId) -> Option<tagbid_budget::pace::Profile> {
        self.pacer.lock().await.profile_of(line_item)
    }

    /// How many delays are known of each exchange and kind of place.
    pub(super) async fn samples(&self) -> Vec<u64> {
        self.learner.lock().await.known().map(|known| known.samples).collect()
    }

    /// The books as of the last commit.
    pub(super) async fn books(&self) -> tagbid_budget::Books {
        self.memory.lock().await.as_ref().map(|memory| memory.books.clone()).unwrap()
    }
}
