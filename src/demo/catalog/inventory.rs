//! Where the companies want to be seen, or not: shared lists, and what was agreed with publishers.

use tagbid_catalog::{Deal, DealAuction, Header, List, ListKind};
use tagbid_exchange::world::{self, World};
use tagbid_types::{DealId, ListId};

use super::DEMO_EXCHANGE;
use super::traders::{TRADERS, Trader, advertiser_id};

/// Lists of each company.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shared {
    /// Domains that it trusts.
    TrustedDomains,
    /// Publishers that it avoids.
    BlockedPublishers,
    /// Apps that suit it.
    Apps,
    /// Sites that did well in a test.
    TestedSites,
}

impl Shared {
    const ALL: [Self; 4] = [Self::TrustedDomains, Self::BlockedPublishers, Self::Apps, Self::TestedSites];

    /// The id of the company's list.
    pub(super) fn of(self, trader: usize) -> ListId {
        ListId((trader * Self::ALL.len()) as u64 + self as u64 + 1)
    }

    const fn kind(self) -> ListKind {
        match self {
            Self::TrustedDomains => ListKind::Domain,
            Self::BlockedPublishers => ListKind::Publisher,
            Self::Apps => ListKind::App,
            Self::TestedSites => ListKind::Site,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::TrustedDomains => "Trusted domains",
            Self::BlockedPublishers => "Publishers we avoid",
            Self::Apps => "Apps that suit us",
            Self::TestedSites => "Sites that did well",
        }
    }

    /// Sorted, without duplicates, as the store keeps them.
    fn values(self, world: &World, position: usize, trader: &Trader) -> Vec<String> {
        let suits = |word: &str| trader.topics.contains(&word);
        let sites = || world.sites().iter().filter(|site| suits(site.topic.word));
        let mut values: Vec<String> = match self {
            Self::TrustedDomains => sites().map(|site| site.domain.clone()).collect(),
            Self::BlockedPublishers => {
                let publishers = world.sites().iter().map(|site| &site.publisher.id).skip(10 + position);
                publishers.step_by(9).cloned().collect()
            }
            Self::Apps => {
                let apps = world.apps().iter().enumerate();
                apps.filter(|(n, app)| *n < 1 || suits(app.topic.word))
                    .map(|(_, app)| app.bundle.clone())
                    .collect()
            }
            Self::TestedSites => sites().step_by(2).map(|site| site.id.clone()).collect(),
        };
        values.sort();
        values.dedup();
        values
    }
}

/// All lists, in the order of their ids.
pub(super) fn lists(world: &World) -> impl Iterator<Item = List> {
    TRADERS.iter().enumerate().flat_map(move |(position, trader)| {
        Shared::ALL.into_iter().map(move |list| List {
            id: list.of(position),
            header: Header::default(),
            advertiser: advertiser_id(position),
            name: list.name().into(),
            kind: list.kind(),
            values: list.values(world, position, trader),
        })
    })
}

/// The deals of the world that a company has a part in: a third of them.
pub(super) fn deals_of(world: &World, trader: usize) -> impl Iterator<Item = &world::Deal> {
    world.deals().iter().enumerate().filter(move |(n, _)| n % 3 == trader % 3).map(|(_, deal)| deal)
}

/// All deals, in the order of their ids.
pub(super) fn deals(world: &World) -> impl Iterator<Item = Deal> {
    let each =
        (0..TRADERS.len()).flat_map(move |trader| deals_of(world, trader).map(move |deal| (trader, deal)));
    (1..).zip(each).filter_map(|(id, (trader, deal))| {
        Some(Deal {
            id: DealId(id),
            header: Header::default(),
            advertiser: advertiser_id(trader),
            name: format!("{} with the exchange", deal.code),
            exchange: DEMO_EXCHANGE.parse().ok()?,
            code: deal.code.clone(),
            auction: match deal.auction {
                1 => DealAuction::FirstPrice,
                3 => DealAuction::Fixed,
                _ => DealAuction::SecondPrice,
            },
            price: deal.floor,
            currency: deal.currency,
            seat: String::new(),
        })
    })
}
