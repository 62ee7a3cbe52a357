//! The kinds of notices, and which of them bills.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a notice says. Its name is a segment of the URL's path, a metric label and a column of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticeKind {
    /// `nurl`: the bid won its auction.
    Win,
    /// `burl`: the exchange bills.
    Bill,
    /// `lurl`: the bid lost.
    Loss,
    /// The markup's pixel or VAST `Impression` was loaded.
    Imp,
    /// The ad was clicked.
    Click,
}

impl NoticeKind {
    /// All kinds, in the order of their codes.
    pub const ALL: [Self; 5] = [Self::Win, Self::Bill, Self::Loss, Self::Imp, Self::Click];

    /// The path segment and metric label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Win => "win",
            Self::Bill => "bill",
            Self::Loss => "loss",
            Self::Imp => "imp",
            Self::Click => "click",
        }
    }

    /// Whose notice it is.
    pub const fn audience(self) -> Audience {
        match self {
            Self::Win | Self::Bill | Self::Loss => Audience::Exchange,
            Self::Imp | Self::Click => Audience::Public,
        }
    }

    /// The kind of this path segment.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who gets to see a token. A token opens only for the notices of those it was sealed for: whoever reads the markup
/// of an ad finds the pixel's token, and must not be able to call the exchange's notices with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Audience {
    /// The exchange alone: win, billing, loss.
    Exchange = 1,
    /// Everybody who is shown the ad: impression, click.
    Public = 2,
    /// The advertiser's pages, and whoever reads their addresses: conversions. See [`Click`](crate::Click).
    Landing = 3,
}

/// Which notice of a bid bills it: exactly one, by the exchange's contract and the format. It needs no other notice
/// before it. The bidder writes it into the token, so a changed setting never bills a bid twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bills {
    /// The exchange's billing notice (`burl`).
    #[default]
    Bill,
    /// The win notice (`nurl`), for exchanges without `burl`.
    Win,
    /// The markup's pixel or the VAST impression.
    Imp,
}

impl Bills {
    /// The notice that bills.
    pub const fn kind(self) -> NoticeKind {
        match self {
            Self::Bill => NoticeKind::Bill,
            Self::Win => NoticeKind::Win,
            Self::Imp => NoticeKind::Imp,
        }
    }

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Bill => 0,
            Self::Win => 1,
            Self::Imp => 2,
        }
    }

    pub(crate) const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Bill),
            1 => Some(Self::Win),
            2 => Some(Self::Imp),
            _ => None,
        }
    }
}
