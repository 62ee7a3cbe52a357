//! The SQL, once for both databases. They differ in how a JSON array becomes rows, and in nothing else: a batch of
//! any size is one parameter of one statement.

use super::rows::FOR_EVER;
use super::{Tally, counting, holds};

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

/// A column and whether it is text; the others are 64-bit integers.
pub(super) type Column = (&'static str, bool);

const BID: [Column; 2] = [("exchange", true), ("bid", true)];

const NOTICE: [Column; 26] = [
    ("exchange", true),
    ("bid", true),
    ("kind", true),
    ("priced", false),
    ("outcome", true),
    ("advertiser", false),
    ("campaign", false),
    ("line_item", false),
    ("creative", false),
    ("auction", true),
    ("imp", true),
    ("issued", false),
    ("received", false),
    ("price", false),
    ("max_price", false),
    ("currency", true),
    ("charged", false),
    ("excess", false),
    ("uncovered", false),
    ("over_capacity", false),
    ("budget_currency", true),
    ("day", false),
    ("loss_reason", false),
    ("min_to_win", false),
    ("quantity", false),
    ("user_key", true),
];

const QUARANTINE: [Column; 21] = [
    ("exchange", true),
    ("bid", true),
    ("kind", true),
    ("advertiser", false),
    ("campaign", false),
    ("line_item", false),
    ("reason", true),
    ("price", false),
    ("said", true),
    ("times", false),
    ("first_at", false),
    ("last_at", false),
    ("creative", false),
    ("auction", true),
    ("imp", true),
    ("issued", false),
    ("max_price", false),
    ("currency", true),
    ("quantity", false),
    ("budget_currency", true),
    ("day", false),
];

const TALLY_KEY: [Column; 5] =
    [("line_item", false), ("currency", true), ("day", false), ("advertiser", false), ("campaign", false)];

const HEAD: [Column; 6] = [
    ("written", false),
    ("watermark", false),
    ("last_epoch", false),
    ("last_lease", false),
    ("catalog_revision", false),
    ("catalog_changed", false),
];

/// A table of the books: its columns, of which the first ones are the key.
struct Table {
    name: &'static str,
    key: usize,
    columns: &'static [Column],
}

const ACCOUNTS: Table = Table {
    name: "accounts",
    key: 4,
    columns: &[
        ("owner_kind", false),
        ("owner", false),
        ("unit", false),
        ("day", false),
        ("limit_amount", false),
        ("leased", false),
        ("held", false),
        ("spent", false),
        ("seq", false),
    ],
};

const SESSIONS: Table = Table {
    name: "sessions",
    key: 1,
    columns: &[("epoch", false), ("valid_until", false), ("applied", false), ("gone", false), ("seq", false)],
};

const LEASES: Table = Table {
    name: "leases",
    key: 1,
    columns: &[
        ("id", false),
        ("epoch", false),
        ("unit", false),
        ("advertiser", false),
        ("campaign", false),
        ("line_item", false),
        ("day", false),
        ("day_ends", false),
        ("longest_hold_s", false),
        ("granted", false),
        ("returned", false),
        ("charged", false),
        ("held", false),
        ("gone", false),
        ("seq", false),
    ],
};

const BUCKETS: Table = Table {
    name: "buckets",
    key: 2,
    columns: &[
        ("lease", false),
        ("ends", false),
        ("settled", false),
        ("charged", false),
        ("released", false),
        ("gone", false),
        ("seq", false),
    ],
};

const PACES: Table = Table {
    name: "paces",
    key: 1,
    columns: &[
        ("line_item", false),
        ("as_of", false),
        ("spent", false),
        ("fresh", false),
        ("slow_matured", false),
        ("slow_charged", false),
        ("quick_matured", false),
        ("quick_charged", false),
        ("gone", false),
        ("seq", false),
    ],
};

const TRAFFIC: [Column; 4] = [("line_item", false), ("day", false), ("quarter", false), ("wanted", false)];

const WATCHED: [Column; 2] = [("quarter", false), ("micros", false)];

const TRAFFIC_OF: [Column; 3] = [("line_item", false), ("first", false), ("day", false)];

/// How a table of the books is written, and how what was written since is read.
#[derive(Debug)]
pub(super) struct Kept {
    /// Writes rows over what is there; `$1` is a JSON array.
    pub(super) write: String,
    /// Rows of transactions after `$1`.
    pub(super) since: String,
    /// Deletes what is over and was written up to transaction `$1`.
    pub(super) purge: String,
}

/// What is done with the traffic of line items.
#[derive(Debug)]
pub(super) struct Traffic {
    /// Adds to it.
    pub(super) add: String,
    /// That of line items from one day on and before another.
    pub(super) of: String,
    /// Deletes that of days before `$1`.
    pub(super) purge: &'static str,
    /// Adds to when the ledger was looking; reads it after quarter `$1`; deletes it before.
    pub(super) watch: String,
    pub(super) watched: &'static str,
    pub(super) purge_watched: &'static str,
}

/// The statements. Those that write take one JSON array as `$1`.
#[derive(Debug)]
pub(super) struct Statements {
    /// Takes the place of a transaction in the order of all; returns the row as it was left by the one before. Whoever else
    /// writes waits until this one has ended.
    pub(super) begin: &'static str,
    /// Writes what the transaction made of that row.
    pub(super) head: String,
    /// Accounts are for ever; of those of single days `since` reads the ones from day `$2` on.
    pub(super) accounts: Kept,
    /// All accounts, without a condition.
    pub(super) all_accounts: String,
    /// The earliest day of an open lease.
    pub(super) oldest_leased: &'static str,
    pub(super) sessions: Kept,
    pub(super) leases: Kept,
    pub(super) buckets: Kept,
    /// What was learnt for pacing.
    pub(super) paces: Kept,
    pub(super) traffic: Traffic,
    /// Inserts notices.
    pub(super) insert: String,
    /// All notices of these bids: their keys, and their price, -1 for none.
    pub(super) kept: String,
    /// Adds to sums.
    pub(super) add: String,
    /// Adds to the quarantine.
    pub(super) quarantine: String,
    pub(super) counting: counting::Statements,
    /// Delays of billings.
    pub(super) holds: holds::Statements,
}

impl Statements {
    pub(super) fn new(dialect: Dialect) -> Self {
        let notice = names(&NOTICE);
        let tally_columns = tally_columns();
        let tally = names(&tally_columns);
        let sums = Tally::default()
            .columns()
            .map(|(name, _)| format!("{name} = tallies.{name} + excluded.{name}"))
            .join(", ");
        // `WHERE true` tells SQLite's parser that ON CONFLICT is not a join's ON.
        Self {
            begin: "UPDATE head SET seq = seq + 1 WHERE id = 1 RETURNING seq, written, watermark, last_epoch, \
                    last_lease, catalog_revision, catalog_changed",
            head: dialect.head(),
            accounts: dialect.accounts(),
            all_accounts: format!("SELECT {} FROM accounts", names(ACCOUNTS.columns)),
            counting: counting::Statements::new(dialect),
            holds: holds::Statements::new(dialect),
            oldest_leased: "SELECT COALESCE(MIN(day), 2147483647) AS day FROM leases WHERE gone = 0",
            sessions: dialect.kept(&SESSIONS),
            leases: dialect.kept(&LEASES),
            buckets: dialect.kept(&BUCKETS),
            paces: dialect.kept(&PACES),
            traffic: dialect.traffic(),
            insert: format!("INSERT INTO notices ({notice}) SELECT {notice} FROM {}", dialect.rows(&NOTICE)),
            kept: format!(
                "SELECT n.exchange, n.bid, n.kind, n.priced, COALESCE(n.price, -1) AS price \
                 FROM {} JOIN notices n ON n.exchange = r.exchange AND n.bid = r.bid",
                dialect.rows(&BID)
            ),
            add: format!(
                "INSERT INTO tallies ({tally}) SELECT {tally} FROM {} WHERE true \
                 ON CONFLICT (line_item, currency, day) DO UPDATE SET {sums}",
                dialect.rows(&tally_columns)
            ),
            quarantine: dialect.quarantine(),
        }
    }
}

/// The columns that a notice is read from, in order.
pub(super) fn notice_columns() -> String {
    names(&NOTICE)
}

/// The columns that a quarantined notice is read from, in order.
pub(super) fn quarantine_columns() -> String {
    names(&QUARANTINE)
}

fn tally_columns() -> Vec<Column> {
    let sums = Tally::default().columns().map(|(name, _)| (name, false));
    TALLY_KEY.into_iter().chain(sums).collect()
}

pub(super) fn names(columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

impl Dialect {
    fn head(self) -> String {
        let sets = HEAD.map(|(column, _)| format!("{column} = r.{column}")).join(", ");
        format!("UPDATE head SET {sets} FROM {} WHERE head.id = 1", self.rows(&HEAD))
    }

    /// Forgets users, each in notices up to a moment.
    pub(super) fn erase_users(self) -> String {
        format!(
            "UPDATE notices SET user_key = NULL FROM {} \
             WHERE notices.user_key = r.user_key AND notices.issued <= r.until",
            self.rows(&[("user_key", true), ("until", false)])
        )
    }

    /// Of single days only those from day `$2` on are read.
    fn accounts(self) -> Kept {
        let columns = names(ACCOUNTS.columns);
        let since =
            format!("SELECT {columns} FROM accounts WHERE seq > $1 AND (day = {FOR_EVER} OR day >= $2)");
        Kept { since, ..self.kept(&ACCOUNTS) }
    }

    fn traffic(self) -> Traffic {
        Traffic {
            add: format!(
                "INSERT INTO traffic ({0}) SELECT {0} FROM {1} WHERE true \
                 ON CONFLICT (line_item, day, quarter) DO UPDATE SET wanted = traffic.wanted + excluded.wanted",
                names(&TRAFFIC),
                self.rows(&TRAFFIC)
            ),
            of: format!(
                "SELECT t.line_item, t.day, t.quarter, t.wanted FROM {} JOIN traffic t \
                 ON t.line_item = r.line_item AND t.day >= r.first AND t.day < r.day",
                self.rows(&TRAFFIC_OF)
            ),
            purge: "DELETE FROM traffic WHERE day < $1",
            watch: format!(
                "INSERT INTO watched ({0}) SELECT {0} FROM {1} WHERE true \
                 ON CONFLICT (quarter) DO UPDATE SET micros = watched.micros + excluded.micros",
                names(&WATCHED),
                self.rows(&WATCHED)
            ),
            watched: "SELECT quarter, micros FROM watched WHERE quarter > $1",
            purge_watched: "DELETE FROM watched WHERE quarter < $1",
        }
    }

    /// Adds to the quarantine. `WHERE true`: as in [`Statements::new`].
    fn quarantine(self) -> String {
        format!(
            "INSERT INTO quarantine ({0}) SELECT {0} FROM {1} WHERE true \
             ON CONFLICT (exchange, bid, kind) DO UPDATE SET times = quarantine.times + excluded.times, \
             reason = excluded.reason, price = excluded.price, said = excluded.said, last_at = excluded.last_at",
            names(&QUARANTINE),
            self.rows(&QUARANTINE)
        )
    }

    fn kept(self, table: &Table) -> Kept {
        let Table { name, key, columns } = table;
        let (all, (key, rest)) = (names(columns), columns.split_at(*key));
        let sets = rest.iter().map(|(column, _)| format!("{column} = excluded.{column}"));
        let sets: Vec<String> = sets.collect();
        // `WHERE true` tells SQLite's parser that ON CONFLICT is not a join's ON.
        let write = format!(
            "INSERT INTO {name} ({all}) SELECT {all} FROM {} WHERE true ON CONFLICT ({}) DO UPDATE SET {}",
            self.rows(columns),
            names(key),
            sets.join(", ")
        );
        Kept {
            write,
            // Who reads all begins at -1, and need not read what is over.
            since: format!("SELECT {all} FROM {name} WHERE seq > $1 AND (gone = 0 OR $1 >= 0)"),
            purge: format!("DELETE FROM {name} WHERE gone = 1 AND seq <= $1"),
        }
    }

    /// The JSON array `$1` as a table `r` of these columns, in the array's order.
    pub(super) fn rows(self, columns: &[Column]) -> String {
        match self {
            Self::Sqlite => {
                let picks = columns.iter().map(|(name, _)| format!("value ->> '{name}' AS {name}"));
                let picks: Vec<String> = picks.collect();
                format!("(SELECT {} FROM jsonb_each($1)) AS r", picks.join(", "))
            }
            Self::Postgres => {
                let typed = columns
                    .iter()
                    .map(|(name, text)| format!("{name} {}", if *text { "text" } else { "bigint" }));
                let typed: Vec<String> = typed.collect();
                format!("jsonb_to_recordset(CAST($1 AS jsonb)) AS r({})", typed.join(", "))
            }
        }
    }
}
