//! Loads whose tags come in columns.

use tagbid_tags::Options;
use tagbid_tagset::offline::{Offline, OfflineTag};
use tagbid_types::TagId;
use tagbid_wire::pb::tags as pb;
use tagbid_wire::pb::tags::load_snapshot_request::Step;

use crate::fixture::{ACME, Role, blobs, ifa, key_of, mac_key};
use crate::snapshots::{Load, begin, by_id, client, user};

fn packed(id: &str, packed: pb::PackedTags) -> pb::LoadUser {
    pb::LoadUser { user: Some(ifa(id)), tags: vec![], packed: Some(packed) }
}

fn columns(ids: &[u32], names: &[u32], weights: &[u8], lifetimes_s: &[u32]) -> pb::PackedTags {
    let (ids, names, lifetimes_s) = (ids.to_vec(), names.to_vec(), lifetimes_s.to_vec());
    pb::PackedTags { ids, names, weights: weights.to_vec().into(), lifetimes_s }
}

async fn tags(role: &Role, id: &str) -> Vec<OfflineTag> {
    let blobs = blobs(&role.lookup(key_of(id, &mac_key(1))).await);
    blobs.iter().flat_map(|blob| Offline::parse(blob).unwrap().tags().map(Result::unwrap)).collect()
}

#[tokio::test]
async fn tags_in_columns_are_those_that_come_one_by_one() {
    let role = Role::start(Options::default()).await;
    let mut acme = client(&role, ACME).await;
    let mut load = Load::open(&mut acme).await;
    load.progress(begin("monday", None)).await;
    let at = |seconds: i64| Some(prost_types::Timestamp { seconds: 1_600_000_000 + seconds, nanos: 0 });
    let one = |id, weight, expires| pb::LoadTag { tag: Some(by_id(id)), weight, expires };
    let each = vec![one(2, 7, at(50)), one(1, 255, None)];
    let users = vec![
        pb::LoadUser { tags: each, ..user("each", by_id(1), 0) },
        packed("ids", columns(&[2, 1], &[], &[7, 255], &[50, 0])),
        packed("names", columns(&[], &[1, 0], &[7, 255], &[50, 0])),
        packed("one lifetime", columns(&[1, 2], &[], &[1, 2], &[9])),
        packed("no lifetime", columns(&[1], &[], &[1], &[])),
        packed("nothing", pb::PackedTags::default()),
    ];
    let names = vec!["TAG 1".into(), "tag-2".into()];
    let progress = load.progress(Step::Users(pb::LoadUsers { users, names })).await;
    assert_eq!((progress.stored, progress.rejects), (6, vec![]));
    load.finish(6, true).await.unwrap();

    let expected = tags(&role, "each").await;
    let default = expected[0].ttl_s;
    let tag = |id, weight, ttl_s| OfflineTag { id: TagId(id), weight, ttl_s };
    assert_eq!(expected, [tag(1, 255, default), tag(2, 7, 50)]);
    assert_eq!((tags(&role, "ids").await, tags(&role, "names").await), (expected.clone(), expected));
    assert_eq!(tags(&role, "one lifetime").await, [tag(1, 1, 9), tag(2, 2, 9)]);
    assert_eq!(tags(&role, "no lifetime").await, [tag(1, 1, default)]);
    assert_eq!(tags(&role, "nothing").await, []);
}

#[tokio::test]
async fn columns_that_do_not_fit_are_refused_by_field_and_spare_the_others() {
    let role = Role::start(Options::default()).await;
    let mut acme = client(&role, ACME).await;
    let mut load = Load::open(&mut acme).await;
    load.progress(begin("monday", None)).await;
    let many: Vec<u32> = (0..513).collect();
    let cases = [
        ("packed.names", columns(&[1], &[0], &[1, 2], &[])),
        ("packed.weights", columns(&[1, 2], &[], &[1], &[])),
        ("packed.weights", columns(&[], &[], &[1], &[])),
        ("packed.lifetimes_s", columns(&[1, 2], &[], &[1, 2], &[1, 2, 3])),
        ("tags", columns(&many, &[], &[1; 513], &[])),
        ("tags[1].tag", columns(&[1, 3], &[], &[1, 2], &[])),
        ("tags[0].name", columns(&[], &[1], &[1], &[])),
        ("tags[0].name", columns(&[], &[u32::MAX], &[1], &[])),
    ];
    let mut users: Vec<_> = cases.iter().map(|(_, columns)| packed("bad", columns.clone())).collect();
    users.push(pb::LoadUser { packed: Some(columns(&[1], &[], &[1], &[])), ..user("both", by_id(1), 1) });
    let one_by_one = vec![pb::LoadTag { tag: Some(by_id(1)), weight: 1, expires: None }; 513];
    users.push(pb::LoadUser { tags: one_by_one, ..user("many", by_id(1), 1) });
    users.push(packed("good", columns(&[], &[0], &[1], &[])));
    let names = vec!["tag-1".into(), "too many".into()];
    let progress = load.progress(Step::Users(pb::LoadUsers { users, names })).await;
    let refused: Vec<_> = progress.rejects.iter().map(|one| one.field.as_str()).collect();
    let expected: Vec<_> = cases.iter().map(|(field, _)| *field).chain(["packed", "tags"]).collect();
    assert_eq!((refused, progress.stored), (expected, 1));

    let names = vec![String::new(); 10_001];
    let users = vec![packed("good", columns(&[], &[0], &[1], &[]))];
    let refused = load.step(Step::Users(pb::LoadUsers { users, names })).await.unwrap_err();
    assert!(refused.message().starts_with("names: 10001 names"), "{refused}");
}
