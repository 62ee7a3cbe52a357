//! Datasets and tags.

use tagbid_catalog::Dataset;

use super::*;
use crate::store::batch;
use crate::store::entities::Filter;

fn dataset(id: u32, owner: Option<u64>, grants: &[u64]) -> Entity {
    Entity::Dataset(Arc::new(Dataset {
        id: DatasetId(id),
        advertiser: owner.map(AdvertiserId),
        name: format!("dataset {id}"),
        grants: grants.iter().copied().map(AdvertiserId).collect(),
        ..Dataset::default()
    }))
}

fn tag_in(dataset: u32, id: u32, owner: Option<u64>, name: &str) -> Entity {
    let Entity::Tag(mut tag) = tag(id, owner, name) else { unreachable!() };
    Arc::make_mut(&mut tag).dataset = Some(DatasetId(dataset));
    Entity::Tag(tag)
}

pub(super) async fn a_database_has_one_life_and_no_two_have_the_same(database: Database) {
    let life = async |store: Arc<dyn Store>| {
        let mut session = store.read().await.unwrap();
        let catalog = entities::snapshot(session.as_mut()).await.unwrap();
        assert_eq!(catalog.life, entities::life(session.as_mut()).await.unwrap());
        catalog.life
    };
    let first = life(database.open().await).await;
    assert_ne!(first.0, 0);
    assert_eq!(life(database.open().await).await, first, "it survives a restart");
    assert_ne!(life(Database::sqlite().open().await).await, first);
}

pub(super) async fn a_database_of_the_first_schema_is_brought_up_to_date(database: Database) {
    let store = database.open().await;
    put(&store, advertiser(1)).await.unwrap();
    put(&store, dataset(1, None, &[])).await.unwrap();
    put(&store, dataset(2, Some(1), &[])).await.unwrap();
    let mut session = store.write().await.unwrap();
    super::people::undo(session.as_mut()).await;
    for undo in [
        "DROP TABLE grants",
        "DELETE FROM meta WHERE name = 'life'",
        "DELETE FROM schema_version WHERE version = 2",
    ] {
        session.execute(undo, &[]).await.unwrap();
    }
    session.commit().await.unwrap();
    drop(store);

    let store = database.open().await;
    let mut session = store.read().await.unwrap();
    assert_ne!(entities::life(session.as_mut()).await.unwrap().0, 0);
    assert_eq!(open_to(session.as_mut(), EntityKind::Dataset, 7).await, [1]);
}

pub(super) async fn a_batch_of_tags_is_written_like_one_after_the_other(database: Database) {
    let store = database.open().await;
    put(&store, advertiser(1)).await.unwrap();
    put(&store, dataset(1, Some(1), &[])).await.unwrap();
    let who = Principal { name: "ann".into(), scope: Scope::Operator };
    let mut made: Vec<Entity> =
        (1..=300).map(|id| tag_in(1, id, Some(1), &format!("Tag \"{id}\" ü"))).collect();
    let mut session = store.write().await.unwrap();
    batch::put_tags(session.as_mut(), &who, Action::Create, &mut made, NOW).await.unwrap();
    let mut changed = vec![tag_in(1, 2, Some(1), "two"), tag_in(1, 3, Some(1), "three")];
    changed[1].header_mut().archived = true;
    batch::put_tags(session.as_mut(), &who, Action::Update, &mut changed, NOW).await.unwrap();
    batch::put_tags(session.as_mut(), &who, Action::Update, &mut [], NOW).await.unwrap();
    session.commit().await.unwrap();

    let mut session = store.read().await.unwrap();
    let catalog = entities::snapshot(session.as_mut()).await.unwrap();
    assert_eq!((catalog.revision, catalog.changed), (Revision(304), NOW));
    for tag in made.iter().filter(|tag| ![2, 3].contains(&tag.key().id)).chain(&changed) {
        assert_eq!(catalog.entities.get(&tag.key()), Some(tag));
    }
    let kept = changes::after(session.as_mut(), Revision(2), 1_000).await.unwrap().expect("a gap");
    let written: Vec<_> = made.iter().chain(&changed).map(|tag| tag.header().revision).collect();
    assert_eq!(kept.iter().map(|change| change.revision).collect::<Vec<_>>(), written);
    assert_eq!(kept.last().map(|change| &change.entity), changed.last());
    let audit = "SELECT COUNT(*) FROM audit WHERE kind = 'tag_definition' AND principal = 'ann'";
    assert_eq!(session.rows(audit, &[]).await.unwrap()[0].int(0).unwrap(), 302);
    drop(session);

    let mut session = store.write().await.unwrap();
    let mut twin = [tag_in(1, 301, Some(1), "TWO®")];
    let refused = batch::put_tags(session.as_mut(), &who, Action::Create, &mut twin, NOW).await;
    assert!(refused.is_err(), "the index holds too");
    drop(session);
    let mut session = store.write().await.unwrap();
    let mut again = [tag_in(1, 302, Some(1), "three")];
    batch::put_tags(session.as_mut(), &who, Action::Create, &mut again, NOW).await.unwrap();
}

/// What a list shows to an advertiser, archived ones left out.
async fn open_to(session: &mut dyn Session, kind: EntityKind, owner: u64) -> Vec<u64> {
    let filter = Filter {
        kind,
        owner: Some(AdvertiserId(owner)),
        shared: true,
        parent: None,
        archived: false,
        after: 0,
        limit: 100,
    };
    let found = entities::list(session, &filter).await.unwrap();
    found.iter().map(|entity| entity.key().id).collect()
}

pub(super) async fn lists_show_what_is_open_to_an_owner(database: Database) {
    let store = database.open().await;
    for id in 1..=3 {
        put(&store, advertiser(id)).await.unwrap();
    }
    let datasets = [(1, Some(1), vec![]), (2, Some(1), vec![2]), (3, None, vec![]), (4, None, vec![3])];
    for (id, owner, grants) in datasets {
        put(&store, dataset(id, owner, &grants)).await.unwrap();
        put(&store, tag_in(id, 10 + id, owner, "in it")).await.unwrap();
    }
    put(&store, tag(1, Some(1), "free")).await.unwrap();
    put(&store, tag(2, None, "free")).await.unwrap();

    let mut session = store.read().await.unwrap();
    let lists: [(u64, &[u64], &[u64]); 3] =
        [(1, &[1, 2, 3], &[1, 2, 11, 12, 13]), (2, &[2, 3], &[2, 12, 13]), (3, &[3, 4], &[2, 13, 14])];
    for (owner, sets, tags) in lists {
        assert_eq!(open_to(session.as_mut(), EntityKind::Dataset, owner).await, sets, "advertiser {owner}");
        assert_eq!(open_to(session.as_mut(), EntityKind::Tag, owner).await, tags, "advertiser {owner}");
    }
    drop(session);

    put(&store, dataset(2, Some(1), &[3])).await.unwrap();
    put(&store, dataset(3, None, &[1])).await.unwrap();
    let mut session = store.read().await.unwrap();
    assert_eq!(open_to(session.as_mut(), EntityKind::Dataset, 2).await, [0_u64; 0]);
    assert_eq!(open_to(session.as_mut(), EntityKind::Tag, 3).await, [2, 12, 14]);
}
