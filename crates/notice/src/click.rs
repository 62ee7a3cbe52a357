//! What a click tells the conversions after it.

use tagbid_types::Timestamp;

use crate::Token;
use crate::codec::{Content, Format, Reader, Writer};

/// The click that led somebody to the advertiser: sealed, it is the id in the address of the landing page, which comes back with
/// a conversion. It knows nothing of the user: it stands in addresses, logs and orders for longer than keys of users are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Click {
    /// The bid that was clicked, without user and leases.
    pub token: Token,
    /// When it was clicked.
    pub at: Timestamp,
}

impl Click {
    /// The most bytes that [`Click::encode`] writes.
    pub(crate) const MAX_BYTES: usize = Token::MAX_BYTES + 10;

    /// A click on this bid.
    pub fn new(token: &Token, at: Timestamp) -> Self {
        let (lease, capacity_lease, epoch, hold_until_s, hold_s) = (0, 0, 0, 0, 0);
        let token = Token { user: None, lease, capacity_lease, epoch, hold_until_s, hold_s, ..token.clone() };
        Self { token, at }
    }

    pub(crate) fn encode(&self, to: &mut Writer<'_>) {
        self.token.encode(to);
        to.signed(self.at.0);
    }

    pub(crate) fn decode(bytes: &[u8], format: Format) -> Result<Self, Content> {
        let mut from = Reader::new(bytes);
        let token = Token::read(&mut from, format)?;
        let at = Timestamp(from.signed()?);
        from.end()?;
        Ok(Self { token, at })
    }
}
