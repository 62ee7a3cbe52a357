//! What a bid tells its own future notices: a [`Token`], sealed so that an exchange or a browser can carry it but
//! neither read nor change it; the URLs that bring it back; the price macro that comes beside it, plain or encrypted; and what
//! a click tells the conversions after it.
//!
//! Any ledger instance that has the keys opens any token, so notices need no state shared with the bidder. What
//! kind of notice it is stands in the URL's path, not in the token: one sealing serves all five URLs of a bid.
//!
//! Pure: the 12 random bytes of a sealing are passed in, time is a value. Sealing costs the bid path half a
//! microsecond and no allocation; `benches/seal.rs` has the figures.
#![deny(missing_docs)]

mod click;
mod codec;
mod encrypted;
mod kind;
mod label;
mod price;
mod seal;
#[cfg(test)]
mod tests;
mod token;
mod urls;

pub use click::Click;
pub use encrypted::{EncryptedPriceError, PriceKey, PriceKeyError, PriceKeys};
pub use kind::{Audience, Bills, NoticeKind};
pub use label::Label;
pub use price::{PriceError, PriceMacro};
pub use seal::{KeyError, Keys, OpenError, Opener, SealError, SealedToken, Sealer, TokenKey};
pub use token::{Token, cost, impressions};
pub use urls::{BaseUrlError, NoticeUrls};
