//! Targeting: what an advertiser asks of a request ([`Expr`]), what a request offers ([`Attributes`]), and the
//! search for the line items whose expression the request satisfies ([`Engine`]).
//!
//! A request flows through it so: [`Collector`] turns what the exchange sent into [`Attributes`];
//! [`Engine::probe`] resolves them once to a [`Probe`]; [`Engine::candidates`] yields the matching line items one
//! by one, the one that could pay most first. Everything that a request needs lives in its arena.

mod attributes;
mod collect;
mod compile;
mod dictionary;
mod dimension;
mod engine;
mod explain;
mod geo;
mod index;
mod language;
mod layered;
mod limits;
mod lists;
mod live;
mod normalise;
pub mod oracle;
mod possible;
mod probe;
mod problem;
mod program;
mod raise;
mod scan;
mod seen;
mod traffic;
mod truth;
mod validate;
pub mod workload;

pub use attributes::{Attributes, Knowledge, Point, UnknownTags, UserTag};
pub use collect::Collector;
pub use dimension::Dimension;
pub use engine::{Candidate, Class, Engine, Item, Slot, Wanted};
pub use explain::{Failure, Names, explain};
pub use geo::{EARTH_RADIUS_M, distance_m};
pub use index::Index;
pub use language::{Expr, GeoCircle, HoursOfWeek, Leaf, OsRange, TagKind, TagTest};
pub use layered::{Layered, Merge, Merged, Rebase, Rebased};
pub use limits::{MAX_DEPTH, MAX_NODES, MAX_RADIUS_M, MAX_VALUE_BYTES, MAX_VALUES};
pub use lists::Lists;
pub use live::LiveSet;
pub use normalise::{Version, categories, domains, is_language, keywords, normalise, postcode_in, region};
pub use possible::possible;
pub use probe::Probe;
pub use problem::Problem;
pub use raise::Raise;
pub use scan::{Refusal, Refused, Scan};
pub use traffic::Traffic;
pub use truth::Truth;
pub use validate::{MAX_PROBLEMS, References, validate, validate_leaf};
