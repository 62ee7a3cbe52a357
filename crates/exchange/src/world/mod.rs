//! The simulated world: places, media, devices, deals and money. The generator draws requests from it and the
//! demo's catalogue takes its targeting from it, so that line items and requests really meet.
//!
//! All names are made up and end in `.example` (RFC 2606).

mod devices;
mod media;
mod places;

pub use devices::{BROWSING, CRAWLER, Device, MOBILE, TELEVISIONS, device_type};
pub use media::{App, Publisher, Screen, Site, Store, TOPICS, Topic};
pub use places::{COUNTRIES, City, Country, Regime};

use tagbid_types::{Cpm, Currency, Ratio};

/// Our vendor id in the TC strings of the world: far above those that IAB Europe has given out.
pub const VENDOR_ID: u16 = 4000;

/// Our seat in the world's `wseat` lists and deals.
pub const SEAT: &str = "tagbid";

/// A seat that is never ours.
pub const OTHER_SEAT: &str = "someone-else";

/// The domain under which the simulated exchange stands in `schain` and `ads.txt`.
pub const EXCHANGE_DOMAIN: &str = "exchange.example";

/// Who advertises: `adomain` of the demo's creatives, and what `badv` lists are drawn from.
pub const ADVERTISER_DOMAINS: [&str; 12] = [
    "volta-motors.example",
    "northwind-air.example",
    "kettle-and-bean.example",
    "bluebird-bank.example",
    "stride-shoes.example",
    "pixelforge-games.example",
    "casa-mobel.example",
    "lumen-energy.example",
    "freshcart.example",
    "aurora-telecom.example",
    "wanderlust-hotels.example",
    "zenfit.example",
];

/// Categories that careful publishers block (`bcat`), in IAB content categories 1.0.
pub const SENSITIVE_CATEGORIES: [&str; 8] =
    ["IAB7-39", "IAB8-18", "IAB9-9", "IAB14-1", "IAB24", "IAB25-3", "IAB25", "IAB26"];

/// Banner sizes in pixels, the commonest first.
pub const BANNER_SIZES: [(u16, u16); 8] =
    [(300, 250), (320, 50), (728, 90), (300, 600), (160, 600), (970, 250), (320, 480), (468, 60)];

/// A format of an impression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// HTML in a rectangle.
    Banner,
    /// VAST video.
    Video,
    /// VAST or DAAST audio.
    Audio,
    /// Native assets.
    Native,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Banner, Self::Video, Self::Audio, Self::Native];

    /// A usual floor in dollars; market prices are about three times as high.
    pub const fn usual_floor(self) -> Cpm {
        match self {
            Self::Banner => Cpm(400_000),
            Self::Native => Cpm(700_000),
            Self::Audio => Cpm(2_000_000),
            Self::Video => Cpm(4_000_000),
        }
    }

    /// The member of `imp` that offers it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Banner => "banner",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Native => "native",
        }
    }
}

/// A deal that the exchange offers on impressions of one format.
#[derive(Clone, Debug)]
pub struct Deal {
    /// `deal.id`.
    pub code: String,
    /// What it is offered on.
    pub format: Format,
    /// `deal.at`: 1 first price, 2 second price, 3 the floor is the price.
    pub auction: u8,
    /// `deal.bidfloor`.
    pub floor: Cpm,
    /// `deal.bidfloorcur`.
    pub currency: Currency,
    /// Whether `wseat` names [`SEAT`]; otherwise the deal is open to every seat.
    pub for_our_seat: bool,
}

/// What one unit of a currency is worth in US dollars: fixed, so that runs repeat. A server under test must be
/// configured with the same rates.
pub const RATES: [(&str, Ratio); 6] = [
    ("USD", Ratio::ONE),
    ("EUR", Ratio(1_080_000)),
    ("GBP", Ratio(1_270_000)),
    ("JPY", Ratio(6_700)),
    ("CAD", Ratio(730_000)),
    ("BRL", Ratio(180_000)),
];

/// The vocabularies. None of the lists is ever empty.
#[derive(Clone, Debug)]
pub struct World {
    sites: Vec<Site>,
    apps: Vec<App>,
    screens: Vec<Screen>,
    deals: Vec<Deal>,
}

impl World {
    /// The one world: 15 countries, 96 sites, 48 apps, 4 screens, 12 deals.
    pub fn standard() -> Self {
        Self { sites: media::sites(), apps: media::apps(), screens: media::screens(), deals: deals() }
    }

    /// Sites, the most visited first.
    pub fn sites(&self) -> &[Site] {
        &self.sites
    }

    /// Apps, the most used first.
    pub fn apps(&self) -> &[App] {
        &self.apps
    }

    /// Screens in public places.
    pub fn screens(&self) -> &[Screen] {
        &self.screens
    }

    /// Deals that the exchange offers.
    pub fn deals(&self) -> &[Deal] {
        &self.deals
    }

    /// Our id of a user, as `user.buyeruid`: users are numbered from 1.
    pub fn buyer_uid(number: u32) -> String {
        format!("user-{number:06}")
    }

    /// The advertising id of a user's device, as `device.ifa`: a version 4 UUID that depends on the number alone.
    pub fn device_id(number: u32) -> String {
        let high = mix(u64::from(number));
        let low = mix(high);
        format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 52,
            low & 0xffff_ffff_ffff
        )
    }
}

/// The finaliser of SplitMix64 (Steele, Lea, Flood 2014): spreads small numbers over 64 bits, one to one.
pub(crate) const fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn deals() -> Vec<Deal> {
    let terms = [
        (Format::Banner, 1, 900_000, "USD", true),
        (Format::Video, 1, 6_000_000, "USD", true),
        (Format::Native, 2, 1_200_000, "EUR", true),
        (Format::Audio, 1, 3_000_000, "USD", false),
        (Format::Banner, 2, 1_500_000, "EUR", false),
        (Format::Video, 3, 9_000_000, "USD", true),
        (Format::Banner, 3, 2_000_000, "USD", true),
        (Format::Video, 2, 5_000_000, "GBP", false),
        (Format::Native, 3, 2_500_000, "USD", true),
        (Format::Audio, 3, 4_000_000, "EUR", true),
        (Format::Banner, 1, 400_000, "GBP", false),
        (Format::Video, 1, 700_000_000, "JPY", false),
    ];
    (1..)
        .zip(terms)
        .map(|(number, (format, auction, floor, currency, for_our_seat))| Deal {
            code: format!("deal-{}-{number:02}", format.as_str()),
            format,
            auction,
            floor: Cpm(floor),
            currency: currency.parse().unwrap_or(Currency::USD),
            for_our_seat,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_world_is_whole() {
        let world = World::standard();
        assert_eq!(COUNTRIES.iter().map(|c| c.share).sum::<u32>(), 1000);
        assert!(COUNTRIES.iter().all(|c| !c.cities.is_empty() && !c.carriers.is_empty()));
        assert!(COUNTRIES.iter().all(|c| c.currency().as_str() == c.currency));
        let sizes = [world.sites.len(), world.apps.len(), world.screens.len(), world.deals.len()];
        assert_eq!(sizes, [96, 48, 4, 12]);
    }

    #[test]
    fn ids_are_unique() {
        let world = World::standard();
        let ids: Vec<&str> = world
            .sites
            .iter()
            .map(|s| s.domain.as_str())
            .chain(world.apps.iter().map(|a| a.bundle.as_str()))
            .chain(world.deals.iter().map(|d| d.code.as_str()))
            .collect();
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), ids.len());
        let devices: HashSet<String> = (1..=1000).map(World::device_id).collect();
        assert_eq!(devices.len(), 1000);
        assert!(devices.iter().all(|id| id.len() == 36));
    }
}
