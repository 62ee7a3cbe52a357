//! All kinds of entities as one type: what the store, the stream and the checks handle alike.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tagbid_types::{AdvertiserId, CampaignId, CreativeId, DatasetId, DealId, LineItemId, ListId, TagId};

use crate::{Advertiser, Campaign, Creative, Dataset, Deal, Header, LineItem, List, TagDefinition};

/// Any entity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
pub enum Entity {
    /// An advertiser.
    Advertiser(Arc<Advertiser>),
    /// A campaign.
    Campaign(Arc<Campaign>),
    /// A line item.
    LineItem(Arc<LineItem>),
    /// A creative.
    Creative(Arc<Creative>),
    /// A deal.
    Deal(Arc<Deal>),
    /// A shared list.
    List(Arc<List>),
    /// A dataset.
    Dataset(Arc<Dataset>),
    /// A tag.
    Tag(Arc<TagDefinition>),
}

/// The kinds of entities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    /// [`Advertiser`].
    Advertiser,
    /// [`Campaign`].
    Campaign,
    /// [`LineItem`].
    LineItem,
    /// [`Creative`].
    Creative,
    /// [`Deal`].
    Deal,
    /// [`List`].
    List,
    /// [`Dataset`].
    Dataset,
    /// [`TagDefinition`].
    Tag,
}

impl EntityKind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::Advertiser,
        Self::Campaign,
        Self::LineItem,
        Self::Creative,
        Self::Deal,
        Self::List,
        Self::Dataset,
        Self::Tag,
    ];

    /// The kind as the API names its fields: the root of problem paths, the name in the store and in audits.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Advertiser => "advertiser",
            Self::Campaign => "campaign",
            Self::LineItem => "line_item",
            Self::Creative => "creative",
            Self::Deal => "deal",
            Self::List => "list",
            Self::Dataset => "dataset",
            Self::Tag => "tag_definition",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for EntityKind {
    /// For people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_str().replace('_', " "))
    }
}

/// Identity of an entity across kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntityKey {
    /// Its kind.
    pub kind: EntityKind,
    /// Its id within the kind.
    pub id: u64,
}

impl fmt::Display for EntityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)
    }
}

macro_rules! key_from {
    ($($id:ident => $kind:ident),+) => {
        $(impl From<$id> for EntityKey {
            fn from(id: $id) -> Self {
                Self { kind: EntityKind::$kind, id: id.0.into() }
            }
        })+
    };
}

key_from!(AdvertiserId => Advertiser, CampaignId => Campaign, LineItemId => LineItem, CreativeId => Creative,
    DealId => Deal, ListId => List, DatasetId => Dataset, TagId => Tag);

/// The same expression for each kind's body.
macro_rules! each {
    ($entity:expr, $body:ident => $do:expr) => {
        match $entity {
            Self::Advertiser($body) => $do,
            Self::Campaign($body) => $do,
            Self::LineItem($body) => $do,
            Self::Creative($body) => $do,
            Self::Deal($body) => $do,
            Self::List($body) => $do,
            Self::Dataset($body) => $do,
            Self::Tag($body) => $do,
        }
    };
}

impl Entity {
    /// Kind and id.
    pub fn key(&self) -> EntityKey {
        each!(self, body => body.id.into())
    }

    /// Its kind.
    pub fn kind(&self) -> EntityKind {
        self.key().kind
    }

    /// What the store keeps of it.
    pub fn header(&self) -> &Header {
        each!(self, body => &body.header)
    }

    /// For the store: what it keeps of the entity.
    pub fn header_mut(&mut self) -> &mut Header {
        each!(self, body => &mut Arc::make_mut(body).header)
    }

    /// The name for people.
    pub fn name(&self) -> &str {
        each!(self, body => &body.name)
    }

    /// The advertiser that it belongs to (an advertiser belongs to itself); none: the operator.
    pub fn owner(&self) -> Option<AdvertiserId> {
        match self {
            Self::Advertiser(e) => Some(e.id),
            Self::Campaign(e) => Some(e.advertiser),
            Self::LineItem(e) => Some(e.advertiser),
            Self::Creative(e) => Some(e.advertiser),
            Self::Deal(e) => Some(e.advertiser),
            Self::List(e) => Some(e.advertiser),
            Self::Dataset(e) => e.advertiser,
            Self::Tag(e) => e.advertiser,
        }
    }

    /// Gives it an owner; an advertiser keeps itself.
    pub fn set_owner(&mut self, owner: AdvertiserId) {
        match self {
            Self::Advertiser(_) => {}
            Self::Campaign(e) => Arc::make_mut(e).advertiser = owner,
            Self::LineItem(e) => Arc::make_mut(e).advertiser = owner,
            Self::Creative(e) => Arc::make_mut(e).advertiser = owner,
            Self::Deal(e) => Arc::make_mut(e).advertiser = owner,
            Self::List(e) => Arc::make_mut(e).advertiser = owner,
            Self::Dataset(e) => Arc::make_mut(e).advertiser = Some(owner),
            Self::Tag(e) => Arc::make_mut(e).advertiser = Some(owner),
        }
    }

    /// For the store: gives it an id. False when the kind's ids end below.
    #[must_use]
    pub fn set_id(&mut self, id: u64) -> bool {
        let short = u32::try_from(id);
        match self {
            Self::Advertiser(e) => Arc::make_mut(e).id = AdvertiserId(id),
            Self::Campaign(e) => Arc::make_mut(e).id = CampaignId(id),
            Self::LineItem(e) => Arc::make_mut(e).id = LineItemId(id),
            Self::Creative(e) => Arc::make_mut(e).id = CreativeId(id),
            Self::Deal(e) => Arc::make_mut(e).id = DealId(id),
            Self::List(e) => Arc::make_mut(e).id = ListId(id),
            Self::Dataset(e) => match short {
                Ok(id) => Arc::make_mut(e).id = DatasetId(id),
                Err(_) => return false,
            },
            Self::Tag(e) => match short {
                Ok(id) => Arc::make_mut(e).id = TagId(id),
                Err(_) => return false,
            },
        }
        true
    }

    /// What no two live entities of one kind and owner share, and the field that holds it: a tag's or dataset's name, a
    /// deal's code on its exchange.
    pub fn unique(&self) -> Option<(&'static str, String)> {
        match self {
            Self::Dataset(e) => Some(("name", e.name.to_lowercase())),
            Self::Tag(e) => Some(("name", tag_key(e))),
            Self::Deal(e) => Some(("code", format!("{}/{}", e.exchange, e.code))),
            Self::Advertiser(_)
            | Self::Campaign(_)
            | Self::LineItem(_)
            | Self::Creative(_)
            | Self::List(_) => None,
        }
    }

    /// The entity that it hangs under: the campaign of a line item, the dataset of a tag that is in one, the advertiser of
    /// the others; none for advertisers and what the operator owns.
    pub fn parent(&self) -> Option<EntityKey> {
        match self {
            Self::Advertiser(_) => None,
            Self::LineItem(e) => Some(e.campaign.into()),
            Self::Tag(e) if e.dataset.is_some() => e.dataset.map(EntityKey::from),
            other => other.owner().map(EntityKey::from),
        }
    }
}

/// The standard name within its dataset. A standard form has no slash.
fn tag_key(tag: &TagDefinition) -> String {
    let name = tag.standard_name().map_or_else(|| tag.name.to_lowercase(), |name| name.as_str().to_owned());
    match tag.dataset {
        Some(dataset) => format!("{dataset}/{name}"),
        None => name,
    }
}
