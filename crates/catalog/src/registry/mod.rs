//! Datasets and tags compiled for those who work with names, weights and lifetimes: which tag does a raw name mean, what
//! are its rules, who may see it, and do two processes speak of the same ids.
//!
//! **From a name to a tag.** A name that comes for a dataset is looked for nearest first: among the live tags of the
//! dataset, then in the vocabulary of its owner (tags that are in no dataset), then in the operator's (tags in no
//! dataset, and in datasets open to the owner). At each step the standard form decides before the loose one, a tag's
//! synonyms count like its name, and the first step that knows the name is the last: one tag is the answer, several are
//! ambiguous. Other datasets of the owner are namespaces of their own ("gold" of two loyalty programmes is two things): what
//! they know is reported beside the answer "unknown", and no more.
//!
//! Within a dataset no two live tags share a standard form ([`Registry::clashes`] is asked before each write), so only
//! the loose form and the operator's several datasets are ever ambiguous.

mod epoch;
mod names;

use std::collections::BTreeSet;
use std::sync::Arc;

use rpds::HashTrieMapSync;
use tagbid_tagset::StandardName;
use tagbid_types::{AdvertiserId, CatalogLife, DatasetId, Revision, TagId, Timestamp};

use crate::{Catalog, Dataset, Entity, EntityKey, EntityKind, TagDefinition, TagRules};

pub use epoch::{EpochError, RegistryEpoch};
use names::Names;

/// Most candidates that an answer names.
pub const MAX_CANDIDATES: usize = 8;

/// The registry at a revision of the catalog. A clone shares all of it.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    life: CatalogLife,
    revision: Revision,
    tags: HashTrieMapSync<TagId, Arc<TagDefinition>>,
    datasets: HashTrieMapSync<DatasetId, Arc<Dataset>>,
    /// Live tags of each dataset.
    live: HashTrieMapSync<DatasetId, u32>,
    /// Names of live tags by owner.
    names: Names,
    /// The highest id given out, and the moment at which it was.
    newest: Option<(TagId, Timestamp)>,
}

/// What a raw name means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resolved {
    /// This tag.
    Tag(TagId),
    /// One of these: at most [`MAX_CANDIDATES`], in the order of their ids.
    Ambiguous(Vec<TagId>),
    /// None that the dataset may use. These tags in other datasets of the same owner have the name; at most
    /// [`MAX_CANDIDATES`].
    Unknown {
        /// In the order of their ids.
        elsewhere: Vec<TagId>,
    },
}

impl Registry {
    /// The registry of a catalog.
    pub fn of(catalog: &Catalog) -> Self {
        let mut registry = Self { life: catalog.life, ..Self::default() };
        // Whose vocabulary a tag is in follows from the tag alone, so the order does not matter.
        catalog.entities.values().for_each(|entity| registry.put(entity));
        registry.revision = catalog.revision;
        registry
    }

    /// The registry of a later state of the same catalog, in which only these entities are different.
    pub fn advance(&mut self, catalog: &Catalog, changed: &BTreeSet<EntityKey>) {
        let relevant = changed.iter().filter(|key| matches!(key.kind, EntityKind::Dataset | EntityKind::Tag));
        relevant.filter_map(|key| catalog.entities.get(key)).for_each(|entity| self.put(entity));
        self.life = catalog.life;
        self.revision = catalog.revision;
    }

    /// Takes an entity as it is now.
    pub fn put(&mut self, entity: &Entity) {
        match entity {
            Entity::Dataset(dataset) => self.datasets.insert_mut(dataset.id, Arc::clone(dataset)),
            Entity::Tag(tag) => self.put_tag(tag),
            _ => return,
        }
        self.revision = self.revision.max(entity.header().revision);
    }

    fn put_tag(&mut self, tag: &Arc<TagDefinition>) {
        if let Some(old) = self.tags.get(&tag.id).cloned()
            && !old.header.archived
        {
            self.names.remove(&old);
            self.count(old.dataset, -1);
        }
        if !tag.header.archived {
            self.names.insert(tag);
            self.count(tag.dataset, 1);
        }
        if self.newest.is_none_or(|(newest, _)| newest < tag.id) {
            self.newest = Some((tag.id, tag.header.created));
        }
        self.tags.insert_mut(tag.id, Arc::clone(tag));
    }

    fn count(&mut self, dataset: Option<DatasetId>, by: i32) {
        if let Some(dataset) = dataset {
            let count = self.live.get(&dataset).copied().unwrap_or(0);
            self.live.insert_mut(dataset, count.saturating_add_signed(by));
        }
    }

    /// The revision of the catalog that it shows.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The tag, archived ones included; none: it was never defined.
    pub fn tag(&self, id: TagId) -> Option<&Arc<TagDefinition>> {
        self.tags.get(&id)
    }

    /// The dataset, archived ones included; none: it was never defined.
    pub fn dataset(&self, id: DatasetId) -> Option<&Arc<Dataset>> {
        self.datasets.get(&id)
    }

    /// All datasets, archived ones included, in no order.
    pub fn datasets(&self) -> impl Iterator<Item = &Arc<Dataset>> {
        self.datasets.values()
    }

    /// How many live tags a dataset has.
    pub fn live_tags(&self, dataset: DatasetId) -> u32 {
        self.live.get(&dataset).copied().unwrap_or(0)
    }

    /// The dataset that a tag is in.
    pub fn dataset_of(&self, tag: &TagDefinition) -> Option<&Dataset> {
        tag.dataset.and_then(|id| self.dataset(id)).map(Arc::as_ref)
    }

    /// What a tag's weights and lifetimes follow.
    pub fn rules(&self, tag: &TagDefinition) -> TagRules {
        tag.rules(self.dataset_of(tag))
    }

    /// Whether this advertiser may see and target a tag.
    pub fn is_open_to(&self, by: AdvertiserId, tag: &TagDefinition) -> bool {
        tag.is_open_to(by, self.dataset_of(tag))
    }

    /// What a name means that comes for a dataset; see the module's documentation.
    pub fn resolve(&self, dataset: &Dataset, name: &StandardName) -> Resolved {
        let owner = dataset.advertiser;
        let own = self.names.of(owner, name);
        let operators = self.names.of(None, name);
        let within = |tag: &TagDefinition| tag.dataset == Some(dataset.id);
        let free = |tag: &TagDefinition| tag.dataset.is_none();
        let open = |tag: &TagDefinition| owner.map_or(free(tag), |owner| self.is_usable(owner, tag));
        let steps = [
            self.matching(own.exact, within),
            self.matching(own.loose, within),
            self.matching(own.exact, free),
            self.matching(own.loose, free),
            self.matching(operators.exact, open),
            self.matching(operators.loose, open),
        ];
        let step = steps.into_iter().find(|found| !found.is_empty()).unwrap_or_default();
        match step.as_slice() {
            [one] => Resolved::Tag(*one),
            [] => Resolved::Unknown { elsewhere: self.matching(own.loose, |_| true) },
            _ => Resolved::Ambiguous(step),
        }
    }

    /// Open, and not in a dataset that is archived.
    fn is_usable(&self, by: AdvertiserId, tag: &TagDefinition) -> bool {
        let dataset = self.dataset_of(tag);
        dataset.is_none_or(|dataset| !dataset.header.archived) && tag.is_open_to(by, dataset)
    }

    fn matching(&self, ids: &[TagId], wanted: impl Fn(&TagDefinition) -> bool) -> Vec<TagId> {
        let tags = ids.iter().filter(|id| self.tags.get(id).is_some_and(|tag| wanted(tag)));
        tags.copied().take(MAX_CANDIDATES).collect()
    }

    /// The live tags that hold a name which this one wants, with the field that has it. Two tags of one dataset, or of one
    /// vocabulary, never share a standard form.
    pub fn clashes(&self, tag: &TagDefinition) -> Vec<(String, TagId)> {
        let holder = |(field, name): (String, StandardName)| {
            let ids = self.names.of(tag.advertiser, &name).exact;
            let other = |other: &TagDefinition| other.dataset == tag.dataset && other.id != tag.id;
            Some((field, *self.matching(ids, other).first()?))
        };
        tag.names().filter_map(holder).collect()
    }

    /// What ids taken from this registry mean; to go with whatever names them.
    pub fn epoch(&self) -> RegistryEpoch {
        let (tag, made) = self.newest.unwrap_or_default();
        RegistryEpoch { life: self.life, tag, made }
    }

    /// Whether ids that were taken at another epoch mean here what they meant there.
    pub fn check_epoch(&self, epoch: &RegistryEpoch) -> Result<(), EpochError> {
        let ours = self.tag(epoch.tag).map(|tag| tag.header.created);
        epoch.check(self.life, self.epoch().tag, ours)
    }
}

#[cfg(test)]
mod tests;
