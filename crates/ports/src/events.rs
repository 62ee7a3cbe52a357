//! What happened to bids, one record an event: bids (a sample) told by bidders, everything else by the ledger; kept by
//! an event log.

use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use tagbid_tagset::UserKey;
use tagbid_types::{
    AdvertiserId, BidId, BudgetDay, CampaignId, Cpm, CreativeId, Currency, ExchangeName, LineItemId, Nanos,
    Ratio, Timestamp,
};
use thiserror::Error;

/// Most records of one [`EventSink::append`].
pub const MAX_APPEND: usize = 4_096;

/// Longest auction or impression id, deal, name of a conversion or reason that an event carries, in bytes.
pub const MAX_EVENT_TEXT: usize = 256;

/// One thing that happened, mostly to a bid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it happened: the bid was made, the notice came.
    pub at: Timestamp,
    /// The bid that it is about; none: a conversion that no bid gets the credit for.
    pub bid: Option<EventBid>,
    /// Who saw it: only where consent allows to keep the key in events.
    pub user: Option<EventUser>,
    /// What it was.
    pub fact: Fact,
}

/// The bid that an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventBid {
    /// The exchange that was bid to.
    pub exchange: ExchangeName,
    /// The exchange's id of the auction.
    pub auction: String,
    /// Our id of the bid.
    pub id: BidId,
    /// The id of the impression within the request.
    pub imp: String,
    /// When it was made.
    pub at: Timestamp,
    /// Who pays.
    pub advertiser: AdvertiserId,
    /// Its campaign.
    pub campaign: CampaignId,
    /// Its line item.
    pub line_item: LineItemId,
    /// What was to be shown.
    pub creative: CreativeId,
    /// What was bid: CPM, in `currency`.
    pub price: Cpm,
    /// Currency of the prices of the bid and its notices.
    pub currency: Currency,
    /// How many impressions the bid stands for (`imp.qty.multiplier`).
    pub quantity: Ratio,
}

/// A user, as events may keep one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventUser {
    /// The keyed MAC of the id.
    pub key: UserKey,
    /// Version of the MAC key that made it; none: nobody said.
    pub mac: Option<u8>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// We bid. A share of all auctions, see [`BidSample`].
    Bid(BidFact),
    /// The exchange's win notice (`nurl`).
    Win(NoticeFact),
    /// The exchange's billing notice (`burl`).
    Billing(NoticeFact),
    /// The exchange's loss notice (`lurl`).
    Loss(NoticeFact),
    /// The markup's pixel or VAST impression.
    Impression(NoticeFact),
    /// A click.
    Click(NoticeFact),
    /// What the user did at the advertiser's.
    Conversion(ConversionFact),
}

/// A bid as it was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BidFact {
    /// The deal that it was made under.
    pub deal: Option<String>,
    /// `at` of the auction.
    pub auction_type: u16,
    /// Test traffic.
    pub test: bool,
    /// The share of auctions that was logged when this one was: it stands for `1 / sample`.
    pub sample: Ratio,
}

/// A notice, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeFact {
    /// Whether it was charged, or why not.
    pub verdict: Verdict,
    /// The price that it said: CPM in the bid's currency.
    pub price: Option<Cpm>,
    /// What was charged, in `budget_currency`; zero unless the verdict is [`Verdict::Billed`].
    pub charged: Nanos,
    /// What was asked for beyond that, and not charged.
    pub excess: Nanos,
    /// What the budget did not cover, and was not charged.
    pub uncovered: Nanos,
    /// Impressions above a capacity, billed all the same.
    pub over_capacity: i64,
    /// The advertiser's currency.
    pub budget_currency: Currency,
    /// The advertiser's day that the spend belongs to.
    pub budget_day: BudgetDay,
    /// OpenRTB's loss reason code, of a loss.
    pub loss_reason: Option<u16>,
    /// The price that would have won, of a loss: CPM in the bid's currency.
    pub min_to_win: Option<Cpm>,
}

/// Whether a notice was charged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was.
    Billed,
    /// Another kind of notice bills this bid.
    NotBilling,
    /// It came too long after the bid.
    Late,
    /// Test traffic.
    Test,
    /// A review of the creative.
    Audit,
    /// It should bill and has no price.
    Unpriced,
    /// An impression or a click of a bid whose loss was told before.
    Lost,
    /// It contradicts the bid or an earlier notice, and is kept aside; why, in a word such as "price".
    Quarantined(String),
}

impl Verdict {
    /// The word for it; a quarantine's reason stands beside it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Billed => "billed",
            Self::NotBilling => "not_billing",
            Self::Late => "late",
            Self::Test => "test",
            Self::Audit => "audit",
            Self::Unpriced => "unpriced",
            Self::Lost => "lost",
            Self::Quarantined(_) => "quarantined",
        }
    }
}

/// A conversion, and what it is attributed to: the bid of the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversionFact {
    /// Whose customer it was.
    pub advertiser: AdvertiserId,
    /// Which conversion of the advertiser it is, such as "purchase".
    pub name: String,
    /// The advertiser's own id of it, such as that of an order; empty: none.
    pub reference: String,
    /// What it is worth to the advertiser.
    pub value: Option<(Nanos, Currency)>,
    /// Why it counts for this bid, or for none.
    pub attribution: Attribution,
}

/// Why a conversion counts for a bid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribution {
    /// The last click before it.
    Click,
    /// No click; the last view before it.
    View,
    /// It counts for none; why, in a word such as "click_expired".
    None(String),
}

impl Attribution {
    /// The word for it.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::View => "view",
            Self::None(_) => "none",
        }
    }
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EventKind {
    /// A bid.
    Bid,
    /// A win notice.
    Win,
    /// A billing notice.
    Billing,
    /// A loss notice.
    Loss,
    /// An impression.
    Impression,
    /// A click.
    Click,
    /// A conversion.
    Conversion,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Bid, Self::Win, Self::Billing, Self::Loss, Self::Impression, Self::Click, Self::Conversion];

    /// The word for it in exports, options and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bid => "bid",
            Self::Win => "win",
            Self::Billing => "billing",
            Self::Loss => "loss",
            Self::Impression => "impression",
            Self::Click => "click",
            Self::Conversion => "conversion",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EventKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = || Self::ALL.map(Self::as_str).join(", ");
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("{text:?} is no kind of event: use one of {}", names()))
    }
}

impl Event {
    /// Its kind.
    pub fn kind(&self) -> EventKind {
        match &self.fact {
            Fact::Bid(_) => EventKind::Bid,
            Fact::Win(_) => EventKind::Win,
            Fact::Billing(_) => EventKind::Billing,
            Fact::Loss(_) => EventKind::Loss,
            Fact::Impression(_) => EventKind::Impression,
            Fact::Click(_) => EventKind::Click,
            Fact::Conversion(_) => EventKind::Conversion,
        }
    }

    /// Whose it is.
    pub fn advertiser(&self) -> Option<AdvertiserId> {
        match (&self.bid, &self.fact) {
            (Some(bid), _) => Some(bid.advertiser),
            (None, Fact::Conversion(conversion)) => Some(conversion.advertiser),
            (None, _) => None,
        }
    }
}

/// The share of auctions whose bids are logged. A bid's id alone decides, by its first 64 bits, which all bids of one
/// answer share: so all bids of an auction are in the log or none is, and whoever has a bid's id can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BidSample {
    share: Ratio,
    /// Ids whose first 64 bits are below are in.
    below: u128,
}

impl BidSample {
    /// No bids.
    pub const NONE: Self = Self { share: Ratio(0), below: 0 };

    /// This share of all auctions, in millionths: none at zero, all at one.
    pub fn new(share: Ratio) -> Self {
        let millionths = u128::try_from(share.0.clamp(0, Ratio::ONE.0)).unwrap_or(0);
        Self { share, below: (millionths << 64) / 1_000_000 }
    }

    /// The share.
    pub fn share(self) -> Ratio {
        self.share
    }

    /// Whether this bid is in.
    pub fn takes(self, bid: BidId) -> bool {
        bid.0 >> 64 < self.below
    }
}

/// Who numbers the records that it appends: 1 to 64 of `a-z`, `0-9`, `.`, `-`, `_`. Positions of one source never come
/// twice, so the name of a source that counts in a database has that database's random life in it: one that was restored
/// from a backup, and counts on from there, is another source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventSource(String);

impl EventSource {
    /// Longest name, in bytes.
    pub const MAX_LEN: usize = 64;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EventSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
        if (1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(plain) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("source {text:?}: use 1 to {} of a-z, 0-9, '.', '-' and '_'", Self::MAX_LEN))
        }
    }
}

impl fmt::Display for EventSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Records of one source, in the order of their positions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventBatch {
    /// Who numbers them.
    pub source: EventSource,
    /// Position of the record that comes before the first of them; 0: there is none. It says that nothing is left out.
    pub after: u64,
    /// Positions, strictly rising and above `after`, with their events; at most [`MAX_APPEND`].
    pub records: Vec<(u64, Event)>,
}

/// Why a batch is not in the log. Nothing of it is, or some of it from the front: [`EventSink::position`] says how much.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AppendError {
    /// The log ends before `after`: what lies between has to be appended first. Where nobody has it any more, a batch that says
    /// `after: last` leaves it out.
    #[error("the event log has this source up to position {last}; append from there on")]
    Gap {
        /// The last position of the source that the log has.
        last: u64,
    },
    /// The batch can never be taken.
    #[error("event batch refused: {0}")]
    Refused(String),
    /// The disk or the log's thread did not do it: the same batch may succeed later.
    #[error("event log: {0}")]
    Unavailable(String),
}

/// Where events go.
#[async_trait]
pub trait EventSink: Send + Sync + 'static {
    /// Takes a sampled event. Never waits: what finds no room is dropped and counted, and so is what a crash finds in memory.
    fn offer(&self, event: Event);

    /// Keeps the records of a source, each once: what it has already (positions up to the last) is skipped, so a batch may be
    /// repeated when its answer was lost. Durable when it returns: the last position of the source, which is that of the
    /// batch or a later one. A call that is dropped may have been carried out.
    async fn append(&self, batch: EventBatch) -> Result<u64, AppendError>;

    /// The last position of a source that the log has durably; 0: none. Whoever lost count goes on from here.
    async fn position(&self, source: &EventSource) -> Result<u64, AppendError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_takes_its_share_and_all_bids_of_an_answer() {
        let sample = BidSample::new(Ratio(10_000));
        // Multiples of an odd number near 2^64 / golden ratio spread evenly.
        let ids = (0..100_000_u64).map(|n| u128::from(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) << 64);
        let taken: Vec<u128> = ids.filter(|id| sample.takes(BidId(*id))).collect();
        assert!((990..=1_010).contains(&taken.len()), "{} of 100,000 at 1 %", taken.len());
        assert!(taken.iter().all(|id| sample.takes(BidId(id | u128::from(u64::MAX)))));
        let (none, all) = (BidSample::new(Ratio(0)), BidSample::new(Ratio::ONE));
        assert!(!none.takes(BidId(0)) && all.takes(BidId(u128::MAX)));
        assert_eq!(none, BidSample::NONE);
    }

    #[test]
    fn kinds_and_sources_are_read_by_name() {
        for kind in EventKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        assert!("views".parse::<EventKind>().unwrap_err().contains("impression, click"));
        assert_eq!("ledger.3f".parse::<EventSource>().unwrap().as_str(), "ledger.3f");
        for bad in ["", "Ledger", "a/b", "a b", &"x".repeat(65)] {
            assert!(bad.parse::<EventSource>().is_err(), "{bad:?}");
        }
    }
}
