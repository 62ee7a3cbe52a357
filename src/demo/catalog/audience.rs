//! Datasets and tags of the demo: who is interested, who is about to buy, who is a customer, who just came by.

use tagbid_catalog::{Dataset, DatasetKind, TagDefinition, UnknownNames};
use tagbid_exchange::world::TOPICS;
use tagbid_types::{AdvertiserId, DatasetId, TagId};

use super::traders::{TRADERS, advertiser_id};

const HOUR_S: u32 = 3_600;
const DAY_S: u32 = 24 * HOUR_S;

/// The datasets of offline tags, all the operator's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// What people read over months.
    Interests,
    /// What a model thinks they will buy next.
    Intent,
    /// Who has bought, from the companies' own books.
    Customers,
}

impl Audience {
    pub(crate) const ALL: [Self; 3] = [Self::Interests, Self::Intent, Self::Customers];

    /// The dataset's id in the plan.
    pub(crate) const fn id(self) -> DatasetId {
        DatasetId(self as u32 + 1)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Interests => "Interests, 90 days",
            Self::Intent => "Purchase intent, weekly model",
            Self::Customers => "Customers of all advertisers",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Interests => "What people read about, from three months of page views",
            Self::Intent => "What people are about to buy, by a model that runs every week",
            Self::Customers => "Who has bought from whom, from the companies' own books",
        }
    }

    /// The model invents new intents now and then; what is an interest is the operator's word.
    const fn unknown_names(self) -> UnknownNames {
        match self {
            Self::Interests | Self::Customers => UnknownNames::Reject,
            Self::Intent => UnknownNames::Register { most: 1_000 },
        }
    }
}

const TOPIC_COUNT: u32 = TOPICS.len() as u32;
const TRADER_COUNT: u32 = TRADERS.len() as u32;

/// Offline, shared: reads about a topic.
pub(crate) const fn interest(topic: usize) -> TagId {
    TagId(1 + topic as u32)
}

/// Offline, shared: is about to buy what a company sells.
pub(crate) const fn intent(trader: usize) -> TagId {
    TagId(1 + TOPIC_COUNT + trader as u32)
}

/// Offline, the company's own: has bought from it.
pub(crate) const fn customer(trader: usize) -> TagId {
    TagId(1 + TOPIC_COUNT + TRADER_COUNT + trader as u32)
}

/// Real-time, the company's own: has just been in its shop.
pub(crate) const fn visitor(trader: usize) -> TagId {
    TagId(1 + TOPIC_COUNT + 2 * TRADER_COUNT + trader as u32)
}

/// Real-time, shared: is reading about a topic right now.
pub(crate) const fn reading(topic: usize) -> TagId {
    TagId(1 + TOPIC_COUNT + 3 * TRADER_COUNT + topic as u32)
}

/// Half-life of a visit to a shop.
pub(crate) const VISIT_HALF_LIFE_S: u32 = 2 * HOUR_S;
/// Half-life of what somebody reads.
pub(crate) const READING_HALF_LIFE_S: u32 = HOUR_S;

/// The dataset of what happens now, the operator's.
pub(crate) const EVENTS: DatasetId = DatasetId(Audience::ALL.len() as u32 + 1);

/// All datasets.
pub(super) fn datasets() -> impl Iterator<Item = Dataset> {
    let offline = Audience::ALL.into_iter().map(|dataset| Dataset {
        id: dataset.id(),
        name: dataset.name().into(),
        description: dataset.description().into(),
        unknown_names: dataset.unknown_names(),
        default_ttl_s: 30 * DAY_S,
        fresh_within_s: 2 * DAY_S,
        ..Dataset::default()
    });
    offline.chain([Dataset {
        id: EVENTS,
        name: "Events of the last day".into(),
        description: "What people do, as it happens".into(),
        kind: DatasetKind::Realtime,
        unknown_names: UnknownNames::Register { most: 1_000 },
        half_life_s: HOUR_S,
        default_ttl_s: DAY_S,
        ..Dataset::default()
    }])
}

/// All tags, in the order of their ids.
pub(super) fn tags() -> Vec<TagDefinition> {
    let topics = || TOPICS.iter().enumerate();
    let traders = || TRADERS.iter().enumerate();
    let mut tags: Vec<TagDefinition> = Vec::new();
    tags.extend(topics().map(|(n, topic)| {
        Draft::shared(interest(n), format!("Interest: {}", topic.word)).of_dataset(Audience::Interests)
    }));
    tags.extend(traders().map(|(n, t)| {
        Draft::shared(intent(n), format!("In market: {}", t.product)).of_dataset(Audience::Intent)
    }));
    tags.extend(
        traders().map(|(n, t)| Draft::of(n, customer(n), format!("Customer of {}", t.name)).offline()),
    );
    tags.extend(
        traders().map(|(n, t)| {
            Draft::of(n, visitor(n), format!("Visited {}", t.domain)).realtime(VISIT_HALF_LIFE_S)
        }),
    );
    tags.extend(topics().map(|(n, topic)| {
        Draft::shared(reading(n), format!("Reading now: {}", topic.word)).realtime(READING_HALF_LIFE_S)
    }));
    tags
}

/// A tag of which the kind is still open.
struct Draft {
    id: TagId,
    advertiser: Option<AdvertiserId>,
    name: String,
}

impl Draft {
    fn shared(id: TagId, name: String) -> Self {
        Self { id, advertiser: None, name }
    }

    fn of(trader: usize, id: TagId, name: String) -> Self {
        Self { id, advertiser: Some(advertiser_id(trader)), name }
    }

    fn offline(self) -> TagDefinition {
        self.finish("from the nightly batch", 0, 30 * DAY_S)
    }

    /// A tag that lives by the rules of its dataset.
    fn of_dataset(self, dataset: Audience) -> TagDefinition {
        TagDefinition {
            id: self.id,
            advertiser: self.advertiser,
            dataset: Some(dataset.id()),
            name: self.name,
            ..TagDefinition::default()
        }
    }

    fn realtime(self, half_life_s: u32) -> TagDefinition {
        self.finish("from events of the last hours", half_life_s, DAY_S)
    }

    fn finish(self, description: &str, half_life_s: u32, default_ttl_s: u32) -> TagDefinition {
        TagDefinition {
            id: self.id,
            advertiser: self.advertiser,
            name: self.name,
            description: description.into(),
            half_life_s: Some(half_life_s),
            default_ttl_s: Some(default_ttl_s),
            ..TagDefinition::default()
        }
    }
}
