//! What every store promises, run against SQLite and PostgreSQL.

mod lists;
mod people;
mod tags;

use std::sync::Arc;
use std::time::Duration;

use tagbid_catalog::{
    Advertiser, Budget, Campaign, Entity, EntityKey, EntityKind, Header, Schedule, Status, TagDefinition,
};
use tagbid_types::{
    AdvertiserId, CampaignId, Currency, DatasetId, Principal, Revision, Scope, TagId, Timestamp,
};

use super::audit::{self, Action};
use super::*;
use lists::{lists_come_in_pages_filtered, names_are_unique_among_an_owners_live_entities};
use people::{
    a_lift_of_somebody_who_is_not_suppressed_changes_nobody,
    a_person_is_told_with_all_ids_and_suppressed_with_all, an_erased_user_is_told_and_may_come_back,
    mac_keys_are_noted_with_what_rests_on_them, pages_of_the_list_have_whole_persons,
    positions_of_a_restored_list_go_on_after_those_that_were_lost, suppressions_are_a_list_with_positions,
    suppressions_before_persons_are_brought_along,
};
use tags::{
    a_batch_of_tags_is_written_like_one_after_the_other, a_database_has_one_life_and_no_two_have_the_same,
    a_database_of_the_first_schema_is_brought_up_to_date, lists_show_what_is_open_to_an_owner,
};

/// A database of a test's own; opening it twice is what a restart does, or a second process.
struct Database {
    url: String,
    _directory: Option<tempfile::TempDir>,
}

impl Database {
    fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            url: format!("sqlite:{}", directory.path().join("deep/catalog.db").display()),
            _directory: Some(directory),
        }
    }

    fn postgres() -> Self {
        Self { url: tagbid_testkit::postgres().url().to_owned(), _directory: None }
    }

    async fn open(&self) -> Arc<dyn Store> {
        open(&self.url).await.unwrap()
    }
}

/// Each promise becomes one test per database.
macro_rules! promises {
    ($($promise:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test] async fn $promise() { super::$promise(super::Database::sqlite()).await; })*
        }
        mod postgres {
            $(#[tokio::test] async fn $promise() { super::$promise(super::Database::postgres()).await; })*
        }
    };
}

promises!(
    what_was_committed_is_there_after_a_restart,
    a_session_that_is_dropped_leaves_nothing,
    revisions_are_the_order_of_commits_without_gaps,
    a_reader_sees_one_moment,
    changes_lead_from_any_kept_revision_to_the_head,
    lists_come_in_pages_filtered,
    names_are_unique_among_an_owners_live_entities,
    what_hangs_under_nothing_is_refused,
    answers_are_kept_for_a_day,
    suppressions_are_a_list_with_positions,
    a_lift_of_somebody_who_is_not_suppressed_changes_nobody,
    an_erased_user_is_told_and_may_come_back,
    a_person_is_told_with_all_ids_and_suppressed_with_all,
    pages_of_the_list_have_whole_persons,
    positions_of_a_restored_list_go_on_after_those_that_were_lost,
    suppressions_before_persons_are_brought_along,
    mac_keys_are_noted_with_what_rests_on_them,
    the_audit_says_who_what_and_when,
    a_newer_schema_is_refused,
    a_database_has_one_life_and_no_two_have_the_same,
    a_database_of_the_first_schema_is_brought_up_to_date,
    a_batch_of_tags_is_written_like_one_after_the_other,
    lists_show_what_is_open_to_an_owner,
);

const NOW: Timestamp = Timestamp(1_750_000_000_000_000);

fn advertiser(id: u64) -> Entity {
    Entity::Advertiser(Arc::new(Advertiser {
        id: AdvertiserId(id),
        header: Header::default(),
        name: format!("advertiser {id}"),
        domain: "acme.example".into(),
        currency: Currency::USD,
        time_zone: "UTC".into(),
        budget: Budget::default(),
        capacity: tagbid_catalog::Capacity::default(),
        caps: vec![],
        never_contact: vec![],
    }))
}

fn campaign(id: u64, owner: u64) -> Entity {
    Entity::Campaign(Arc::new(Campaign {
        id: CampaignId(id),
        header: Header::default(),
        advertiser: AdvertiserId(owner),
        name: format!("campaign {id}"),
        status: Status::Active,
        schedule: Schedule::default(),
        budget: Budget::default(),
        capacity: tagbid_catalog::Capacity::default(),
        caps: vec![],
        tier: 0,
    }))
}

fn tag(id: u32, owner: Option<u64>, name: &str) -> Entity {
    Entity::Tag(Arc::new(TagDefinition {
        id: TagId(id),
        header: Header::default(),
        advertiser: owner.map(AdvertiserId),
        name: name.into(),
        ..TagDefinition::default()
    }))
}

async fn put(store: &Arc<dyn Store>, mut entity: Entity) -> Result<Entity, StoreError> {
    let mut session = store.write().await?;
    entities::put(session.as_mut(), &mut entity, NOW).await?;
    session.commit().await?;
    Ok(entity)
}

async fn what_was_committed_is_there_after_a_restart(database: Database) {
    let store = database.open().await;
    let stored = put(&store, advertiser(1)).await.unwrap();
    assert_eq!(stored.header().revision, Revision(1));
    assert_eq!(stored.header().updated, NOW);
    drop(store);

    let store = database.open().await;
    let mut session = store.read().await.unwrap();
    assert_eq!(entities::get(session.as_mut(), stored.key()).await.unwrap(), Some(stored));
    let other = EntityKey { kind: EntityKind::Campaign, id: 1 };
    assert_eq!(entities::get(session.as_mut(), other).await.unwrap(), None);
}

async fn a_session_that_is_dropped_leaves_nothing(database: Database) {
    let store = database.open().await;
    let mut session = store.write().await.unwrap();
    let id = entities::next_id(session.as_mut(), EntityKind::Advertiser).await.unwrap();
    entities::put(session.as_mut(), &mut advertiser(id), NOW).await.unwrap();
    drop(session);

    assert_eq!(put(&store, advertiser(7)).await.unwrap().header().revision, Revision(1));
    let mut session = store.read().await.unwrap();
    let catalog = entities::snapshot(session.as_mut()).await.unwrap();
    assert_eq!(catalog.entities.size(), 1);
}

/// Two processes write at the same time.
async fn revisions_are_the_order_of_commits_without_gaps(database: Database) {
    let stores = [database.open().await, database.open().await];
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..8_usize {
        let store = Arc::clone(&stores[writer % 2]);
        writers.spawn(async move {
            for _ in 0..5 {
                let mut session = store.write().await.unwrap();
                let id = entities::next_id(session.as_mut(), EntityKind::Advertiser).await.unwrap();
                entities::put(session.as_mut(), &mut advertiser(id), NOW).await.unwrap();
                session.commit().await.unwrap();
            }
        });
    }
    // Meanwhile a reader that follows never meets a gap.
    let mut followed = Revision(0);
    while followed < Revision(40) {
        let mut session = stores[0].read().await.unwrap();
        let next = changes::after(session.as_mut(), followed, 100).await.unwrap();
        for change in next.expect("a gap") {
            assert_eq!(change.revision.0, followed.0 + 1);
            followed = change.revision;
        }
    }
    while let Some(writer) = writers.join_next().await {
        writer.unwrap();
    }
    let mut session = stores[0].read().await.unwrap();
    let catalog = entities::snapshot(session.as_mut()).await.unwrap();
    let ids: Vec<u64> = catalog.entities.keys().map(|key| key.id).collect();
    assert_eq!(ids, (1..=40).collect::<Vec<_>>(), "ids were given out twice or lost");
}

async fn a_reader_sees_one_moment(database: Database) {
    let store = database.open().await;
    put(&store, advertiser(1)).await.unwrap();
    let mut reader = store.read().await.unwrap();
    assert_eq!(entities::counter(reader.as_mut(), "revision").await.unwrap(), 1);

    put(&store, advertiser(2)).await.unwrap();
    let catalog = entities::snapshot(reader.as_mut()).await.unwrap();
    assert_eq!((catalog.revision, catalog.entities.size()), (Revision(1), 1));
}

async fn changes_lead_from_any_kept_revision_to_the_head(database: Database) {
    let store = database.open().await;
    for id in 1..=5 {
        put(&store, advertiser(id)).await.unwrap();
    }
    let mut session = store.write().await.unwrap();
    changes::forget(session.as_mut(), Revision(2)).await.unwrap();
    let session = session.as_mut();
    let revisions = |changes: Option<Vec<tagbid_catalog::Change>>| {
        changes.map(|c| c.iter().map(|change| change.revision.0).collect::<Vec<_>>())
    };
    let after = changes::after(session, Revision(2), 10).await.unwrap();
    assert_eq!(revisions(after), Some(vec![3, 4, 5]));
    let after = changes::after(session, Revision(2), 2).await.unwrap();
    assert_eq!(revisions(after), Some(vec![3, 4]));
    let after = changes::after(session, Revision(5), 10).await.unwrap();
    assert_eq!(revisions(after), Some(vec![]));
    for gap in [1, 9] {
        let after = changes::after(session, Revision(gap), 10).await.unwrap();
        assert_eq!(revisions(after), None, "after {gap} there is a gap");
    }
}

async fn what_hangs_under_nothing_is_refused(database: Database) {
    let store = database.open().await;
    assert!(put(&store, campaign(1, 99)).await.is_err());
    put(&store, advertiser(1)).await.unwrap();
    assert_eq!(put(&store, campaign(1, 1)).await.unwrap().header().revision, Revision(2));
}

async fn answers_are_kept_for_a_day(database: Database) {
    let store = database.open().await;
    let mut session = store.write().await.unwrap();
    let session = session.as_mut();
    requests::remember(session, "ann", "r1", "d1", "one", NOW).await.unwrap();
    let later = NOW.after(Duration::from_secs(24 * 3600 - 1));
    let kept = requests::recall(session, "ann", "r1", later).await.unwrap().unwrap();
    assert_eq!((kept.digest.as_str(), kept.answer.as_str()), ("d1", "one"));
    assert!(requests::recall(session, "bob", "r1", later).await.unwrap().is_none());
    let too_late = NOW.after(requests::KEPT);
    assert!(requests::recall(session, "ann", "r1", too_late).await.unwrap().is_none());
    // The id is free again, though the old row was there until now.
    requests::remember(session, "ann", "r1", "d2", "two", too_late).await.unwrap();
}

async fn the_audit_says_who_what_and_when(database: Database) {
    let store = database.open().await;
    let who = Principal { name: "ann".into(), scope: Scope::Operator };
    let mut session = store.write().await.unwrap();
    let fields = ["name".to_owned(), "bid.base_cpm_micros".to_owned()];
    let key = advertiser(4).key();
    audit::entity(session.as_mut(), &who, Action::Update, key, Revision(9), &fields, NOW).await.unwrap();
    let rows = session
        .rows("SELECT made_at, principal, action, kind, id, revision, fields FROM audit", &[])
        .await
        .unwrap();
    let [row] = &rows[..] else { panic!("{} rows", rows.len()) };
    assert_eq!((row.int(0).unwrap(), row.int(4).unwrap(), row.int(5).unwrap()), (NOW.0, 4, 9));
    let texts = [1, 2, 3, 6].map(|column| row.text(column).unwrap());
    assert_eq!(texts, ["ann", "update", "advertiser", "name,bid.base_cpm_micros"]);
}

async fn a_newer_schema_is_refused(database: Database) {
    let store = database.open().await;
    let mut session = store.write().await.unwrap();
    session.execute("INSERT INTO schema_version (version) VALUES (99)", &[]).await.unwrap();
    session.commit().await.unwrap();
    drop(store);
    assert!(matches!(open(&database.url).await, Err(StoreError::Newer { found: 99, .. })));
}
