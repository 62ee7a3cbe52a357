//! Line items of the reference workload, and what those of the broad one share with them.

use tagbid_types::TagId;

use super::random::{Random, Zipf};
use super::{CITIES_PER_REGION, LANGUAGES, REGIONS_PER_COUNTRY, World, text};
use crate::{Dimension, Expr, HoursOfWeek, Leaf, TagKind, TagTest};

/// Line items of one advertiser, which share its home country, block lists and exchanges.
pub(super) const ITEMS_PER_ADVERTISER: usize = 50;

/// What all line items of an advertiser have in common.
pub(super) struct Advertiser {
    pub(super) home: u32,
    pub(super) blocked_sites: Vec<u32>,
    pub(super) excluded_categories: Vec<u32>,
    pub(super) exchanges: Vec<u32>,
}

impl World {
    pub(super) fn reference_item(&self, number: usize, advertiser: &Advertiser) -> Expr {
        let mut draft = Draft::new(self, 0x1_1E00_0000 + number as u64);
        draft.geography(advertiser);
        draft.device();
        draft.hours();
        draft.sites(advertiser);
        draft.placement(advertiser);
        draft.categories(advertiser);
        draft.audience();
        Expr::All(draft.clauses)
    }

    pub(super) fn advertiser(&self, number: usize) -> Advertiser {
        let random = &mut Random::new(0xAD_0000 + number as u64);
        let home = self.country_wanted.draw(random);
        let mut some = |zipf: &Zipf, least, most| {
            let count = random.between(least, most);
            zipf.distinct(random, count)
        };
        Advertiser {
            home,
            blocked_sites: some(&self.site_wanted, 50, 300),
            excluded_categories: some(&self.category, 2, 6),
            exchanges: some(&self.exchange, 1, 6),
        }
    }
}

/// A line item in the making.
pub(super) struct Draft<'w> {
    pub(super) world: &'w World,
    pub(super) random: Random,
    pub(super) clauses: Vec<Expr>,
}

impl<'w> Draft<'w> {
    pub(super) fn new(world: &'w World, seed: u64) -> Self {
        Self { world, random: Random::new(seed), clauses: Vec::new() }
    }
}

impl Draft<'_> {
    pub(super) fn distinct(&mut self, zipf: &Zipf, least: usize, most: usize) -> Vec<u32> {
        let count = self.random.between(least, most);
        zipf.distinct(&mut self.random, count)
    }

    pub(super) fn include(&mut self, dimension: Dimension, values: &[u32]) {
        self.clauses.push(among(dimension, values));
    }

    pub(super) fn exclude(&mut self, dimension: Dimension, values: &[u32]) {
        self.clauses.push(not(among(dimension, values)));
    }

    /// A tenth worldwide, most in one country (or a part of it), some in several, some in parts of several.
    fn geography(&mut self, advertiser: &Advertiser) {
        let world = self.world;
        let kind = self.random.fraction();
        if kind < 0.10 {
            // Worldwide.
        } else if kind < 0.70 {
            let country = if self.random.chance(0.8) {
                advertiser.home
            } else {
                world.country_wanted.draw(&mut self.random)
            };
            let place = self.country_or_part(country);
            self.clauses.extend(place);
        } else if kind < 0.85 {
            let countries = self.distinct(&world.country_wanted, 2, 6);
            self.include(Dimension::Country, &countries);
        } else {
            let countries = self.distinct(&world.country_wanted, 2, 3);
            let places = countries.iter().map(|country| Expr::All(self.country_or_part(*country)));
            let places = Expr::Any(places.collect());
            self.clauses.push(places);
        }
    }

    fn country_or_part(&mut self, country: u32) -> Vec<Expr> {
        let world = self.world;
        let mut place = vec![among(Dimension::Country, &[country])];
        let part = self.random.fraction();
        let in_country = country * REGIONS_PER_COUNTRY;
        if part < 0.25 {
            let regions = self.distinct(&world.region, 1, 5);
            let regions: Vec<_> = regions.iter().map(|region| in_country + region).collect();
            place.push(among(Dimension::Region, &regions));
        } else if part < 0.35 {
            let count = self.random.between(1, 20);
            let mut cities: Vec<_> = (0..count)
                .map(|_| {
                    let region = in_country + world.region.draw(&mut self.random);
                    region * CITIES_PER_REGION + world.city.draw(&mut self.random)
                })
                .collect();
            cities.sort_unstable();
            cities.dedup();
            place.push(among(Dimension::City, &cities));
        }
        place
    }

    pub(super) fn device(&mut self) {
        let world = self.world;
        if self.random.chance(0.4) {
            let devices: &[u32] = match self.random.below(4) {
                0 => &[0],
                1 => &[1],
                2 => &[0, 2],
                _ => &[3, 4],
            };
            self.include(Dimension::DeviceType, devices);
        }
        if self.random.chance(0.4) {
            let systems = self.distinct(&world.os, 1, 3);
            self.include(Dimension::Os, &systems);
        }
        if self.random.chance(0.1) {
            let browsers = self.distinct(&world.browser, 1, 4);
            self.include(Dimension::Browser, &browsers);
        }
    }

    /// The same hours on working days or on all days.
    pub(super) fn hours(&mut self) {
        if !self.random.chance(0.3) {
            return;
        }
        let (first, count) = (self.random.below(20), self.random.between(4, 14));
        let days = if self.random.chance(0.5) { 5 } else { 7 };
        let hours =
            (0..days).flat_map(|day| (first..(first + count).min(24)).map(move |hour| day * 24 + hour));
        let hours = hours.filter_map(|hour| u8::try_from(hour).ok());
        if let Ok(hours) = HoursOfWeek::from_hours(hours) {
            self.clauses.push(Expr::Leaf(Leaf::Hour(hours)));
        }
    }

    /// An allow list of its own, the advertiser's block list, or that and some more, or nothing.
    fn sites(&mut self, advertiser: &Advertiser) {
        let world = self.world;
        let kind = self.random.fraction();
        if kind < 0.15 {
            let sites = self.distinct(&world.site_wanted, 5, 200);
            self.include(Dimension::Site, &sites);
        } else if kind < 0.65 {
            self.exclude(Dimension::Site, &advertiser.blocked_sites);
        } else if kind < 0.75 {
            let mut sites = advertiser.blocked_sites.clone();
            sites.extend(self.distinct(&world.site_wanted, 5, 20));
            sites.sort_unstable();
            sites.dedup();
            self.exclude(Dimension::Site, &sites);
        }
    }

    fn placement(&mut self, advertiser: &Advertiser) {
        let world = self.world;
        if self.random.chance(0.95) {
            let sizes = self.distinct(&world.size, 1, 4);
            self.include(Dimension::Size, &sizes);
        }
        if self.random.chance(0.4) {
            let mut languages = vec![advertiser.home % LANGUAGES];
            if !self.random.chance(0.7) {
                languages.push(world.language.draw(&mut self.random));
            }
            languages.sort_unstable();
            languages.dedup();
            self.include(Dimension::Language, &languages);
        }
        if self.random.chance(0.05) {
            let connection = world.connection.draw(&mut self.random);
            self.include(Dimension::Connection, &[connection]);
        }
        if self.random.chance(0.3) {
            self.include(Dimension::Exchange, &advertiser.exchanges);
        }
    }

    fn categories(&mut self, advertiser: &Advertiser) {
        let world = self.world;
        if self.random.chance(0.2) {
            let categories = self.distinct(&world.category, 1, 8);
            self.include(Dimension::Category, &categories);
        }
        if self.random.chance(0.4) {
            self.exclude(Dimension::Category, &advertiser.excluded_categories);
        }
    }

    fn audience(&mut self) {
        let world = self.world;
        if self.random.chance(0.7) {
            let wanted = self.distinct(&world.tag_wanted, 3, 20);
            self.clauses.push(carries(&wanted));
            if self.random.chance(0.25) {
                let also = self.distinct(&world.tag_wanted, 3, 20);
                self.clauses.push(carries(&also));
            }
        }
        if self.random.chance(0.4) {
            let unwanted = self.distinct(&world.tag_wanted, 1, 5);
            self.clauses.push(not(carries(&unwanted)));
        }
        if self.random.chance(0.2) {
            let deals = self.distinct(&world.deal, 1, 5);
            self.include(Dimension::Deal, &deals);
        }
    }
}

fn among(dimension: Dimension, values: &[u32]) -> Expr {
    Expr::Leaf(Leaf::In { dimension, values: values.iter().map(|value| text(dimension, *value)).collect() })
}

pub(super) fn carries(tags: &[u32]) -> Expr {
    Expr::Leaf(Leaf::Tag(TagTest {
        any_of: tags.iter().map(|id| TagId(*id)).collect(),
        kind: TagKind::Any,
        min_weight: 0,
        max_age_s: None,
    }))
}

pub(super) fn not(expr: Expr) -> Expr {
    Expr::Not(Box::new(expr))
}
