//! Datasets and tags.

use std::collections::HashSet;

use tagbid_catalog::{Dataset, DatasetKind, Report, TagDefinition, UnknownNames};
use tagbid_tagset::StandardName;
use tagbid_types::{AdvertiserId, DatasetId, TagId};

use super::common::{enumeration, header_from, header_to};
use super::snapshots::{snapshots_from, snapshots_to};
use crate::pb::campaigns as pb;

enumeration!(
    dataset_kind_from,
    dataset_kind_to,
    DatasetKind,
    DatasetKind,
    Some(DatasetKind::Offline),
    [Offline, Realtime]
);

pub(super) fn dataset_from(e: &pb::Dataset, report: &mut Report) -> Dataset {
    Dataset {
        id: DatasetId(e.id),
        header: header_from(e.metadata.as_ref()),
        advertiser: owner_from(e.advertiser_id),
        name: e.name.clone(),
        description: e.description.clone(),
        kind: dataset_kind_from(e.kind, "kind", report),
        grants: e.grants.iter().copied().map(AdvertiserId).collect(),
        unknown_names: unknown_names_from(e, report),
        half_life_s: e.half_life_s,
        default_ttl_s: e.default_ttl_s,
        fresh_within_s: e.fresh_within_s,
        snapshots: snapshots_from(e.snapshots.as_ref()),
    }
}

pub(super) fn dataset_to(e: &Dataset) -> pb::Dataset {
    let (unknown_names, max_tags) = match e.unknown_names {
        UnknownNames::Reject => (pb::UnknownNames::Reject, 0),
        UnknownNames::Register { most } => (pb::UnknownNames::Register, most),
    };
    pb::Dataset {
        id: e.id.0,
        metadata: header_to(&e.header),
        advertiser_id: owner_to(e.advertiser),
        name: e.name.clone(),
        description: e.description.clone(),
        kind: dataset_kind_to(e.kind),
        grants: e.grants.iter().map(|advertiser| advertiser.0).collect(),
        unknown_names: unknown_names.into(),
        max_tags,
        half_life_s: e.half_life_s,
        default_ttl_s: e.default_ttl_s,
        fresh_within_s: e.fresh_within_s,
        snapshots: snapshots_to(&e.snapshots),
    }
}

fn unknown_names_from(e: &pb::Dataset, report: &mut Report) -> UnknownNames {
    match pb::UnknownNames::try_from(e.unknown_names) {
        Ok(pb::UnknownNames::Unspecified | pb::UnknownNames::Reject) => UnknownNames::Reject,
        Ok(pb::UnknownNames::Register) => UnknownNames::Register { most: e.max_tags },
        Err(_) => {
            let problem = format!("{} is not a value of UnknownNames", e.unknown_names);
            report.problem("unknown_names", problem, "choose one that this version knows");
            UnknownNames::Reject
        }
    }
}

pub(super) fn tag_from(e: &pb::TagDefinition) -> TagDefinition {
    TagDefinition {
        id: TagId(e.id),
        header: header_from(e.metadata.as_ref()),
        advertiser: owner_from(e.advertiser_id),
        dataset: (e.dataset_id != 0).then_some(DatasetId(e.dataset_id)),
        name: e.name.clone(),
        synonyms: synonyms_from(e),
        description: e.description.clone(),
        taxonomy: e.taxonomy.clone(),
        half_life_s: e.half_life_s,
        default_ttl_s: e.default_ttl_s.filter(|seconds| *seconds != 0),
    }
}

/// Without those that say again what was said. What has no standard form stays, to be refused by its field.
fn synonyms_from(e: &pb::TagDefinition) -> Vec<String> {
    let mut seen: HashSet<StandardName> = StandardName::new(&e.name).into_iter().collect();
    let mut synonyms = e.synonyms.clone();
    synonyms.retain(|raw| StandardName::new(raw).map_or(true, |name| seen.insert(name)));
    synonyms
}

pub(super) fn tag_to(e: &TagDefinition) -> pb::TagDefinition {
    pb::TagDefinition {
        id: e.id.0,
        metadata: header_to(&e.header),
        advertiser_id: owner_to(e.advertiser),
        dataset_id: e.dataset.map_or(0, |dataset| dataset.0),
        name: e.name.clone(),
        synonyms: e.synonyms.clone(),
        description: e.description.clone(),
        taxonomy: e.taxonomy.clone(),
        half_life_s: e.half_life_s,
        default_ttl_s: e.default_ttl_s,
    }
}

fn owner_from(id: u64) -> Option<AdvertiserId> {
    (id != 0).then_some(AdvertiserId(id))
}

fn owner_to(owner: Option<AdvertiserId>) -> u64 {
    owner.map_or(0, |id| id.0)
}
