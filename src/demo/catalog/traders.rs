//! Who advertises in the demo: eight companies that do not exist, with money and clocks of their own.

use tagbid_catalog::{
    Advertiser, Budget, Campaign, CapScope, CapWindow, FrequencyCap, Header, Schedule, Status,
};
use tagbid_exchange::world::TOPICS;
use tagbid_types::{AdvertiserId, CampaignId, Currency, Timestamp};

use super::money::worth;
use super::words::{EVERY_DAY, hour_set};

/// A company and where it sells.
#[derive(Debug)]
pub(crate) struct Trader {
    pub(crate) name: &'static str,
    /// One of the world's `ADVERTISER_DOMAINS`, so that some publishers block it.
    pub(crate) domain: &'static str,
    pub(crate) currency: &'static str,
    pub(crate) time_zone: &'static str,
    /// Content category of its creatives, IAB 1.0.
    pub(crate) category: &'static str,
    /// What its creatives say.
    pub(crate) slogan: &'static str,
    /// What its buyers are in the market for.
    pub(crate) product: &'static str,
    /// Countries it sells to, ISO 3166-1 alpha-3, the biggest first.
    pub(crate) markets: &'static [&'static str],
    /// Topics that suit it, by their word.
    pub(crate) topics: [&'static str; 3],
}

/// The companies. The first one is the advertiser of the demo's tour.
#[rustfmt::skip]
pub(crate) static TRADERS: [Trader; 8] = [
    Trader {
        name: "Volta Motors", domain: "volta-motors.example", currency: "EUR", time_zone: "Europe/Berlin",
        category: "IAB2-3", slogan: "The quiet way to work", product: "electric cars",
        markets: &["DEU", "FRA", "ITA", "ESP"], topics: ["autos", "news", "tech"],
    },
    Trader {
        name: "Northwind Air", domain: "northwind-air.example", currency: "CAD", time_zone: "America/Toronto",
        category: "IAB20-3", slogan: "North by the evening", product: "flights",
        markets: &["CAN", "USA", "GBR"], topics: ["travel", "weather", "news"],
    },
    Trader {
        name: "Kettle & Bean", domain: "kettle-and-bean.example", currency: "USD", time_zone: "America/New_York",
        category: "IAB8-5", slogan: "Roasted this morning", product: "coffee",
        markets: &["USA"], topics: ["food", "home", "health"],
    },
    Trader {
        name: "Bluebird Bank", domain: "bluebird-bank.example", currency: "GBP", time_zone: "Europe/London",
        category: "IAB13-7", slogan: "Savings that sing", product: "savings accounts",
        markets: &["GBR"], topics: ["finance", "news", "home"],
    },
    Trader {
        name: "Stride Shoes", domain: "stride-shoes.example", currency: "USD", time_zone: "America/Los_Angeles",
        category: "IAB18-3", slogan: "Run further for longer", product: "running shoes",
        markets: &["USA", "MEX", "CAN"], topics: ["sports", "style", "health"],
    },
    Trader {
        name: "Pixelforge Games", domain: "pixelforge-games.example", currency: "JPY", time_zone: "Asia/Tokyo",
        category: "IAB9-30", slogan: "One more level", product: "mobile games",
        markets: &["JPN", "AUS", "IND"], topics: ["games", "movies", "tech"],
    },
    Trader {
        name: "Casa Möbel", domain: "casa-mobel.example", currency: "EUR", time_zone: "Europe/Madrid",
        category: "IAB10-7", slogan: "Sit down, you are home", product: "furniture",
        markets: &["ESP", "NLD", "POL", "SWE"], topics: ["home", "family", "pets"],
    },
    Trader {
        name: "Lumen Energy", domain: "lumen-energy.example", currency: "BRL", time_zone: "America/Sao_Paulo",
        category: "IAB10", slogan: "Light from the roof", product: "solar power",
        markets: &["BRA", "MEX"], topics: ["tech", "music", "weather"],
    },
];

/// Campaigns of each company.
pub(super) const CAMPAIGNS: usize = 2;

/// 2025-01-01T00:00Z, when every flight had begun.
const START: Timestamp = Timestamp::from_secs(1_735_689_600);
/// 2045-01-01T00:00Z: no flight of the demo ends while somebody looks.
const END: Timestamp = Timestamp::from_secs(2_366_841_600);

impl Trader {
    /// Its money.
    pub(crate) fn currency(&self) -> Currency {
        self.currency.parse().unwrap_or(Currency::USD)
    }

    /// Positions in the world's [`TOPICS`].
    pub(crate) fn topic_numbers(&self) -> impl Iterator<Item = usize> {
        self.topics.iter().filter_map(|word| TOPICS.iter().position(|topic| topic.word == *word))
    }
}

/// The id of the company at this position.
pub(super) fn advertiser_id(trader: usize) -> AdvertiserId {
    AdvertiserId(trader as u64 + 1)
}

/// Which of a company's campaigns always runs. A line item's number chooses its campaign ([`campaign_id`]); the first
/// company's line item for people in the market, which the tour is about, has an odd one.
const ALWAYS_ON: usize = 1;

/// The id of one of a company's campaigns.
pub(super) fn campaign_id(trader: usize, campaign: usize) -> CampaignId {
    CampaignId((trader * CAMPAIGNS + campaign % CAMPAIGNS) as u64 + 1)
}

/// All advertisers.
pub(super) fn advertisers() -> impl Iterator<Item = Advertiser> {
    TRADERS.iter().enumerate().map(|(position, trader)| Advertiser {
        id: advertiser_id(position),
        header: Header::default(),
        name: trader.name.into(),
        domain: trader.domain.into(),
        currency: trader.currency(),
        time_zone: trader.time_zone.into(),
        budget: Budget { daily: Some(worth(5_000, trader.currency())), lifetime: None },
        capacity: tagbid_catalog::Capacity::default(),
        caps: vec![FrequencyCap { scope: CapScope::Advertiser, impressions: 20, window: CapWindow::Day }],
        never_contact: vec![],
    })
}

/// All campaigns: each company has one that always runs and one that sleeps from three to five.
pub(super) fn campaigns() -> impl Iterator<Item = Campaign> {
    TRADERS.iter().enumerate().flat_map(|(trader, company)| {
        let currency = company.currency();
        let campaign = move |number, name: &str, schedule, daily| Campaign {
            id: campaign_id(trader, number),
            header: Header::default(),
            advertiser: advertiser_id(trader),
            name: name.into(),
            status: Status::Active,
            schedule,
            budget: Budget {
                daily: Some(worth(daily, currency)),
                lifetime: Some(worth(daily * 400, currency)),
            },
            capacity: tagbid_catalog::Capacity::default(),
            caps: Vec::new(),
            tier: 0,
        };
        let flight = Schedule { start: Some(START), end: Some(END), dayparts: None };
        let daytime = hour_set(&EVERY_DAY, (0..3).chain(5..24));
        let waking = Schedule { dayparts: Some(daytime), ..Schedule::default() };
        let launch = campaign(ALWAYS_ON + 1, "Launch of the year", waking, 1_000);
        [campaign(ALWAYS_ON, "Always on", flight, 2_000), launch]
    })
}
