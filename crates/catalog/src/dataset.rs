//! Datasets, and the tags in them.

use serde::{Deserialize, Serialize};
use tagbid_tagset::StandardName;
use tagbid_types::{AdvertiserId, DatasetId, TagId};

use crate::{Header, Snapshots};

/// How long a tag lives after a write when neither that nor the tag nor its dataset says, in seconds: 30 days.
pub const DEFAULT_TTL_S: u32 = 30 * 86_400;

/// A dataset: a namespace of tags with one source, one owner and one policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Dataset {
    /// Its id.
    pub id: DatasetId,
    /// Set by the store.
    pub header: Header,
    /// Its owner; none: the operator.
    pub advertiser: Option<AdvertiserId>,
    /// For people, 1 to 200 characters; unique among the owner's, whatever the case.
    pub name: String,
    /// What it holds and where it comes from.
    #[serde(default)]
    pub description: String,
    /// How its tags come in.
    #[serde(default)]
    pub kind: DatasetKind,
    /// Who besides the owner may target its tags; nobody but the owner may write them. Of the operator's dataset,
    /// empty means every advertiser.
    #[serde(default)]
    pub grants: Vec<AdvertiserId>,
    /// What becomes of names that no tag has.
    #[serde(default)]
    pub unknown_names: UnknownNames,
    /// Half-life of a real-time weight in seconds, for tags that do not say; 0: no decay.
    #[serde(default)]
    pub half_life_s: u32,
    /// How long a tag lives after a write, for tags that do not say, in seconds; 0: [`DEFAULT_TTL_S`].
    #[serde(default)]
    pub default_ttl_s: u32,
    /// Older data than this is late, in seconds; 0: nobody expects anything.
    #[serde(default)]
    pub fresh_within_s: u32,
    /// Its versions and which of them counts. Not the owner's to write: it changes with loads and activations.
    #[serde(default)]
    pub snapshots: Snapshots,
}

/// How the tags of a dataset come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatasetKind {
    /// As snapshots of all users, from batch models.
    #[default]
    Offline,
    /// One by one, from events.
    Realtime,
}

/// What becomes of names that no tag has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownNames {
    /// They are reported, and what came under them is left out.
    #[default]
    Reject,
    /// They become tags of the dataset, as long as that has fewer live tags than this.
    Register {
        /// 1 to [`UnknownNames::MOST`].
        most: u32,
    },
}

impl Dataset {
    /// The version that lookups read; none: it is archived, or nothing was activated.
    pub fn active_version(&self) -> Option<u32> {
        self.snapshots.active.filter(|_| !self.header.archived)
    }

    /// Most advertisers that a dataset is granted to.
    pub const MAX_GRANTS: usize = 1_000;

    /// Whether this advertiser may see and target its tags.
    pub fn is_open_to(&self, by: AdvertiserId) -> bool {
        match self.advertiser {
            Some(owner) => owner == by || self.grants.contains(&by),
            None => self.grants.is_empty() || self.grants.contains(&by),
        }
    }
}

impl UnknownNames {
    /// The highest limit that a dataset may set.
    pub const MOST: u32 = 1_000_000;
}

/// A standard tag.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TagDefinition {
    /// Its id, dense, never reused.
    pub id: TagId,
    /// Set by the store.
    pub header: Header,
    /// Its owner, which is its dataset's; none: the operator.
    pub advertiser: Option<AdvertiserId>,
    /// The dataset that it is in; none: a tag of the owner's own vocabulary, whatever the dataset.
    #[serde(default)]
    pub dataset: Option<DatasetId>,
    /// For people, 1 to 200 characters; its standard form is unique within the dataset, synonyms included.
    pub name: String,
    /// Other names of the same thing, at most [`TagDefinition::MAX_SYNONYMS`].
    #[serde(default)]
    pub synonyms: Vec<String>,
    /// What it means.
    pub description: String,
    /// Reference into a public taxonomy ("iab-audience-1.1:283"), or empty.
    pub taxonomy: String,
    /// Half-life of a real-time weight in seconds, 0: no decay; none: the dataset's.
    #[serde(default)]
    pub half_life_s: Option<u32>,
    /// How long the tag lives after a write that does not say, in seconds; none (or 0): the dataset's.
    #[serde(default)]
    pub default_ttl_s: Option<u32>,
}

impl TagDefinition {
    /// Most synonyms of a tag.
    pub const MAX_SYNONYMS: usize = 100;

    /// The standard form of its name; none when it was made before names had one and has none.
    pub fn standard_name(&self) -> Option<StandardName> {
        StandardName::new(&self.name).ok()
    }

    /// Its name and synonyms with the fields that hold them. Those without a standard form are left out.
    pub fn names(&self) -> impl Iterator<Item = (String, StandardName)> {
        let synonyms = self.synonyms.iter().enumerate();
        let fields = synonyms.map(|(position, raw)| (format!("synonyms[{position}]"), raw));
        std::iter::once(("name".to_owned(), &self.name))
            .chain(fields)
            .filter_map(|(field, raw)| Some((field, StandardName::new(raw).ok()?)))
    }

    /// Whether this advertiser may see and target it, given the dataset that it is in.
    pub fn is_open_to(&self, by: AdvertiserId, dataset: Option<&Dataset>) -> bool {
        match (self.dataset, dataset) {
            (None, _) => self.advertiser.is_none_or(|owner| owner == by),
            (Some(_), Some(dataset)) => dataset.is_open_to(by),
            (Some(_), None) => self.advertiser == Some(by),
        }
    }

    /// What its weights and lifetimes follow, given the dataset that it is in.
    pub fn rules(&self, dataset: Option<&Dataset>) -> TagRules {
        let said = |seconds: u32| (seconds != 0).then_some(seconds);
        let ttl = self.default_ttl_s.and_then(said);
        TagRules {
            half_life_s: self.half_life_s.or_else(|| dataset.map(|set| set.half_life_s)).unwrap_or(0),
            ttl_s: ttl.or_else(|| dataset.and_then(|set| said(set.default_ttl_s))).unwrap_or(DEFAULT_TTL_S),
        }
    }
}

/// What a tag's weights and lifetimes follow: its own word, else its dataset's, else the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TagRules {
    /// Half-life of a real-time weight in seconds; 0: no decay.
    pub half_life_s: u32,
    /// How long the tag lives after a write that does not say, in seconds.
    pub ttl_s: u32,
}
