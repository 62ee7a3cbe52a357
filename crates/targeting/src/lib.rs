//! Targeting: what an advertiser asks of a request ([`Expr`]), what a request offers ([`Attributes`]), and the
//! search for the line items whose expression the request satisfies.

mod attributes;
mod dimension;
mod language;

pub use attributes::{Attributes, Knowledge, Point, UserTag};
pub use dimension::Dimension;
pub use language::{Expr, GeoCircle, HoursOfWeek, Leaf, OsRange, TagKind, TagTest};
