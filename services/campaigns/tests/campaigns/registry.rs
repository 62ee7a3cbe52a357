//! The tag registry over gRPC: names, tags by the thousand, who may do what.

use std::collections::BTreeSet;

use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tagbid_catalog::Place;
use tagbid_clients::CatalogState;
use tagbid_ports::{CatalogEvent, CatalogFeed, FeedError};
use tagbid_types::Timestamp;
use tagbid_wire::pb::campaigns as pb;
use tagbid_wire::pb::campaigns::tag_registry_service_client::TagRegistryServiceClient;
use tonic::{Code, Status};

use crate::harness::{Caller, Connection, Database, PATIENCE, Stack, fields, line_item, two_tenants};
use crate::kinds::Kind;
use pb::NameStatus as S;

type Registry = TagRegistryServiceClient<Connection>;

async fn registry(stack: &Stack, who: Caller) -> Registry {
    let client = TagRegistryServiceClient::new(stack.channel(who).await);
    client.max_decoding_message_size(16 << 20).max_encoding_message_size(16 << 20)
}

fn dataset(name: &str, max_tags: u32) -> pb::Dataset {
    let policy = if max_tags == 0 { pb::UnknownNames::Reject } else { pb::UnknownNames::Register };
    pb::Dataset { name: name.into(), unknown_names: policy.into(), max_tags, ..Default::default() }
}

fn tag(name: &str, synonyms: &[&str]) -> pb::TagDefinition {
    let synonyms = synonyms.iter().map(|one| (*one).into()).collect();
    pb::TagDefinition { name: name.into(), synonyms, ..Default::default() }
}

async fn resolve(
    registry: &mut Registry,
    dataset_id: u32,
    names: &[&str],
    register: bool,
) -> Result<pb::ResolveNamesResponse, Status> {
    let names = names.iter().map(|name| (*name).into()).collect();
    let request = pb::ResolveNamesRequest { dataset_id, names, register };
    Ok(registry.resolve_names(request).await?.into_inner())
}

async fn upsert(
    registry: &mut Registry,
    dataset_id: u32,
    tags: Vec<pb::TagDefinition>,
    request_id: &str,
) -> Result<pb::UpsertTagsResponse, Status> {
    let request = pb::UpsertTagsRequest { dataset_id, tags, request_id: request_id.into() };
    Ok(registry.upsert_tags(request).await?.into_inner())
}

fn statuses(response: &pb::ResolveNamesResponse) -> Vec<S> {
    response.names.iter().map(pb::ResolvedName::status).collect()
}

fn ids(response: &pb::ResolveNamesResponse) -> Vec<u32> {
    response.names.iter().map(|name| name.tag_id).collect()
}

#[tokio::test]
async fn names_of_one_tag_are_one_tag_and_unknown_ones_follow_the_policy() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let mut role = registry(&stack, Caller::Role).await;
    let open = dataset("Brands", 3).create(&mut acme, "").await.unwrap();
    let strict = dataset("CRM", 0).create(&mut acme, "").await.unwrap();

    let names = ["Coca-Cola", "COCA  COLA®", "cocacola", "Pepsi", "--", "Fanta", "Sprite"];
    let asked = resolve(&mut role, open.id, &names, false).await.unwrap();
    assert_eq!(statuses(&asked)[..4], [S::Unknown; 4], "nothing was to be registered");
    let made = resolve(&mut role, open.id, &names, true).await.unwrap();
    let expected =
        [S::Registered, S::Known, S::Known, S::Registered, S::Invalid, S::Registered, S::OverLimit];
    assert_eq!(statuses(&made), expected);
    assert_eq!(ids(&made), [1, 1, 1, 2, 0, 3, 0]);
    let again = resolve(&mut role, open.id, &names, true).await.unwrap();
    assert_eq!((ids(&again), &again.registry_epoch), (ids(&made), &made.registry_epoch));
    assert_eq!(again.revision, made.revision, "nothing was written");
    assert_eq!(pb::TagDefinition::get(&mut acme, 1).await.unwrap().name, "Coca-Cola");

    let rejected = resolve(&mut role, strict.id, &["pepsi"], true).await.unwrap();
    assert_eq!(statuses(&rejected), [S::Unknown]);
    assert_eq!(rejected.names[0].candidate_tag_ids, [2], "another dataset of the owner has it");
    stack.stop().await;
}

#[tokio::test]
async fn ambiguous_names_are_reported_with_what_they_may_mean() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let mut owner = registry(&stack, Caller::Tenant(1)).await;
    let set = dataset("Words", 100).create(&mut acme, "").await.unwrap();
    upsert(&mut owner, set.id, vec![tag("Schön", &[]), tag("Schon", &["bereits"])], "").await.unwrap();
    let answer = resolve(&mut owner, set.id, &["SCHÖN", "already", "schôn"], true).await.unwrap();
    assert_eq!(statuses(&answer), [S::Known, S::Registered, S::Ambiguous]);
    assert_eq!(answer.names[2].candidate_tag_ids, [1, 2]);
    // The remedy: a synonym of the one that it means.
    let mut tags = pb::TagDefinition::get(&mut acme, 1).await.unwrap();
    tags.synonyms.push("schôn".into());
    tags.update(&mut acme, &["synonyms"], "").await.unwrap();
    let answer = resolve(&mut owner, set.id, &["schôn"], true).await.unwrap();
    assert_eq!(ids(&answer), [1]);
    stack.stop().await;
}

/// Both databases; on PostgreSQL two processes.
async fn many_at_once(database: Database, processes: usize) {
    let mut stacks = Vec::new();
    for _ in 0..processes {
        stacks.push(Stack::start(&database).await);
    }
    two_tenants(&stacks[0]).await;
    let mut acme = stacks[0].api(Caller::Tenant(1)).await;
    let set = dataset("Brands", 60).create(&mut acme, "").await.unwrap();
    let mut askers = tokio::task::JoinSet::new();
    for asker in 0..8_usize {
        let mut role = registry(&stacks[asker % processes], Caller::Role).await;
        askers.spawn(async move {
            // Each asks for other names of the same tags, in another order.
            let names: Vec<String> =
                (0..100).map(|n| format!("Name-{}", (n * 7 + asker * 13) % 100)).collect();
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            let answer = resolve(&mut role, set.id, &names, true).await.unwrap();
            let pairs = names.iter().map(|name| (*name).to_owned()).zip(ids(&answer));
            pairs.filter(|(_, id)| *id != 0).collect::<BTreeSet<_>>()
        });
    }
    let answers = askers.join_all().await;
    let all: BTreeSet<_> = answers.iter().flatten().cloned().collect();
    let tags: BTreeSet<u32> = all.iter().map(|(_, id)| *id).collect();
    assert_eq!((all.len(), tags), (60, (1..=60).collect()), "one id a name, up to the limit, without gaps");

    // Archived ids never come back, not even after a restart.
    pb::TagDefinition::archive(&mut acme, 60, "").await.unwrap();
    for stack in stacks {
        stack.stop().await;
    }
    let stack = Stack::start(&database).await;
    let mut role = registry(&stack, Caller::Role).await;
    let gone = all.iter().find(|(_, id)| *id == 60).map(|(name, _)| name.as_str()).unwrap();
    let answer = resolve(&mut role, set.id, &[gone], true).await.unwrap();
    assert_eq!(ids(&answer), [61]);
    stack.stop().await;
}

#[tokio::test]
async fn a_name_is_registered_once_however_many_ask_on_sqlite() {
    many_at_once(Database::sqlite(), 1).await;
}

#[tokio::test]
async fn a_name_is_registered_once_however_many_ask_two_processes_on_postgres() {
    many_at_once(Database::postgres(), 2).await;
}

type Events = BoxStream<'static, Result<CatalogEvent, FeedError>>;

async fn follow(reader: &mut CatalogState, events: &mut Events, to: u64) {
    while reader.revision().0 < to {
        let event = tokio::time::timeout(PATIENCE, events.next()).await.expect("the stream is silent");
        reader.apply(event.unwrap().unwrap(), Timestamp(0)).unwrap();
    }
}

/// A backup of the database as it is now, beside it.
async fn back_up(database: &Database) -> Database {
    let backup = format!("{}.backup", database.url);
    let pool = sqlx::SqlitePool::connect(&database.url).await.unwrap();
    let into = backup.strip_prefix("sqlite:").unwrap();
    sqlx::query("VACUUM INTO $1").bind(into).execute(&pool).await.unwrap();
    pool.close().await;
    Database::at(&backup)
}

/// A backup takes the place of the database; a reader has followed what came after it.
#[tokio::test]
async fn a_restored_database_gives_out_no_id_that_a_reader_has_heard_of_and_its_lost_snapshots_are_known() {
    let database = Database::sqlite();
    let stack = Stack::start(&database).await;
    two_tenants(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let mut role = registry(&stack, Caller::Role).await;
    let set = dataset("Brands", 100).create(&mut acme, "").await.unwrap();
    let kept = resolve(&mut role, set.id, &["kept"], true).await.unwrap();
    let backup = back_up(&database).await;
    let lost = resolve(&mut role, set.id, &["lost 1", "lost 2"], true).await.unwrap();
    assert_eq!(ids(&lost), [2, 3]);
    let mut reader = CatalogState::default();
    let mut events = stack.catalog(Caller::Role).subscribe(Place::default());
    follow(&mut reader, &mut events, lost.revision).await;
    drop(events);
    stack.stop().await;

    let stack = Stack::start(&backup).await;
    let mut events = stack.catalog(Caller::Role).subscribe(reader.place());
    let first = events.next().await.unwrap().unwrap();
    assert!(matches!(&first, CatalogEvent::Snapshot(c) if c.entities.size() == 4), "{first:?}");
    let mut role = registry(&stack, Caller::Role).await;
    let new = resolve(&mut role, set.id, &["new"], true).await.unwrap();
    assert_eq!(ids(&new), [4]);

    // Snapshots that name what was lost are refused, older ones are not.
    reader.apply(first, Timestamp(0)).unwrap();
    follow(&mut reader, &mut events, new.revision).await;
    let now = tagbid_catalog::Registry::of(&reader.view().catalog);
    let check =
        |response: &pb::ResolveNamesResponse| now.check_epoch(&response.registry_epoch.parse().unwrap());
    assert_eq!(check(&kept), Ok(()));
    assert_eq!(check(&new), Ok(()));
    assert!(check(&lost).is_err());
    stack.stop().await;
}

#[tokio::test]
async fn tags_come_by_the_thousand_all_or_none() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let mut owner = registry(&stack, Caller::Tenant(1)).await;
    let set = dataset("Products", 0).create(&mut acme, "").await.unwrap();
    let products: Vec<_> =
        (1..=5_000).map(|n| tag(&format!("Product {n}"), &[&format!("SKU/{n:05}")])).collect();
    let made = upsert(&mut owner, set.id, products.clone(), "first").await.unwrap();
    assert!(made.tags.iter().all(|tag| tag.outcome() == pb::UpsertOutcome::Created));
    assert_eq!(upsert(&mut owner, set.id, products.clone(), "first").await.unwrap(), made, "answered again");
    let reused = upsert(&mut owner, set.id, vec![tag("x", &[])], "first").await.unwrap_err();
    assert_eq!(reused.code(), Code::AlreadyExists);

    let mut next = vec![products[0].clone(), tag("PRODUCT-2", &["second"]), tag("Product 0", &[])];
    next[1].half_life_s = Some(60);
    let upserted = upsert(&mut owner, set.id, next, "").await.unwrap();
    use pb::UpsertOutcome::{Created, Unchanged, Updated};
    let outcomes: Vec<_> = upserted.tags.iter().map(|tag| (tag.tag_id, tag.outcome())).collect();
    assert_eq!(outcomes, [(1, Unchanged), (2, Updated), (5_001, Created)]);
    let answer = resolve(&mut owner, set.id, &["second", "sku 00002", "SKU-00001"], false).await.unwrap();
    assert_eq!(ids(&answer), [2, 0, 1], "a given tag replaces the old one");

    let bad = vec![
        tag("Fine", &[]),
        tag("Twice", &["product 7"]),
        tag("®", &[]),
        tag("fine!", &[]),
        pb::TagDefinition { id: 9_999, ..tag("No such", &[]) },
        pb::TagDefinition { dataset_id: 77, ..tag("Elsewhere", &[]) },
        pb::TagDefinition { advertiser_id: 2, taxonomy: "x".into(), ..tag("Theirs", &[]) },
    ];
    let refused = upsert(&mut owner, set.id, bad, "").await.unwrap_err();
    let named: BTreeSet<_> = fields(&refused).into_iter().collect();
    let expected = [
        "tags[1].synonyms[0]",
        "tags[2].name",
        "tags[3].name",
        "tags[4].id",
        "tags[5].dataset_id",
        "tags[6].advertiser_id",
        "tags[6].taxonomy",
    ];
    assert_eq!(named, expected.map(String::from).into());
    let answer = resolve(&mut owner, set.id, &["Fine"], false).await.unwrap();
    assert_eq!(statuses(&answer), [S::Unknown], "nothing of it was kept");
    stack.stop().await;
}

#[tokio::test]
async fn a_renamed_tag_gives_its_name_to_the_next_in_the_same_request() {
    for database in [Database::sqlite(), Database::postgres()] {
        let stack = Stack::start(&database).await;
        two_tenants(&stack).await;
        let mut acme = stack.api(Caller::Tenant(1)).await;
        let mut owner = registry(&stack, Caller::Tenant(1)).await;
        let set = dataset("Rings", 0).create(&mut acme, "").await.unwrap();
        upsert(&mut owner, set.id, vec![tag("a", &[]), tag("b", &[])], "").await.unwrap();
        let by_id = |id, name| pb::TagDefinition { id, ..tag(name, &[]) };
        let moved = vec![by_id(2, "c"), by_id(1, "b"), tag("a", &[])];
        let upserted = upsert(&mut owner, set.id, moved, "").await.unwrap();
        assert_eq!(upserted.tags.iter().map(|tag| tag.tag_id).collect::<Vec<_>>(), [2, 1, 3]);
        let answer = resolve(&mut owner, set.id, &["a", "b", "c"], false).await.unwrap();
        assert_eq!(ids(&answer), [3, 1, 2]);
        stack.stop().await;
    }
}

#[tokio::test]
async fn a_dataset_is_its_owners_and_open_to_those_it_is_granted_to() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let (mut acme, mut rival) = (stack.api(Caller::Tenant(1)).await, stack.api(Caller::Tenant(2)).await);
    let mut theirs = registry(&stack, Caller::Tenant(2)).await;
    let set = dataset("CRM", 10).create(&mut acme, "").await.unwrap();
    let gold =
        pb::TagDefinition { dataset_id: set.id, ..tag("Gold", &[]) }.create(&mut acme, "").await.unwrap();
    assert_eq!((gold.advertiser_id, gold.dataset_id), (1, set.id));

    let hidden = resolve(&mut theirs, set.id, &["Gold"], false).await.unwrap_err();
    assert_eq!(hidden.code(), Code::NotFound);
    assert_eq!(pb::TagDefinition::get(&mut rival, 1).await.unwrap_err().code(), Code::NotFound);
    let stolen = pb::TagDefinition { dataset_id: set.id, ..tag("Mine", &[]) };
    let refused = stolen.create(&mut rival, "").await.unwrap_err();
    assert_eq!(fields(&refused), ["tag_definition.dataset_id"]);

    let mut granted = set.clone();
    granted.grants = vec![2, 7];
    granted.update(&mut acme, &["grants"], "").await.unwrap();
    assert_eq!(pb::TagDefinition::get(&mut rival, 1).await.unwrap().name, "Gold");
    let (seen, _) = pb::Dataset::list(&mut rival, 0, 0, "", false).await.unwrap();
    assert_eq!(seen.iter().map(|set| set.grants.clone()).collect::<Vec<_>>(), [[2]], "not who else");
    let request = pb::ListTagDefinitionsRequest { dataset_id: set.id, ..Default::default() };
    let listed = rival.list_tag_definitions(request).await.unwrap().into_inner().tag_definitions;
    assert_eq!(listed.len(), 1);
    target_gold(&mut rival, gold.id).await.unwrap();

    // Open is not theirs: nothing is written, and nothing of the owner's other names is told.
    for refused in [
        resolve(&mut theirs, set.id, &["Gold"], false).await.map(drop),
        upsert(&mut theirs, set.id, vec![tag("Gold", &[])], "").await.map(drop),
        gold.clone().update(&mut rival, &["description"], "").await.map(drop),
        pb::Dataset::archive(&mut rival, set.id.into(), "").await.map(drop),
    ] {
        assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    }
    pb::Dataset { grants: vec![], ..set }.update(&mut acme, &["grants"], "").await.unwrap();
    assert_eq!(pb::TagDefinition::get(&mut rival, 1).await.unwrap_err().code(), Code::NotFound);
    assert!(target_gold(&mut rival, gold.id).await.is_err());
    stack.stop().await;
}

/// A line item of the caller that targets this tag.
async fn target_gold(api: &mut crate::harness::Api, tag: u32) -> Result<pb::LineItem, Status> {
    let campaign = crate::harness::campaign("Spring").create(api, "").await?;
    let creative = crate::harness::creative("Red shoes").create(api, "").await?;
    let mut item = line_item(campaign.id, creative.id);
    let test = pb::TagTest { any_of_tag_ids: vec![tag], ..Default::default() };
    let leaf = pb::Leaf { test: Some(pb::leaf::Test::Tag(test)) };
    item.targeting = Some(pb::Expression { node: Some(pb::expression::Node::Leaf(leaf)) });
    item.create(api, "").await
}

#[tokio::test]
async fn questions_that_cannot_be_answered_are_refused() {
    let stack = Stack::start(&Database::sqlite()).await;
    two_tenants(&stack).await;
    let mut acme = stack.api(Caller::Tenant(1)).await;
    let mut owner = registry(&stack, Caller::Tenant(1)).await;
    let set = dataset("CRM", 10).create(&mut acme, "").await.unwrap();
    let none = resolve(&mut owner, set.id, &[], true).await.unwrap_err();
    assert_eq!(fields(&none), ["names"]);
    let many = vec!["x"; 10_001];
    assert_eq!(fields(&resolve(&mut owner, set.id, &many, true).await.unwrap_err()), ["names"]);
    let long = "x".repeat(1_025);
    let longest = vec![long.as_str(); 10_000];
    let answer = resolve(&mut owner, set.id, &longest, true).await.unwrap();
    assert_eq!(statuses(&answer), [S::Invalid; 10_000]);
    assert_eq!(fields(&upsert(&mut owner, set.id, vec![], "").await.unwrap_err()), ["tags"]);

    let both = pb::Dataset { kind: pb::DatasetKind::Realtime.into(), ..set.clone() };
    let refused = both.update(&mut acme, &["kind"], "").await.unwrap_err();
    assert_eq!(fields(&refused), ["dataset.kind"]);
    pb::Dataset::archive(&mut acme, set.id.into(), "").await.unwrap();
    let closed = resolve(&mut owner, set.id, &["x"], true).await.unwrap_err();
    assert_eq!(closed.code(), Code::FailedPrecondition);
    stack.stop().await;
}
