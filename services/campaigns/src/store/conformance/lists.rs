//! Lists, and names within them.

use super::*;
use crate::store::entities::Filter;

/// Two advertisers; campaigns 1, 3, 5 of the second, 2 (archived), 4, 6 of the first; tag 1 of the operator, 2 and 3
/// of the advertisers.
async fn fleet(store: &Arc<dyn Store>) {
    for id in 1..=2 {
        put(store, advertiser(id)).await.unwrap();
    }
    for id in 1..=6 {
        put(store, campaign(id, 1 + id % 2)).await.unwrap();
    }
    let mut archived = campaign(2, 1);
    archived.header_mut().archived = true;
    put(store, archived).await.unwrap();
    for (id, owner) in [(1, None), (2, Some(1)), (3, Some(2))] {
        put(store, tag(id, owner, &format!("tag {id}"))).await.unwrap();
    }
}

fn every(kind: EntityKind) -> Filter {
    Filter { kind, owner: None, shared: false, parent: None, archived: true, after: 0, limit: 100 }
}

pub(super) async fn lists_come_in_pages_filtered(database: Database) {
    let store = database.open().await;
    fleet(&store).await;
    let mut session = store.read().await.unwrap();
    let all = every(EntityKind::Campaign);
    let owner = Some(AdvertiserId(1));
    let own = Filter { owner, ..all };
    let live = Filter { archived: false, ..own };
    let page = Filter { after: 2, limit: 2, ..all };
    let below = Filter { parent: Some(AdvertiserId(2).into()), ..all };
    let elsewhere = Filter { parent: Some(DatasetId(2).into()), ..all };
    let tags = Filter { kind: EntityKind::Tag, ..own };
    let shared = Filter { shared: true, ..tags };
    let cases: [(Filter, &[u64]); 8] = [
        (all, &[1, 2, 3, 4, 5, 6]),
        (page, &[3, 4]),
        (own, &[2, 4, 6]),
        (live, &[4, 6]),
        (below, &[1, 3, 5]),
        (elsewhere, &[]),
        (tags, &[2]),
        (shared, &[1, 2]),
    ];
    for (filter, ids) in cases {
        let found = entities::list(session.as_mut(), &filter).await.unwrap();
        let found: Vec<u64> = found.iter().map(|entity| entity.key().id).collect();
        assert_eq!(found, ids, "{filter:?}");
    }
}

pub(super) async fn names_are_unique_among_an_owners_live_entities(database: Database) {
    let store = database.open().await;
    put(&store, advertiser(1)).await.unwrap();
    put(&store, tag(1, Some(1), "Runners")).await.unwrap();
    put(&store, tag(2, None, "runners")).await.unwrap();
    let mut session = store.read().await.unwrap();
    let twin = entities::twin(session.as_mut(), &tag(0, Some(1), "RUNNERS")).await.unwrap();
    assert_eq!(twin, Some(1));
    drop(session);
    assert!(put(&store, tag(3, Some(1), "RUNNERS")).await.is_err(), "the index holds too");

    let mut gone = tag(1, Some(1), "Runners");
    gone.header_mut().archived = true;
    put(&store, gone).await.unwrap();
    put(&store, tag(3, Some(1), "RUNNERS")).await.unwrap();
}
