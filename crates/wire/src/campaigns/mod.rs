//! `tagbid.campaigns.v1` to and from the entities of `catalog` and the events of `ports`.
//!
//! Reading an entity never stops at the first problem: it notes each in a [`Report`] under the field's path, puts a
//! harmless value in its place, and goes on, so that validation can add its own.
//!
//! [`Report`]: tagbid_catalog::Report

mod common;
mod creative;
mod dataset;
mod entities;
mod explain;
mod funnel;
mod line_item;
mod mask;
mod reach;
mod registry;
mod resource;
mod snapshots;
mod stream;
mod suppression;
mod targeting;

#[cfg(test)]
mod tests;

pub use common::{etag, parse_etag, time_to};
pub use explain::{CATALOG_REVISION, explanation_from, explanation_to, problem_to};
pub use funnel::{funnel_from, funnel_to};
pub use mask::{MaskError, Merged, merge};
pub use reach::{
    request_reach_from, request_reach_to, requests_question, sample_targeting, user_reach_from,
    user_reach_to, users_question,
};
pub use registry::{
    names_answer_from, names_answer_to, names_question_from, names_question_to, upsert_from, upsert_to,
    upserted_from, upserted_to,
};
pub use resource::Resource;
pub use snapshots::{snapshot_step_from, snapshot_step_to, snapshots_changed_from, snapshots_changed_to};
pub use stream::{
    CatalogReader, StreamError, catalog_event_to, place_from, place_to, suppression_event_from,
    suppression_event_to,
};
pub use suppression::{
    IdKeys, SuppressionUserError, links_from, links_to, people_change_from, people_change_to, raw_user,
    user_from,
};
pub use targeting::{expr_from, expr_to, leaf_from, leaf_to};
