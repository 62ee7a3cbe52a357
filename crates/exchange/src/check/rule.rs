//! What a response may break, and what an exchange calls it.

use std::fmt;

/// A rule of OpenRTB, or of the exchange, that a response must keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// The body is a BidResponse: types and required members.
    Shape,
    /// `id` repeats the request's.
    RequestId,
    /// `cur` is one that the request allows.
    Currency,
    /// The seat is allowed by `wseat`, `bseat` and the deal.
    Seat,
    /// Bid ids are there, each once.
    BidId,
    /// `impid` names an impression of the request.
    ImpId,
    /// `price` is a positive number.
    Price,
    /// The price reaches the floor of the impression or the deal.
    Floor,
    /// `dealid` names a deal of the impression; a private auction has one.
    Deal,
    /// `adomain` is there, not in `badv`, and in the deal's `wadomain`.
    Advertiser,
    /// `cat` is not in `bcat`, and in `acat` if there is one.
    Category,
    /// `bundle` is not in `bapp`.
    App,
    /// `attr` is not in `battr`.
    Attribute,
    /// `w` and `h` are a size that the impression takes.
    Size,
    /// `mtype` and the markup are of a format that the impression takes.
    Format,
    /// Protocol, MIME type, API and duration suit the player.
    Player,
    /// A secure impression gets markup that loads over https alone.
    Secure,
    /// `nurl`, `burl` and `lurl` are https, or http to this machine.
    NoticeUrl,
    /// `adm` is there and well-formed.
    Markup,
    /// No macro of the buyer's own is left in the markup.
    Macro,
    /// `crid` is there.
    Creative,
}

impl Rule {
    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shape => "shape",
            Self::RequestId => "request_id",
            Self::Currency => "currency",
            Self::Seat => "seat",
            Self::BidId => "bid_id",
            Self::ImpId => "imp_id",
            Self::Price => "price",
            Self::Floor => "floor",
            Self::Deal => "deal",
            Self::Advertiser => "advertiser",
            Self::Category => "category",
            Self::App => "app",
            Self::Attribute => "attribute",
            Self::Size => "size",
            Self::Format => "format",
            Self::Player => "player",
            Self::Secure => "secure",
            Self::NoticeUrl => "notice_url",
            Self::Markup => "markup",
            Self::Macro => "macro",
            Self::Creative => "creative",
        }
    }

    /// The reason that a loss notice gives: AdCOM list "Loss Reason Codes".
    pub const fn loss_reason(self, of_deal: bool) -> u16 {
        match self {
            Self::Shape | Self::Currency | Self::BidId | Self::ImpId | Self::NoticeUrl => 3,
            Self::RequestId => 5,
            Self::Deal => 4,
            Self::Price => 9,
            Self::Floor if of_deal => 101,
            Self::Floor => 100,
            Self::Seat => 104,
            Self::Markup | Self::Macro => 7,
            Self::Creative => 8,
            Self::Advertiser => 205,
            Self::App => 206,
            Self::Category => 209,
            Self::Attribute => 210,
            Self::Size => 203,
            Self::Format | Self::Player => 204,
            Self::Secure => 207,
        }
    }
}

/// A broken rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// The bid's position: in `seatbid`, and in its `bid`. None: the response as a whole.
    pub bid: Option<(usize, usize)>,
    /// What was found, for people.
    pub detail: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bid {
            Some((seat, bid)) => {
                write!(f, "{}: seatbid[{seat}].bid[{bid}]: {}", self.rule.as_str(), self.detail)
            }
            None => write!(f, "{}: {}", self.rule.as_str(), self.detail),
        }
    }
}
