//! The statements that add to the sums; each takes one JSON array as `$1`.

use super::Sold;
use super::sums::{LOSS, TALLY_KEY};
use crate::store::statements::{Column, Dialect, names};

#[derive(Debug)]
pub(in crate::store) struct Statements {
    pub(in crate::store) tallies: String,
    pub(in crate::store) losses: String,
}

impl Statements {
    pub(in crate::store) fn new(dialect: Dialect) -> Self {
        Self { tallies: tallies(dialect), losses: losses(dialect) }
    }
}

fn tallies(dialect: Dialect) -> String {
    let sums = Sold::default().columns().map(|(name, _)| (name, false));
    let columns: Vec<Column> = TALLY_KEY.into_iter().chain(sums).collect();
    let add = sums.map(|(name, _)| format!("{name} = report_tallies.{name} + excluded.{name}"));
    // `WHERE true` tells SQLite's parser that ON CONFLICT is not a join's ON.
    format!(
        "INSERT INTO report_tallies ({0}) SELECT {0} FROM {1} WHERE true ON CONFLICT ({2}) DO UPDATE SET {3}",
        names(&columns),
        dialect.rows(&columns),
        names(&TALLY_KEY),
        add.join(", ")
    )
}

fn losses(dialect: Dialect) -> String {
    let [key @ .., _] = LOSS;
    format!(
        "INSERT INTO report_losses ({0}) SELECT {0} FROM {1} WHERE true \
         ON CONFLICT ({2}) DO UPDATE SET losses = report_losses.losses + excluded.losses",
        names(&LOSS),
        dialect.rows(&LOSS),
        names(&key)
    )
}
