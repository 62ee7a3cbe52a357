//! How the market behaves, and what comes of an auction.

use std::time::Duration;

use tagbid_types::{Cpm, Currency, Nanos};

use crate::markup::is_local;

/// How the market and the viewers behave.
#[derive(Clone, Debug, PartialEq)]
pub struct Habits {
    /// Competing bids for an impression: from none to this many.
    pub competitors: usize,
    /// Share of won impressions that are shown, and so billed.
    pub shown: f64,
    /// Share of shown impressions that are clicked.
    pub clicked: f64,
    /// Share of notices that are sent twice, as retrying exchanges do.
    pub repeated: f64,
    /// The longest time between the auction and the showing.
    pub shown_within: Duration,
    /// Hosts, as in URLs, that markup may call besides this machine.
    pub hosts: Vec<String>,
}

impl Habits {
    /// Whether a URL may be called: http to this machine, or to one of the hosts.
    pub fn may_call(&self, url: &str) -> bool {
        let authority = url.strip_prefix("http://").and_then(|rest| rest.split(['/', '?', '#']).next());
        is_local(url) || authority.is_some_and(|authority| self.hosts.iter().any(|host| host == authority))
    }
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            competitors: 3,
            shown: 0.92,
            clicked: 0.01,
            repeated: 0.01,
            shown_within: Duration::from_secs(2),
            hosts: Vec::new(),
        }
    }
}

/// What a notice tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NoticeKind {
    /// `nurl`: the auction was won.
    Win,
    /// `burl`: the impression is billed.
    Billing,
    /// `lurl`: the auction was lost.
    Loss,
    /// The markup's own pixel or VAST impression.
    Impression,
    /// The markup's click.
    Click,
}

impl NoticeKind {
    /// The name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Win => "win",
            Self::Billing => "billing",
            Self::Loss => "loss",
            Self::Impression => "impression",
            Self::Click => "click",
        }
    }
}

/// A URL to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// What it tells.
    pub kind: NoticeKind,
    /// Where, with its macros filled in.
    pub url: String,
    /// How long after the auction.
    pub after: Duration,
}

/// An impression that we won.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Win {
    /// The bid's id.
    pub bid_id: String,
    /// The clearing price, a CPM.
    pub price: Cpm,
    /// Its currency.
    pub currency: Currency,
    /// What the exchange charges for it: zero where it was never shown.
    pub charged: Nanos,
}

/// What came of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Impressions won.
    pub wins: Vec<Win>,
    /// Bids that did not win.
    pub losses: usize,
    /// Calls to make, in no order.
    pub notices: Vec<Notice>,
}
