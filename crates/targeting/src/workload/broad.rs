//! Line items of the broad workload.

use tagbid_types::ListId;

use super::World;
use super::items::{Advertiser, Draft, ITEMS_PER_ADVERTISER, carries, not};
use crate::{Dimension, Expr, Leaf};

/// Audiences draw from so many of the most popular tags, each as likely: a user carries some forty of them.
const POPULAR_TAGS: usize = 2_000;

impl World {
    pub(super) fn broad_item(&self, number: usize, advertiser: &Advertiser) -> Expr {
        let mut draft = Draft::new(self, 0xB_0AD0_0000_0000 + number as u64);
        draft.anywhere(advertiser);
        draft.device();
        draft.hours();
        draft.unless_blocked(number / ITEMS_PER_ADVERTISER);
        draft.any_placement(advertiser);
        draft.large_audiences();
        Expr::All(draft.clauses)
    }
}

impl Draft<'_> {
    /// Half worldwide, a third in several countries, the rest in the advertiser's own.
    fn anywhere(&mut self, advertiser: &Advertiser) {
        let world = self.world;
        let kind = self.random.fraction();
        if kind < 0.50 {
            // Worldwide.
        } else if kind < 0.85 {
            let countries = self.distinct(&world.country_wanted, 2, 12);
            self.include(Dimension::Country, &countries);
        } else {
            self.include(Dimension::Country, &[advertiser.home]);
        }
    }

    fn unless_blocked(&mut self, advertiser: usize) {
        if self.random.chance(0.6) {
            let list = ListId(advertiser as u64);
            self.clauses.push(not(Expr::Leaf(Leaf::OnList { dimension: Dimension::Site, list })));
        }
    }

    /// Of what a placement offers never the size.
    fn any_placement(&mut self, advertiser: &Advertiser) {
        let world = self.world;
        if self.random.chance(0.6) {
            let languages = self.distinct(&world.language, 1, 4);
            self.include(Dimension::Language, &languages);
        }
        if self.random.chance(0.4) {
            self.include(Dimension::Exchange, &advertiser.exchanges);
        }
        if self.random.chance(0.1) {
            let categories = self.distinct(&world.category, 4, 40);
            self.include(Dimension::Category, &categories);
        }
        if self.random.chance(0.4) {
            self.exclude(Dimension::Category, &advertiser.excluded_categories);
        }
    }

    /// One or two sets of 20 to 100 popular tags, and some popular ones excluded.
    fn large_audiences(&mut self) {
        let world = self.world;
        for chance in [1.0, 0.7] {
            if self.random.chance(chance) {
                let wanted = self.popular_tags(20, 100);
                self.clauses.push(carries(&wanted));
            }
        }
        if self.random.chance(0.6) {
            let unwanted = self.distinct(&world.tag, 1, 5);
            self.clauses.push(not(carries(&unwanted)));
        }
    }

    fn popular_tags(&mut self, least: usize, most: usize) -> Vec<u32> {
        let count = self.random.between(least, most);
        let mut tags: Vec<_> =
            (0..count).filter_map(|_| u32::try_from(self.random.below(POPULAR_TAGS)).ok()).collect();
        tags.sort_unstable();
        tags.dedup();
        tags
    }
}
