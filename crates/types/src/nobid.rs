//! Every way not to bid, by name. The name is the metric label and the trace field; the code is OpenRTB's `nbr`.

/// Why a request, or one impression of it, got no bid. Each exit of the bid path is a bid or one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum NoBidReason {
    /// The body could not be read, or breaks the specification beyond serving.
    InvalidRequest,
    /// The body or a part of it is over a limit.
    TooLarge,
    /// An internal failure; the request may have been fine.
    TechnicalError,
    /// The user agent is a known crawler.
    Crawler,
    /// The address belongs to a data centre.
    DataCenter,
    /// The supply chain is incomplete where the exchange's settings require it, or does not end in the caller.
    SupplyChain,
    /// `tmax` was too short or used up before an answer was ready.
    NoTime,
    /// Refused early because the server has more work than it can do in time.
    Overload,
    /// Consent allows not even a contextual bid.
    NoConsent,
    /// The Digital Services Act's transparency is required of every bid, and ours do not carry it.
    Transparency,
    /// The catalog copy is older than `catalog_max_age`, or none was loaded yet.
    StaleCatalog,
    /// The role is draining.
    Draining,
    /// No currency that the exchange accepts has a rate.
    Currency,
    /// None of our seats is among the buyers that were asked.
    SeatNotAllowed,
    /// A list of what may be bid (`badv`, `bcat`, `acat`, `bapp`, `wseat`, `bseat`, `cur`, `wlang`; `battr`, `btype` of
    /// the impression) cannot be read whole, so nothing can be shown to be allowed.
    UnreadableBlockList,
    /// No line item's targeting matches.
    NoMatch,
    /// Line items matched, but live state (paused, off schedule, archived) took them out.
    NotLive,
    /// The advertiser's domain is in `badv`, or not among a deal's `wadomain`.
    BlockedAdvertiser,
    /// The creative's category is in `bcat`, or not among `acat`.
    BlockedCategory,
    /// The advertised app is in `bapp`.
    BlockedApp,
    /// A creative attribute is in `battr`, or a banner type in `btype`.
    BlockedAttribute,
    /// No creative fits the impression's format, size, MIME types, APIs, protocols or duration.
    NoCreative,
    /// The impression wants secure markup and the creative is not.
    NotSecure,
    /// The exchange has not approved the creative.
    NotApproved,
    /// The impression is open to deals only and none of them is ours, or our deal forbids this seat.
    DealRequired,
    /// The price is below the floor.
    BelowFloor,
    /// The user has seen it as often as a frequency cap allows.
    FrequencyCapped,
    /// It has a frequency cap, and how often the user has seen it is not known.
    FrequencyUnknown,
    /// No budget is leased for it.
    NoBudget,
    /// The pacing controller holds it back.
    Paced,
    /// No impressions are leased for it: a capacity is used up, or was not asked for yet.
    NoCapacity,
}

impl NoBidReason {
    /// All reasons, in declaration order: the bounded label set of the no-bid metric.
    pub const ALL: [Self; 31] = [
        Self::InvalidRequest,
        Self::TooLarge,
        Self::TechnicalError,
        Self::Crawler,
        Self::DataCenter,
        Self::SupplyChain,
        Self::NoTime,
        Self::Overload,
        Self::NoConsent,
        Self::Transparency,
        Self::StaleCatalog,
        Self::Draining,
        Self::Currency,
        Self::SeatNotAllowed,
        Self::UnreadableBlockList,
        Self::NoMatch,
        Self::NotLive,
        Self::BlockedAdvertiser,
        Self::BlockedCategory,
        Self::BlockedApp,
        Self::BlockedAttribute,
        Self::NoCreative,
        Self::NotSecure,
        Self::NotApproved,
        Self::DealRequired,
        Self::BelowFloor,
        Self::FrequencyCapped,
        Self::FrequencyUnknown,
        Self::NoBudget,
        Self::Paced,
        Self::NoCapacity,
    ];

    /// The metric label and trace field.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::TooLarge => "too_large",
            Self::TechnicalError => "technical_error",
            Self::Crawler => "crawler",
            Self::DataCenter => "data_center",
            Self::SupplyChain => "supply_chain",
            Self::NoTime => "no_time",
            Self::Overload => "overload",
            Self::NoConsent => "no_consent",
            Self::Transparency => "transparency",
            Self::StaleCatalog => "stale_catalog",
            Self::Draining => "draining",
            Self::Currency => "currency",
            Self::SeatNotAllowed => "seat_not_allowed",
            Self::UnreadableBlockList => "unreadable_block_list",
            Self::NoMatch => "no_match",
            Self::NotLive => "not_live",
            Self::BlockedAdvertiser => "blocked_advertiser",
            Self::BlockedCategory => "blocked_category",
            Self::BlockedApp => "blocked_app",
            Self::BlockedAttribute => "blocked_attribute",
            Self::NoCreative => "no_creative",
            Self::NotSecure => "not_secure",
            Self::NotApproved => "not_approved",
            Self::DealRequired => "deal_required",
            Self::BelowFloor => "below_floor",
            Self::FrequencyCapped => "frequency_capped",
            Self::FrequencyUnknown => "frequency_unknown",
            Self::NoBudget => "no_budget",
            Self::Paced => "paced",
            Self::NoCapacity => "no_capacity",
        }
    }

    /// The `nbr` of the answer: OpenRTB 2.6 list "No-Bid Reason Codes" (AdCOM) up to 17; ours from 500, where the
    /// list leaves room for the seller's and buyer's own.
    pub fn nbr(self) -> i32 {
        match self {
            Self::TechnicalError | Self::Overload | Self::Draining | Self::StaleCatalog => 1,
            Self::InvalidRequest | Self::TooLarge => 2,
            Self::Crawler => 3,
            Self::DataCenter => 5,
            Self::FrequencyCapped => 9,
            Self::NoTime => 15,
            Self::SupplyChain => 16,
            Self::NoConsent => 500,
            Self::Currency => 501,
            Self::SeatNotAllowed => 502,
            Self::NoMatch => 503,
            Self::NotLive => 504,
            Self::BlockedAdvertiser => 505,
            Self::BlockedCategory => 506,
            Self::BlockedApp => 507,
            Self::BlockedAttribute => 508,
            Self::NoCreative => 509,
            Self::NotSecure => 510,
            Self::NotApproved => 511,
            Self::DealRequired => 512,
            Self::BelowFloor => 513,
            Self::NoBudget => 514,
            Self::Paced => 515,
            Self::Transparency => 516,
            Self::UnreadableBlockList => 517,
            Self::FrequencyUnknown => 518,
            Self::NoCapacity => 519,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_reason_is_listed_once_under_its_own_label() {
        let labels: HashSet<_> = NoBidReason::ALL.iter().map(|r| r.as_str()).collect();
        assert_eq!(labels.len(), NoBidReason::ALL.len());
        for (position, reason) in NoBidReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, position);
        }
    }
}
