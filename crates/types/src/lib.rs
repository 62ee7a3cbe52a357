//! The words that every other crate shares: ids, money, time, identities of callers, reasons not to bid.
//!
//! Nothing here does I/O or reads a clock; [`Clock`] is a trait, implemented once for real (`runtime`) and
//! once for tests (`testkit`).
#![deny(missing_docs, clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::float_cmp)]
#![deny(clippy::wildcard_enum_match_arm)]

mod clock;
mod currency;
mod ids;
mod money;
mod nobid;
mod place;
mod principal;
mod trace;
mod uses;

pub use clock::{BudgetDay, Clock, Monotonic, Timestamp};
pub use ids::{
    AdvertiserId, BidId, CampaignId, CatalogLife, CreativeId, DatasetId, DealId, ExchangeName, LineItemId,
    ListId, Revision, TagId,
};
pub use money::{Cpm, Currency, CurrencyError, MoneyError, Nanos, Rate, Ratio, divide_half_even};
pub use nobid::NoBidReason;
pub use place::PlaceKind;
pub use principal::{Principal, Scope};
pub use trace::{TRACEPARENT, TraceContext, Traceparent};
pub use uses::{Permission, Use};
