//! The workloads of targeting search: seeded requests and line items, the same on every machine.
//!
//! One world of requests: 15 dimensions with skewed popularity, 30 to 100 tags a user. Two kinds of catalogs
//! ([`Workload`]) search it: narrow ones, where 0.18 to 0.26 % of the line items match a request, and broad ones, where
//! 2 to 3 % do. Benches, load tests and comparisons of engines all draw from here, so that their figures can be held
//! against each other. Nothing here runs on the bid path.

mod broad;
mod items;
mod random;

use std::ops::Range;

use bumpalo::Bump;
use tagbid_types::{Cpm, ListId, TagId};

pub use random::Random;
use random::Zipf;

use crate::{Attributes, Dimension, Expr, Knowledge, Lists, UserTag};
use items::ITEMS_PER_ADVERTISER;

/// Countries, and the shares of the other sets of values that depend on nothing else.
const COUNTRIES: usize = 60;
const REGIONS_PER_COUNTRY: u32 = 20;
const CITIES_PER_REGION: u32 = 15;
const LANGUAGES: u32 = 20;
const SITES: usize = 10_000;
const CATEGORIES: usize = 400;
const TAGS: usize = 50_000;
const DEALS: usize = 2_000;
/// Of a thirteenth each: desktops first, then phones, tablets, televisions, others.
const DEVICES: [u32; 13] = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 4];

/// What the line items are like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workload {
    /// Narrow targeting, about 7 clauses a line item: most want one country and nearly all name sizes.
    Reference,
    /// Hard for whatever files line items under a rare clause: half of them are worldwide, none names sizes, their
    /// audiences are large sets of popular tags, and block lists are shared lists ([`World::block_lists`]).
    Broad,
}

impl Workload {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Reference, Self::Broad];

    /// Its name in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Broad => "broad",
        }
    }
}

/// The block lists of a broad workload, owned.
#[derive(Clone, Debug, Default)]
pub struct BlockLists(Vec<Vec<String>>);

impl BlockLists {
    /// For an engine's build.
    pub fn lists(&self) -> Lists<'_> {
        let mut lists = Lists::default();
        for (values, id) in self.0.iter().zip(0..) {
            lists.insert(ListId(id), Dimension::Site, values);
        }
        lists
    }
}

/// The most that the line item of this number bids: from 0.10 to 10, the cheap ones more frequent, as in any campaign.
/// It depends on nothing else about the line item.
pub fn bound(number: u32) -> Cpm {
    let share = Random::new(u64::from(number)).fraction();
    Cpm::from_f64(0.1 * 100_f64.powf(share)).unwrap_or_default()
}

/// Popularity of every kind of value. Advertisers' interests ("wanted") are flatter than the traffic.
#[derive(Debug)]
pub struct World {
    country: Zipf,
    country_wanted: Zipf,
    region: Zipf,
    city: Zipf,
    os: Zipf,
    browser: Zipf,
    hour: Zipf,
    site: Zipf,
    site_wanted: Zipf,
    size: Zipf,
    language: Zipf,
    connection: Zipf,
    exchange: Zipf,
    category: Zipf,
    tag: Zipf,
    tag_wanted: Zipf,
    deal: Zipf,
    /// A site is always about the same things.
    site_categories: Vec<Vec<u32>>,
}

impl Default for World {
    fn default() -> Self {
        let category = Zipf::new(CATEGORIES, 0.8);
        let mut random = Random::new(77);
        let site_categories = (0..SITES)
            .map(|_| {
                let count = random.between(1, 4);
                category.distinct(&mut random, count)
            })
            .collect();
        Self {
            country: Zipf::new(COUNTRIES, 1.1),
            country_wanted: Zipf::new(COUNTRIES, 0.9),
            region: Zipf::new(REGIONS_PER_COUNTRY as usize, 0.8),
            city: Zipf::new(CITIES_PER_REGION as usize, 0.8),
            os: Zipf::new(8, 1.0),
            browser: Zipf::new(12, 1.2),
            hour: Zipf::new(168, 0.2),
            site: Zipf::new(SITES, 1.0),
            site_wanted: Zipf::new(SITES, 0.7),
            size: Zipf::new(20, 0.9),
            language: Zipf::new(LANGUAGES as usize, 1.2),
            connection: Zipf::new(5, 0.8),
            exchange: Zipf::new(30, 0.7),
            category,
            tag: Zipf::new(TAGS, 0.9),
            tag_wanted: Zipf::new(TAGS, 0.7),
            deal: Zipf::new(DEALS, 0.8),
            site_categories,
        }
    }
}

/// A request of one impression, as numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// The dimensions with one value each.
    single: [(Dimension, u32); 11],
    hour: u32,
    categories: Vec<u32>,
    tags: Vec<u32>,
    deals: Vec<u32>,
}

impl World {
    /// The next request.
    pub fn visit(&self, random: &mut Random) -> Visit {
        let country = self.country.draw(random);
        let region = country * REGIONS_PER_COUNTRY + self.region.draw(random);
        let city = region * CITIES_PER_REGION + self.city.draw(random);
        let device = random.one_of(&DEVICES);
        let site = self.site.draw(random);
        let tags = random.between(30, 100);
        let deals = if random.chance(0.3) { random.between(1, 5) } else { 0 };
        let (os, browser) = (self.os.draw(random), self.browser.draw(random));
        let hour = self.hour.draw(random);
        let size = self.size.draw(random);
        let language = self.language_in(country, random);
        Visit {
            single: [
                (Dimension::Country, country),
                (Dimension::Region, region),
                (Dimension::City, city),
                (Dimension::DeviceType, device),
                (Dimension::Os, os),
                (Dimension::Browser, browser),
                (Dimension::Site, site),
                (Dimension::Size, size),
                (Dimension::Language, language),
                (Dimension::Connection, self.connection.draw(random)),
                (Dimension::Exchange, self.exchange.draw(random)),
            ],
            hour,
            categories: self.site_categories.get(site as usize).cloned().unwrap_or_default(),
            tags: self.tag.distinct(random, tags),
            deals: self.deal.distinct(random, deals),
        }
    }
}

impl World {
    /// Targeting of the line items with these numbers, in their order; any number has one.
    pub fn items(&self, workload: Workload, numbers: Range<usize>) -> Vec<Expr> {
        let mut items = Vec::with_capacity(numbers.len());
        let mut advertiser = None;
        for number in numbers {
            let id = number / ITEMS_PER_ADVERTISER;
            let (_, advertiser) = match advertiser.take().filter(|(of, _)| *of == id) {
                Some(same) => advertiser.insert(same),
                None => advertiser.insert((id, self.advertiser(id))),
            };
            items.push(match workload {
                Workload::Reference => self.reference_item(number, advertiser),
                Workload::Broad => self.broad_item(number, advertiser),
            });
        }
        items
    }

    /// The shared lists that the first so many line items of the broad workload name.
    pub fn block_lists(&self, items: usize) -> BlockLists {
        let values = |advertiser| {
            let blocked = self.advertiser(advertiser).blocked_sites;
            blocked.into_iter().map(|site| text(Dimension::Site, site)).collect()
        };
        BlockLists((0..items.div_ceil(ITEMS_PER_ADVERTISER)).map(values).collect())
    }

    /// Mostly the language of the country.
    fn language_in(&self, country: u32, random: &mut Random) -> u32 {
        if random.chance(0.75) { country % LANGUAGES } else { self.language.draw(random) }
    }
}

impl Visit {
    /// What targeting sees of it. Every tag is offline, heavy and fresh, and every source of tags has answered.
    pub fn attributes<'a>(&self, arena: &'a Bump) -> Attributes<'a> {
        let mut attributes = Attributes::default();
        attributes.hour_of_week = u8::try_from(self.hour).ok();
        attributes.knowledge = Knowledge::COMPLETE;
        for (dimension, value) in self.single {
            attributes.set(dimension, texts(arena, dimension, &[value]));
        }
        attributes.set(Dimension::Category, texts(arena, Dimension::Category, &self.categories));
        attributes.set(Dimension::Deal, texts(arena, Dimension::Deal, &self.deals));
        attributes.tags = arena.alloc_slice_fill_iter(self.tags.iter().map(|id| UserTag {
            id: TagId(*id),
            realtime: false,
            weight: u8::MAX,
            age_s: 0,
        }));
        attributes
    }
}

/// Values are named after their dimension: "site42".
fn text(dimension: Dimension, value: u32) -> String {
    format!("{}{value}", dimension.as_str())
}

fn texts<'a>(arena: &'a Bump, dimension: Dimension, values: &[u32]) -> &'a [&'a str] {
    let text = |value: &u32| &*arena.alloc_str(&text(dimension, *value));
    arena.alloc_slice_fill_iter(values.iter().map(text))
}

#[cfg(test)]
mod tests;
