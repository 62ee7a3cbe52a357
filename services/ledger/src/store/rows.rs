//! Books as rows: the one place where they are written to columns and read from them.

use serde::Serialize;
use sqlx::Row;
use sqlx::any::AnyRow;
use tagbid_budget::{
    Account, AccountId, Books, Bucket, Changes, Epoch, Lease, LeaseId, Line, Owner, Period, Pot, Second,
    Session, Terms, Unit,
};
use tagbid_types::{AdvertiserId, BudgetDay, CampaignId, LineItemId, Nanos, Revision, Timestamp};

use super::StoreError;
use super::sql::failed;
use crate::limits;

/// The day of an account that is for ever: below all days.
pub(super) const FOR_EVER: i64 = i32::MIN as i64 - 1;

/// The row of `head`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// Counts transactions.
    pub(super) seq: i64,
    /// The latest time that a ledger wrote at.
    pub(super) written: Timestamp,
    /// The most of the catalog whose budgets any ledger has set.
    pub(super) read: limits::Read,
    watermark: i64,
    last_epoch: i64,
    last_lease: i64,
}

impl Head {
    pub(super) fn read(row: &AnyRow) -> Result<Self, StoreError> {
        let number = |name: &str| row.try_get::<i64, _>(name).map_err(failed);
        Ok(Self {
            seq: number("seq")?,
            written: Timestamp(number("written")?),
            read: limits::Read {
                revision: Revision(number("catalog_revision")?.cast_unsigned()),
                changed: Timestamp(number("catalog_changed")?),
            },
            watermark: number("watermark")?,
            last_epoch: number("last_epoch")?,
            last_lease: number("last_lease")?,
        })
    }

    /// Books without any row, at these numbers.
    pub(super) fn books(&self, terms: Terms) -> Books {
        let (epoch, lease) =
            (Epoch(self.last_epoch.cast_unsigned()), LeaseId(self.last_lease.cast_unsigned()));
        Books::restore(terms, Second(self.watermark), epoch, lease)
    }

    /// The numbers into books that are behind.
    pub(super) fn put(&self, books: &mut Books) {
        let (epoch, lease) =
            (Epoch(self.last_epoch.cast_unsigned()), LeaseId(self.last_lease.cast_unsigned()));
        books.put_head(Second(self.watermark), epoch, lease);
    }

    /// The row after a transaction: all but `seq`, which stands already.
    pub(super) fn row(&self, books: &Books, written: Timestamp) -> HeadRow {
        let (Second(watermark), Epoch(epoch), LeaseId(lease)) = books.head();
        HeadRow {
            written: written.0,
            watermark,
            last_epoch: epoch.cast_signed(),
            last_lease: lease.cast_signed(),
            catalog_revision: self.read.revision.0.cast_signed(),
            catalog_changed: self.read.changed.0,
        }
    }
}

/// Field names are column names, here and below.
#[derive(Serialize)]
pub(super) struct HeadRow {
    written: i64,
    watermark: i64,
    last_epoch: i64,
    last_lease: i64,
    catalog_revision: i64,
    catalog_changed: i64,
}

#[derive(Serialize)]
pub(super) struct AccountRow {
    owner_kind: i64,
    owner: i64,
    unit: i64,
    day: i64,
    limit_amount: Option<i64>,
    leased: i64,
    held: i64,
    spent: i64,
    seq: i64,
}

#[derive(Default, Serialize)]
pub(super) struct SessionRow {
    epoch: i64,
    valid_until: i64,
    applied: i64,
    gone: i64,
    seq: i64,
}

#[derive(Default, Serialize)]
pub(super) struct LeaseRow {
    id: i64,
    epoch: i64,
    unit: i64,
    advertiser: i64,
    campaign: i64,
    line_item: i64,
    day: i64,
    day_ends: i64,
    longest_hold_s: i64,
    granted: i64,
    returned: i64,
    charged: i64,
    held: i64,
    gone: i64,
    seq: i64,
}

#[derive(Default, Serialize)]
pub(super) struct BucketRow {
    lease: i64,
    ends: i64,
    settled: i64,
    charged: i64,
    released: i64,
    gone: i64,
    seq: i64,
}

/// What a transaction changed, as rows.
pub(super) struct Rows {
    pub(super) accounts: Vec<AccountRow>,
    pub(super) sessions: Vec<SessionRow>,
    pub(super) leases: Vec<LeaseRow>,
    pub(super) buckets: Vec<BucketRow>,
}

impl Rows {
    pub(super) fn of(books: &Books, changes: &Changes, seq: i64) -> Self {
        Self {
            accounts: changes.accounts.iter().map(|id| account_row(*id, &books.account(*id), seq)).collect(),
            sessions: changes.sessions.iter().map(|epoch| session_row(books, *epoch, seq)).collect(),
            leases: changes.leases.iter().map(|id| lease_row(books, *id, seq)).collect(),
            buckets: changes.buckets.iter().map(|(id, ends)| bucket_row(books, *id, *ends, seq)).collect(),
        }
    }
}

/// The columns `owner_kind` and `owner`.
pub(super) fn owner_columns(owner: Owner) -> (i64, i64) {
    let (kind, id) = match owner {
        Owner::Advertiser(id) => (1, id.0),
        Owner::Campaign(id) => (2, id.0),
        Owner::LineItem(id) => (3, id.0),
    };
    (kind, id.cast_signed())
}

/// The column `unit`.
fn unit_column(unit: Unit) -> i64 {
    match unit {
        Unit::Money => 0,
        Unit::Impressions => 1,
    }
}

fn account_row(id: AccountId, account: &Account, seq: i64) -> AccountRow {
    let (owner_kind, owner) = owner_columns(id.owner);
    AccountRow {
        owner_kind,
        owner,
        unit: unit_column(id.unit),
        day: match id.period {
            Period::Lifetime => FOR_EVER,
            Period::Day(day) => day.0.into(),
        },
        limit_amount: account.limit().map(|limit| limit.0),
        leased: account.pot(Pot::Leased).0,
        held: account.pot(Pot::Held).0,
        spent: account.pot(Pot::Spent).0,
        seq,
    }
}

fn session_row(books: &Books, epoch: Epoch, seq: i64) -> SessionRow {
    let number = epoch.0.cast_signed();
    match books.stored_session(epoch) {
        None => SessionRow { epoch: number, gone: 1, seq, ..SessionRow::default() },
        Some(session) => SessionRow {
            epoch: number,
            valid_until: session.valid_until.0,
            applied: session.applied.0,
            gone: 0,
            seq,
        },
    }
}

fn lease_row(books: &Books, id: LeaseId, seq: i64) -> LeaseRow {
    let number = id.0.cast_signed();
    let Some(lease) = books.lease(id) else {
        return LeaseRow { id: number, gone: 1, seq, ..LeaseRow::default() };
    };
    LeaseRow {
        id: number,
        epoch: lease.epoch.0.cast_signed(),
        unit: unit_column(lease.unit),
        advertiser: lease.line.advertiser.0.cast_signed(),
        campaign: lease.line.campaign.0.cast_signed(),
        line_item: lease.line.line_item.0.cast_signed(),
        day: lease.day.0.into(),
        day_ends: lease.day_ends.0,
        longest_hold_s: lease.longest_hold_s.into(),
        granted: lease.granted.0,
        returned: lease.returned.0,
        charged: lease.charged.0,
        held: lease.held.0,
        gone: 0,
        seq,
    }
}

fn bucket_row(books: &Books, lease: LeaseId, ends: Second, seq: i64) -> BucketRow {
    let key = BucketRow { lease: lease.0.cast_signed(), ends: ends.0, seq, ..BucketRow::default() };
    match books.stored_bucket(lease, ends) {
        None => BucketRow { gone: 1, ..key },
        Some(sums) => {
            BucketRow { settled: sums.settled.0, charged: sums.charged.0, released: sums.released.0, ..key }
        }
    }
}

/// A row that was read, in numbers by name.
struct Read<'r>(&'r AnyRow);

impl Read<'_> {
    fn number(&self, name: &str) -> Result<i64, StoreError> {
        self.0.try_get(name).map_err(failed)
    }

    fn id(&self, name: &str) -> Result<u64, StoreError> {
        self.number(name).map(i64::cast_unsigned)
    }

    fn nanos(&self, name: &str) -> Result<Nanos, StoreError> {
        self.number(name).map(Nanos)
    }

    fn unit(&self) -> Result<Unit, StoreError> {
        match self.number("unit")? {
            0 => Ok(Unit::Money),
            1 => Ok(Unit::Impressions),
            _ => Err(unreadable("unit")),
        }
    }

    fn day(&self) -> Result<BudgetDay, StoreError> {
        i32::try_from(self.number("day")?).map(BudgetDay).map_err(|_| unreadable("day"))
    }

    fn gone(&self) -> Result<bool, StoreError> {
        self.number("gone").map(|gone| gone != 0)
    }
}

fn unreadable(what: &str) -> StoreError {
    StoreError::Refused(format!("the ledger's books have an unreadable {what}"))
}

/// Puts what was read into the books.
pub(super) fn put_account(books: &mut Books, row: &AnyRow) -> Result<(), StoreError> {
    let (id, account) = account(row)?;
    books.put_account(id, account);
    Ok(())
}

/// Reads an account.
pub(super) fn account(row: &AnyRow) -> Result<(AccountId, Account), StoreError> {
    let row = Read(row);
    let owner = row.id("owner")?;
    let owner = match row.number("owner_kind")? {
        1 => Owner::Advertiser(AdvertiserId(owner)),
        2 => Owner::Campaign(CampaignId(owner)),
        3 => Owner::LineItem(LineItemId(owner)),
        _ => return Err(unreadable("owner_kind")),
    };
    let for_ever = row.number("day")? == FOR_EVER;
    let period = if for_ever { Period::Lifetime } else { Period::Day(row.day()?) };
    let limit: Option<i64> = row.0.try_get("limit_amount").map_err(failed)?;
    let (leased, held, spent) = (row.nanos("leased")?, row.nanos("held")?, row.nanos("spent")?);
    let account = Account::restore(limit.map(Nanos), leased, held, spent);
    Ok((AccountId { owner, unit: row.unit()?, period }, account.map_err(|_| unreadable("sum"))?))
}

/// The same.
pub(super) fn put_session(books: &mut Books, row: &AnyRow) -> Result<(), StoreError> {
    let row = Read(row);
    let session = Session {
        valid_until: Timestamp(row.number("valid_until")?),
        applied: Second(row.number("applied")?),
    };
    books.put_session(Epoch(row.id("epoch")?), (!row.gone()?).then_some(session));
    Ok(())
}

/// The same.
pub(super) fn put_lease(books: &mut Books, row: &AnyRow) -> Result<(), StoreError> {
    let row = Read(row);
    let lease = Lease {
        epoch: Epoch(row.id("epoch")?),
        line: Line {
            advertiser: AdvertiserId(row.id("advertiser")?),
            campaign: CampaignId(row.id("campaign")?),
            line_item: LineItemId(row.id("line_item")?),
        },
        unit: row.unit()?,
        day: row.day()?,
        day_ends: Timestamp(row.number("day_ends")?),
        longest_hold_s: u32::try_from(row.number("longest_hold_s")?).map_err(|_| unreadable("hold"))?,
        granted: row.nanos("granted")?,
        returned: row.nanos("returned")?,
        charged: row.nanos("charged")?,
        held: row.nanos("held")?,
    };
    books.put_lease(LeaseId(row.id("id")?), (!row.gone()?).then_some(lease));
    Ok(())
}

/// The same.
pub(super) fn put_bucket(books: &mut Books, row: &AnyRow) -> Result<(), StoreError> {
    let row = Read(row);
    let sums = Bucket {
        settled: row.nanos("settled")?,
        charged: row.nanos("charged")?,
        released: row.nanos("released")?,
    };
    let (lease, ends) = (LeaseId(row.id("lease")?), Second(row.number("ends")?));
    books.put_bucket(lease, ends, (!row.gone()?).then_some(sums));
    Ok(())
}
