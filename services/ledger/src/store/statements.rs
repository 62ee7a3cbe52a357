//! The SQL, once for both databases. They differ in how a JSON array becomes rows, and in nothing else: a batch of
//! any size is one parameter of one statement.

use super::Tally;

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Sqlite,
    Postgres,
}

/// A column and whether it is text; the others are 64-bit integers.
type Column = (&'static str, bool);

const KEY: [Column; 4] = [("exchange", true), ("bid", true), ("kind", true), ("priced", false)];

const NOTICE: [Column; 22] = [
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
    ("budget_currency", true),
    ("day", false),
    ("loss_reason", false),
    ("min_to_win", false),
];

const QUARANTINE: [Column; 11] = [
    ("exchange", true),
    ("bid", true),
    ("kind", true),
    ("advertiser", false),
    ("campaign", false),
    ("line_item", false),
    ("reason", true),
    ("price", false),
    ("times", false),
    ("first_at", false),
    ("last_at", false),
];

const TALLY_KEY: [Column; 5] =
    [("line_item", false), ("currency", true), ("day", false), ("advertiser", false), ("campaign", false)];

/// The writing statements. Each takes one JSON array as `$1`.
#[derive(Debug)]
pub(super) struct Statements {
    /// Inserts notices whose key is free; returns the keys that were.
    pub(super) insert: String,
    /// The price that is kept for each of these keys; -1 for none.
    pub(super) kept: String,
    /// Adds to sums.
    pub(super) add: String,
    /// Adds to the quarantine.
    pub(super) quarantine: String,
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
            insert: format!(
                "INSERT INTO notices ({notice}) SELECT {notice} FROM {} WHERE true \
                 ON CONFLICT (exchange, bid, kind, priced) DO NOTHING RETURNING {}",
                dialect.rows(&NOTICE),
                names(&KEY)
            ),
            kept: format!(
                "SELECT n.exchange, n.bid, n.kind, n.priced, COALESCE(n.price, -1) AS price \
                 FROM {} JOIN notices n ON n.exchange = r.exchange AND n.bid = r.bid \
                 AND n.kind = r.kind AND n.priced = r.priced",
                dialect.rows(&KEY)
            ),
            add: format!(
                "INSERT INTO tallies ({tally}) SELECT {tally} FROM {} WHERE true \
                 ON CONFLICT (line_item, currency, day) DO UPDATE SET {sums}",
                dialect.rows(&tally_columns)
            ),
            quarantine: format!(
                "INSERT INTO quarantine ({0}) SELECT {0} FROM {1} WHERE true \
                 ON CONFLICT (exchange, bid, kind) DO UPDATE SET times = quarantine.times + excluded.times, \
                 reason = excluded.reason, price = excluded.price, last_at = excluded.last_at",
                names(&QUARANTINE),
                dialect.rows(&QUARANTINE)
            ),
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

fn names(columns: &[Column]) -> String {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

impl Dialect {
    /// The JSON array `$1` as a table `r` of these columns, in the array's order.
    fn rows(self, columns: &[Column]) -> String {
        match self {
            Self::Sqlite => {
                let picks = columns.iter().map(|(name, _)| format!("value ->> '{name}' AS {name}"));
                let picks: Vec<String> = picks.collect();
                format!("(SELECT {} FROM json_each($1)) AS r", picks.join(", "))
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
