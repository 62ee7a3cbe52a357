//! Conversions: what an advertiser's customers did, as the advertiser or one of its pages tells, and which ad gets the credit.

mod credit;
mod decimal;
mod judge;
mod said;

use tagbid_notice::Click;
use tagbid_tagset::UserKey;
use tagbid_types::{AdvertiserId, Currency, Nanos, Timestamp};

pub(crate) use credit::{CLICK_COUNTS, Touch, Touches, Uncredited, VIEW_COUNTS, credit};
pub(crate) use judge::{Caller, Judge, NotConverted};
pub(crate) use said::Said;

/// A conversion, judged; ready to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Conversion {
    /// Whose customer it was. With `reference` the key: it counts once.
    pub(crate) advertiser: AdvertiserId,
    /// The advertiser's own id of it, or one made of the click and the name. Of one that is told without a credential: that
    /// within the click's bid, so that nobody takes the ids of others.
    pub(crate) reference: String,
    /// Told with the id of a click and no credential: the id that it claims to have.
    pub(crate) claimed: Option<String>,
    /// Which conversion of the advertiser it is, such as "purchase".
    pub(crate) name: String,
    pub(crate) value: Option<(Nanos, Currency)>,
    /// When it happened.
    pub(crate) at: Timestamp,
    pub(crate) received: Timestamp,
    /// Told too long after it happened.
    pub(crate) late: bool,
    /// The click that its teller names.
    pub(crate) click: Option<Click>,
    /// The user that its teller names, under each live key.
    pub(crate) users: Vec<UserKey>,
}

impl Conversion {
    /// The bid by whose click alone it was told; none: by whoever has a credential.
    pub(crate) fn told_by(&self) -> Option<String> {
        self.click.as_ref().filter(|_| self.claimed.is_some()).map(|click| click.token.bid.to_string())
    }

    /// Whether that which was kept under the same reference says the same: a page that is loaded again, or a server that tells what a
    /// pixel told before. When it happened may differ, because pixels do not say.
    pub(crate) fn repeats(&self, name: &str, value: Option<(Nanos, Currency)>) -> bool {
        self.name == name && self.value == value
    }
}

/// So many conversions are taken with the id of one click and no credential: whoever clicks an ad has one, and shall not fill the disk.
pub(crate) const MOST_PUBLIC: i64 = 100;

/// What became of a conversion. Durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Converted {
    pub(crate) kept: Kept,
    /// Of the one that is kept.
    pub(crate) credit: Result<Kind, Uncredited>,
}

/// Whether it is new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Kept.
    New,
    /// Told before.
    Repeat,
    /// Another name or value was told before, and stays.
    Conflict,
    /// Not kept: with the id of this click alone [`MOST_PUBLIC`] were told.
    TooMany,
}

/// What it is attributed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Click,
    View,
}

impl Kind {
    /// The word in the database and in answers.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::View => "view",
        }
    }
}
