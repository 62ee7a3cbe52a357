//! Changes on their way to the other roles.
//!
//! One task a process follows the database: woken by the process's own commits, and every `poll` for those of others.
//! It keeps the catalog and its last changes in memory, so that a subscriber costs no query. Subscribers pull: one
//! that does not read holds nothing but its place, and when the changes after its place are gone it gets a snapshot.

mod catalog;
mod hub;
mod suppression;

pub(crate) use catalog::InProcessCatalog;
pub(crate) use hub::Hub;
pub(crate) use suppression::InProcessSuppressions;
