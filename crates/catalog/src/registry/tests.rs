use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{Change, Header, UnknownNames};

fn dataset(id: u32, owner: Option<u64>) -> Dataset {
    let advertiser = owner.map(AdvertiserId);
    Dataset { id: DatasetId(id), advertiser, name: format!("set {id}"), ..Dataset::default() }
}

/// A tag made at its own moment.
fn tag(id: u32, owner: Option<u64>, dataset: Option<u32>, name: &str, synonyms: &[&str]) -> TagDefinition {
    TagDefinition {
        id: TagId(id),
        header: Header { created: Timestamp(i64::from(id)), ..Header::default() },
        advertiser: owner.map(AdvertiserId),
        dataset: dataset.map(DatasetId),
        name: name.into(),
        synonyms: synonyms.iter().map(|one| (*one).into()).collect(),
        ..TagDefinition::default()
    }
}

fn registry(datasets: &[Dataset], tags: &[TagDefinition]) -> Registry {
    let mut registry = Registry { life: CatalogLife(7), ..Registry::default() };
    tags.iter().for_each(|tag| registry.put(&Entity::Tag(Arc::new(tag.clone()))));
    datasets.iter().for_each(|set| registry.put(&Entity::Dataset(Arc::new(set.clone()))));
    registry
}

fn resolve(registry: &Registry, dataset: u32, raw: &str) -> Resolved {
    let dataset = registry.dataset(DatasetId(dataset)).unwrap();
    registry.resolve(dataset, &StandardName::new(raw).unwrap())
}

fn ids<const N: usize>(ids: [u32; N]) -> Vec<TagId> {
    ids.map(TagId).into()
}

/// Acme (1) has datasets 1 and 2, a rival (2) has 3; the operator has 8 and 9 for all, and 10 for the rival alone.
fn world() -> Registry {
    let granted = Dataset { grants: vec![AdvertiserId(2)], ..dataset(10, None) };
    let datasets = [
        dataset(1, Some(1)),
        dataset(2, Some(1)),
        dataset(3, Some(2)),
        dataset(8, None),
        dataset(9, None),
        granted,
    ];
    registry(
        &datasets,
        &[
            tag(1, Some(1), Some(1), "Gold", &["VIP", "gold customers"]),
            tag(2, Some(1), Some(2), "Gold", &[]),
            tag(3, Some(1), Some(2), "Silver", &[]),
            tag(4, Some(1), None, "Visited the shop", &[]),
            tag(5, Some(2), Some(3), "Bronze", &[]),
            tag(6, None, Some(8), "Sports", &["athletics"]),
            tag(7, None, Some(9), "Athletics", &[]),
            tag(8, None, Some(8), "Citroën", &[]),
            tag(9, None, Some(9), "Citroen®", &[]),
            tag(10, None, Some(10), "Secret", &[]),
            tag(11, None, None, "Age 18-24", &[]),
            tag(12, Some(1), Some(1), "Schön", &[]),
            tag(13, Some(1), Some(1), "Schon", &[]),
        ],
    )
}

#[test]
fn a_name_is_looked_for_nearest_first() {
    let world = world();
    let cases = [
        (1, "GOLD", Resolved::Tag(TagId(1))),
        (2, "gold", Resolved::Tag(TagId(2))),
        (1, "v.i.p.", Resolved::Tag(TagId(1))),
        (1, "visited the SHOP!", Resolved::Tag(TagId(4))),
        (1, "sports", Resolved::Tag(TagId(6))),
        (1, "age 18–24", Resolved::Tag(TagId(11))),
        (8, "athletics", Resolved::Tag(TagId(6))),
        (9, "athletics", Resolved::Tag(TagId(7))),
        // Exactly one is written so, though another is near.
        (1, "schön", Resolved::Tag(TagId(12))),
        (1, "CITROEN", Resolved::Tag(TagId(9))),
        // Two datasets of the operator know it, and none is nearer.
        (1, "athletics", Resolved::Ambiguous(ids([6, 7]))),
        // Neither is written so.
        (1, "schôn", Resolved::Ambiguous(ids([12, 13]))),
    ];
    for (dataset, raw, expected) in cases {
        assert_eq!(resolve(&world, dataset, raw), expected, "{raw:?} for dataset {dataset}");
    }
}

#[test]
fn other_namespaces_are_reported_and_other_owners_are_not() {
    let world = world();
    let unknown = |elsewhere| Resolved::Unknown { elsewhere };
    assert_eq!(resolve(&world, 1, "silver"), unknown(ids([3])), "another dataset of the same owner");
    assert_eq!(resolve(&world, 1, "bronze"), unknown(vec![]), "a rival's");
    assert_eq!(resolve(&world, 1, "secret"), unknown(vec![]), "granted to a rival");
    assert_eq!(resolve(&world, 3, "secret"), Resolved::Tag(TagId(10)));
    assert_eq!(resolve(&world, 8, "secret"), unknown(ids([10])), "another of the operator's");
}

#[test]
fn archived_tags_and_datasets_give_their_names_free() {
    let mut world = world();
    let mut gone = TagDefinition::clone(world.tag(TagId(1)).unwrap());
    gone.header.archived = true;
    world.put(&Entity::Tag(Arc::new(gone)));
    assert_eq!(resolve(&world, 1, "vip"), Resolved::Unknown { elsewhere: vec![] });
    assert_eq!(world.live_tags(DatasetId(1)), 2);
    assert!(world.tag(TagId(1)).is_some(), "its id stays taken");

    let mut closed = dataset(8, None);
    closed.header.archived = true;
    world.put(&Entity::Dataset(Arc::new(closed)));
    assert_eq!(resolve(&world, 1, "athletics"), Resolved::Tag(TagId(7)));
    assert_eq!(resolve(&world, 1, "sports"), Resolved::Unknown { elsewhere: vec![] });
}

#[test]
fn a_name_clashes_within_its_dataset_only() {
    let world = world();
    let clashes = |tag: TagDefinition| world.clashes(&tag);
    let twice = tag(0, Some(1), Some(1), "Premium", &["Platinum", "V.I.P.", "vip", "GOLD"]);
    assert_eq!(clashes(twice), [("synonyms[2]".to_owned(), TagId(1)), ("synonyms[3]".to_owned(), TagId(1))]);
    assert_eq!(clashes(tag(0, Some(1), Some(2), "VIP", &[])), []);
    assert_eq!(clashes(tag(0, Some(1), None, "VIP", &[])), []);
    assert_eq!(clashes(tag(1, Some(1), Some(1), "VIP", &["gold"])), [], "its own names");
    assert_eq!(clashes(tag(0, Some(1), Some(1), "citroen", &[])), []);
}

#[test]
fn rules_are_the_tags_own_word_then_the_datasets_then_the_default() {
    let strict = Dataset { half_life_s: 600, default_ttl_s: 3_600, ..dataset(1, Some(1)) };
    let plain = tag(1, Some(1), Some(1), "a", &[]);
    let own = TagDefinition { half_life_s: Some(0), default_ttl_s: Some(60), ..plain.clone() };
    let rules = |half_life_s, ttl_s| TagRules { half_life_s, ttl_s };
    assert_eq!(plain.rules(Some(&strict)), rules(600, 3_600));
    assert_eq!(own.rules(Some(&strict)), rules(0, 60));
    assert_eq!(plain.rules(None), rules(0, crate::DEFAULT_TTL_S));
    assert_eq!(TagDefinition { default_ttl_s: Some(0), ..plain }.rules(Some(&strict)), rules(600, 3_600));
}

#[test]
fn an_epoch_is_accepted_by_every_later_registry_of_the_same_history_alone() {
    let before = registry(&[], &[tag(1, None, None, "a", &[])]);
    let snapshot = before.epoch();
    assert_eq!(snapshot.to_string().parse(), Ok(snapshot));
    let mut later = before.clone();
    later.put(&Entity::Tag(Arc::new(tag(2, None, None, "b", &[]))));
    let mut renamed = tag(1, None, None, "z", &[]);
    renamed.header.archived = true;
    later.put(&Entity::Tag(Arc::new(renamed)));
    assert_eq!(later.check_epoch(&snapshot), Ok(()));

    // Restored from a backup of before tag 2: refused while 2 is not given out, and when it is again.
    let lost = later.epoch();
    let ahead = EpochError::Ahead { theirs: TagId(2), ours: TagId(1) };
    assert_eq!(before.check_epoch(&lost), Err(ahead));
    let mut again = before.clone();
    let header = Header { created: Timestamp(99), ..Header::default() };
    again.put(&Entity::Tag(Arc::new(TagDefinition { header, ..tag(2, None, None, "other", &[]) })));
    assert_eq!(again.check_epoch(&lost), Err(EpochError::OtherHistory(TagId(2))));
    assert_eq!(again.check_epoch(&snapshot), Ok(()), "what it names is older than the backup");

    // The restored catalog was told of the lost id, and skipped it.
    let mut skipped = before.clone();
    skipped.put(&Entity::Tag(Arc::new(tag(3, None, None, "other", &[]))));
    assert_eq!(skipped.check_epoch(&lost), Err(EpochError::OtherHistory(TagId(2))));

    let other = Registry { life: CatalogLife(8), ..later };
    assert_eq!(other.check_epoch(&lost), Err(EpochError::OtherLife));
    for bad in ["", "1.2", "x.1.1", "1.1.1.1", "1.-1.1"] {
        assert!(bad.parse::<RegistryEpoch>().is_err(), "{bad:?}");
    }
}

#[test]
fn what_was_stored_before_datasets_had_settings_is_read() {
    let old = r#"{"id":4,"header":{"revision":9,"created":1,"updated":2,"archived":false},"advertiser":null,
        "name":"Runners","description":"","taxonomy":"","half_life_s":60,"default_ttl_s":0}"#;
    let tag: TagDefinition = serde_json::from_str(old).unwrap();
    assert_eq!(tag.rules(None), TagRules { half_life_s: 60, ttl_s: crate::DEFAULT_TTL_S });
    let old = r#"{"id":4,"header":{"revision":9,"created":1,"updated":2,"archived":false},"advertiser":3,"name":"CRM"}"#;
    let dataset: Dataset = serde_json::from_str(old).unwrap();
    assert_eq!((dataset.unknown_names, dataset.kind), (UnknownNames::Reject, crate::DatasetKind::Offline));
}

/// Three owners, four datasets, few names: so that they meet.
fn some_tag() -> impl Strategy<Value = Entity> {
    let name = prop::sample::select(vec!["A b", "a-b", "AB", "ä b", "c", "C!", "d"]);
    (1..8_u32, 0..4_u32, name.clone(), prop::collection::vec(name, 0..3), any::<bool>()).prop_map(
        |(id, set, name, synonyms, archived)| {
            let owner = [None, Some(1), Some(1), Some(2)][set as usize];
            let mut tag = tag(id, owner, (set != 0).then_some(set), name, &synonyms);
            tag.header.archived = archived;
            Entity::Tag(Arc::new(tag))
        },
    )
}

proptest! {
    /// Whatever was written in whatever order, a registry that followed every change is the one that is made of the result.
    #[test]
    fn following_changes_leads_to_the_registry_of_the_catalog(writes in prop::collection::vec(some_tag(), 0..40)) {
        let sets = [dataset(1, Some(1)), dataset(2, Some(1)), dataset(3, Some(2))];
        let mut catalog = Catalog::default();
        let mut followed = Registry::default();
        let sets = sets.map(|set| Entity::Dataset(Arc::new(set)));
        for (revision, entity) in (1..).map(Revision).zip(sets.into_iter().chain(writes)) {
            let key = entity.key();
            let fits = catalog.apply(Change { revision, entity });
            prop_assert!(fits);
            followed.advance(&catalog, &BTreeSet::from([key]));
        }
        let made = Registry::of(&catalog);
        let names = ["a b", "ab", "ä b", "äb", "c", "d", "e"];
        for set in 1..=3 {
            prop_assert_eq!(made.live_tags(DatasetId(set)), followed.live_tags(DatasetId(set)));
            for name in names {
                prop_assert_eq!(resolve(&made, set, name), resolve(&followed, set, name));
            }
        }
        let tags = |registry: &Registry| -> BTreeMap<TagId, Arc<TagDefinition>> {
            registry.tags.iter().map(|(id, tag)| (*id, Arc::clone(tag))).collect()
        };
        prop_assert_eq!(tags(&made), tags(&followed));
        prop_assert_eq!(made.epoch().tag, followed.epoch().tag);
        prop_assert_eq!(made.revision(), followed.revision());
    }
}
